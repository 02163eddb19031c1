//! From the answer of an engine to the answer that the server's client sees.
//!
//! Status codes are those of `RespondErrorCommon` and `AdjustErrorStatusCode` (`sdk/logical/response_util.go` of
//! OpenBao), and of `respondLogical` (`internal/http/logical.go`).

use envelope::{Error, Operation, Response};
use serde_json::Value;

use crate::Lease;

/// The server's answer to one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// HTTP status.
    pub status: u16,
    /// The data of the answer; null if there is none.
    pub data: Value,
    /// Texts beside the data.
    pub warnings: Vec<String>,
    /// Texts of an error.
    pub errors: Vec<String>,
    /// The lease of a leased answer.
    pub lease: Option<Lease>,
}

impl Outcome {
    /// An error of the server itself.
    pub fn refused(status: u16, text: impl Into<String>) -> Self {
        Self { status, errors: vec![text.into()], ..Self::default() }
    }

    /// Is this an error for the server's command line? A 404 without a text counts as an error there.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.status >= 400
    }

    /// The answer of a server to what its engine answered, without the lease.
    #[must_use]
    pub(crate) fn new(operation: Operation, answer: &Result<Option<Response>, Error>) -> Self {
        match answer {
            Ok(None) if matches!(operation, Operation::Read | Operation::List) => {
                Self { status: 404, ..Self::default() }
            }
            Ok(None) => Self { status: 204, ..Self::default() },
            Ok(Some(response)) => Self::of_response(operation, response),
            Err(error) => Self::refused(status_of(error), error.to_string()),
        }
    }

    fn of_response(operation: Operation, response: &Response) -> Self {
        let warnings = response.warnings.clone();
        let data = match response.data.as_deref().map(serde_json::from_str).transpose() {
            Ok(data) => data.unwrap_or(Value::Null),
            Err(error) => return Self::refused(500, error.to_string()),
        };
        if let Some(text) = mistake(&data) {
            return Self { warnings, ..Self::refused(400, text) };
        }
        if operation == Operation::List && warnings.is_empty() && lists_nothing(&data) {
            return Self { status: 404, ..Self::default() };
        }
        Self { status: 200, data, warnings, ..Self::default() }
    }
}

/// The text of `{"error": text}`, alone or with only a `data` beside it: a mistake of the caller.
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
            (Operation::Read, "", 500),
        ];
        for (operation, data, expected) in rows {
            let response = Response { data: Some(data.to_owned()), ..Response::default() };
            assert_eq!(Outcome::new(operation, &Ok(Some(response))).status, expected, "{operation:?} {data}");
        }
        let rows = [(Operation::Read, 404), (Operation::List, 404), (Operation::Delete, 204), (Operation::Create, 204)];
        for (operation, expected) in rows {
            assert_eq!(Outcome::new(operation, &Ok(None)).status, expected, "{operation:?}");
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
            assert_eq!(Outcome::new(Operation::Read, &Err(error.clone())).status, expected, "{error:?}");
        }
    }
}
