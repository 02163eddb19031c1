//! From what a module answers to what the server's client would see.
//!
//! Status codes are those of `RespondErrorCommon` and `AdjustErrorStatusCode` (`sdk/logical/response_util.go` of
//! OpenBao), and of `respondLogical` (`internal/http/logical.go`).

use component_runtime::InvokeError;
use envelope::{Error, Operation, Response};
use serde_json::Value;

use super::lease::Lease;

/// What a client would see of one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub(super) status: u16,
    pub(super) data: Value,
    pub(super) warnings: Vec<String>,
    pub(super) errors: Vec<String>,
    /// What a server has in its log only.
    pub(super) cause: Option<String>,
    pub(super) lease: Option<Lease>,
}

impl Outcome {
    /// An answer of the server itself.
    pub(super) fn refused(status: u16, text: impl Into<String>) -> Self {
        Self { status, errors: vec![text.into()], ..Self::default() }
    }

    /// As the server's command line sees it: a 404 without a text counts as one.
    pub(super) fn is_error(&self) -> bool {
        self.status >= 400
    }
}

/// The one mapping. The lease is the caller's to add.
pub(super) fn outcome(operation: Operation, answer: &Result<Option<Response>, InvokeError>) -> Outcome {
    match answer {
        Ok(None) if matches!(operation, Operation::Read | Operation::List) => {
            Outcome { status: 404, ..Outcome::default() }
        }
        Ok(None) => Outcome { status: 204, ..Outcome::default() },
        Ok(Some(response)) => of_response(operation, response),
        Err(error) => of_error(error),
    }
}

fn of_response(operation: Operation, response: &Response) -> Outcome {
    let warnings = response.warnings.clone();
    let data = match response.data.as_deref().map(serde_json::from_str).transpose() {
        Ok(data) => data.unwrap_or(Value::Null),
        Err(error) => return Outcome::refused(500, error.to_string()),
    };
    if let Some(text) = mistake(&data) {
        return Outcome { warnings, ..Outcome::refused(400, text) };
    }
    if operation == Operation::List && warnings.is_empty() && lists_nothing(&data) {
        return Outcome { status: 404, ..Outcome::default() };
    }
    Outcome { status: 200, data, warnings, ..Outcome::default() }
}

/// `{"error": text}`, alone or with only a `data` beside it, is a mistake of the caller.
fn mistake(data: &Value) -> Option<&str> {
    let object = data.as_object()?;
    let text = object.get("error")?.as_str()?;
    let is_alone = object.iter().all(|(key, value)| key == "error" || (key == "data" && !value.is_null()));
    is_alone.then_some(text)
}

fn lists_nothing(data: &Value) -> bool {
    let Some(object) = data.as_object() else { return true };
    let is_empty = object.get("keys").and_then(Value::as_array).is_none_or(Vec::is_empty);
    is_empty && object.keys().all(|key| key == "keys")
}

fn of_error(failure: &InvokeError) -> Outcome {
    let error = failure.to_error("");
    let cause = (!matches!(failure, InvokeError::Guest(_))).then(|| failure.to_string());
    Outcome { cause, ..Outcome::refused(status_of(&error), error.to_string()) }
}

fn status_of(error: &Error) -> u16 {
    match error {
        // The server compares the whole text.
        Error::Plain(text) => match text.as_str() {
            "permission denied" => 403,
            "invalid request" | "invalid credentials" => 400,
            "unsupported path" => 404,
            "unsupported operation" => 405,
            "upstream rate limited" => 502,
            "rate limit quota exceeded" => 429,
            _ => 500,
        },
        Error::Coded { code, .. } => *code,
        Error::BadRequest(_) | Error::InvalidRequest => 400,
        Error::UnsupportedOperation => 405,
        Error::UnsupportedPath => 404,
        Error::PermissionDenied => 403,
        Error::User(_) | Error::Internal(_) | Error::MultiAuthzPending | Error::Unrecoverable => 500,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn responses_map_to_the_servers_status_codes() {
        let rows = [
            (Operation::Read, r#"{"a":1}"#, 200),
            (Operation::Read, "{}", 200),
            (Operation::Update, r#"{"error":"no"}"#, 400),
            (Operation::Update, r#"{"error":"no","data":1}"#, 400),
            (Operation::Update, r#"{"error":"no","other":1}"#, 200),
            (Operation::List, r#"{"keys":[]}"#, 404),
            (Operation::List, "{}", 404),
            (Operation::List, r#"{"keys":["a"]}"#, 200),
            (Operation::List, r#"{"keys":[],"key_info":{}}"#, 200),
        ];
        for (operation, data, expected) in rows {
            let response = Response { data: Some(data.to_owned()), ..Response::default() };
            assert_eq!(outcome(operation, &Ok(Some(response))).status, expected, "{operation:?} {data}");
        }
        let rows = [(Operation::Read, 404), (Operation::List, 404), (Operation::Delete, 204), (Operation::Create, 204)];
        for (operation, expected) in rows {
            assert_eq!(outcome(operation, &Ok(None)).status, expected, "{operation:?}");
        }
    }

    #[test]
    fn errors_map_to_the_servers_status_codes() {
        let rows = [
            (Error::Plain("cannot write to readonly storage".to_owned()), 500),
            (Error::Plain("permission denied".to_owned()), 403),
            (Error::Plain("it said: permission denied".to_owned()), 500),
            (Error::User("no".to_owned()), 500),
            (Error::Coded { code: 409, message: "there".to_owned() }, 409),
            (Error::BadRequest("no".to_owned()), 400),
            (Error::UnsupportedOperation, 405),
            (Error::UnsupportedPath, 404),
        ];
        for (error, expected) in rows {
            assert_eq!(outcome(Operation::Read, &Err(error.clone().into())).status, expected, "{error:?}");
        }
    }

    #[test]
    fn what_a_server_only_logs_is_told_beside_what_its_client_sees() {
        let failed = outcome(Operation::Read, &Err(InvokeError::Trap("unreachable in f".to_owned())));
        assert_eq!((failed.status, failed.errors[0].as_str()), (500, "plugin component failed"));
        assert!(failed.cause.unwrap_or_default().contains("unreachable in f"));
        let busy = outcome(Operation::Read, &Err(InvokeError::ProcessorTime(Duration::from_secs(1))));
        assert!(busy.cause.unwrap_or_default().contains("processor time"));
    }
}
