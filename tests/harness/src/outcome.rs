//! What a client of the server sees, and the one mapping from what an engine
//! answers to it (`sdk/logical/response_util.go` of the server).

use secrets_framework::{Error, Operation, Response};
use serde_json::{Map, Value};

/// The lease of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseInfo {
    /// The server's name of it.
    pub id: String,
    /// Seconds.
    pub duration: u64,
    /// May it be renewed?
    pub renewable: bool,
}

/// What a client sees of one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// HTTP status.
    pub status: u16,
    /// The answer's data; null where there is none.
    pub data: Value,
    /// Warnings.
    pub warnings: Vec<String>,
    /// Error texts, without the server's "1 error occurred" around them.
    pub errors: Vec<String>,
    /// The lease, where the answer is leased.
    pub lease: Option<LeaseInfo>,
}

impl Outcome {
    /// The outcome must have this status.
    ///
    /// # Panics
    /// When it has another; says all that it has.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// The outcome must be an error with this status and all of these texts in it.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn expect_error(self, status: u16, texts: &[&str]) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        let all = self.errors.join("\n");
        for text in texts {
            assert!(all.contains(text), "no `{text}` in {self:#?}");
        }
        self
    }

    /// A text field of the data; empty where it is not one.
    pub fn text(&self, name: &str) -> &str {
        self.data.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The lease's ID.
    ///
    /// # Panics
    /// When the answer is not leased.
    #[track_caller]
    pub fn lease_id(&self) -> String {
        self.lease.as_ref().unwrap_or_else(|| panic!("not leased: {self:#?}")).id.clone()
    }

    /// The keys of a list, sorted. An empty list is a 404 without an error
    /// text; nothing else counts as one, so that an error never looks empty.
    ///
    /// # Panics
    /// When the outcome is neither a list nor that 404.
    #[track_caller]
    pub fn keys(&self) -> Vec<String> {
        self.try_keys().unwrap_or_else(|| panic!("neither a list nor an empty one: {self:#?}"))
    }

    /// The keys of a list, sorted; none where the outcome is neither a list nor
    /// an empty one. For waits in which an error is expected.
    pub fn try_keys(&self) -> Option<Vec<String>> {
        let listed = self.data.get("keys").and_then(Value::as_array).filter(|_| self.status == 200);
        let is_empty = self.status == 404 && self.errors.is_empty();
        let Some(listed) = listed else { return is_empty.then(Vec::new) };
        let keys: Option<Vec<_>> = listed.iter().map(|key| key.as_str().map(str::to_owned)).collect();
        keys.map(|mut keys| {
            keys.sort();
            keys
        })
    }

    /// All text that a client sees of this outcome besides its data.
    pub fn messages(&self) -> String {
        self.errors.iter().chain(&self.warnings).cloned().collect::<Vec<_>>().join("\n")
    }
}

/// Maps what an engine answered to what a client sees. The lease is the caller's to add.
pub(crate) fn outcome(operation: Operation, answer: Result<Option<&Response>, &Error>) -> Outcome {
    match answer {
        Ok(None) => without_response(operation),
        Ok(Some(response)) => of_response(operation, response),
        Err(error) => Outcome { status: status_of_error(error), errors: vec![error.to_string()], ..Outcome::default() },
    }
}

fn without_response(operation: Operation) -> Outcome {
    let status = if matches!(operation, Operation::Read | Operation::List) { 404 } else { 204 };
    Outcome { status, ..Outcome::default() }
}

fn of_response(operation: Operation, response: &Response) -> Outcome {
    let data: Value = match response.data.as_deref().map(serde_json::from_str) {
        None => Value::Null,
        Some(Ok(value)) => value,
        Some(Err(error)) => {
            return Outcome { status: 500, errors: vec![error.to_string()], ..Outcome::default() };
        }
    };
    let warnings = response.warnings.clone();
    if let Some(text) = error_text(&data) {
        return Outcome { status: 400, errors: vec![text], warnings, ..Outcome::default() };
    }
    if operation == Operation::List && response.warnings.is_empty() && lists_nothing(&data) {
        return Outcome { status: 404, ..Outcome::default() };
    }
    Outcome { status: 200, data, warnings, ..Outcome::default() }
}

/// `{"error": text}`, alone or with only a `data` beside it, is a mistake of the caller.
fn error_text(data: &Value) -> Option<String> {
    let object = data.as_object()?;
    let text = object.get("error")?.as_str()?;
    let alone = object.iter().all(|(key, value)| key == "error" || (key == "data" && !value.is_null()));
    alone.then(|| text.to_owned())
}

fn lists_nothing(data: &Value) -> bool {
    let nothing = Map::new();
    let object = data.as_object().unwrap_or(&nothing);
    let keys = object.get("keys").and_then(Value::as_array).is_none_or(Vec::is_empty);
    keys && object.keys().all(|key| key == "keys")
}

/// For a plain error the server compares the whole text.
fn status_of_error(error: &Error) -> u16 {
    match error {
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
        // User, internal, and whatever a later version of the framework adds.
        _ => 500,
    }
}

/// Takes the server's wrapping off an error text: `1 error occurred:\n\t* text\n\n`.
pub(crate) fn unwrapped(text: &str) -> String {
    let inner = text.strip_prefix("1 error occurred:").map_or(text, str::trim_start);
    inner.strip_prefix("* ").unwrap_or(inner).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(data: &str) -> Response {
        Response { data: Some(data.to_owned()), ..Response::default() }
    }

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
            assert_eq!(outcome(operation, Ok(Some(&response(data)))).status, expected, "{operation:?} {data}");
        }
        let rows = [(Operation::Read, 404), (Operation::List, 404), (Operation::Delete, 204), (Operation::Create, 204)];
        for (operation, expected) in rows {
            assert_eq!(outcome(operation, Ok(None)).status, expected, "{operation:?}");
        }
    }

    #[test]
    fn errors_map_to_the_servers_status_codes() {
        let rows = [
            (Error::Plain("cannot write to readonly storage".to_owned()), 500),
            (Error::Plain("permission denied".to_owned()), 403),
            (Error::Plain("it said: permission denied".to_owned()), 500),
            (Error::User("no".to_owned()), 500),
            (Error::coded(409, "there"), 409),
            (Error::BadRequest("no".to_owned()), 400),
            (Error::UnsupportedOperation, 405),
            (Error::UnsupportedPath, 404),
        ];
        for (error, expected) in rows {
            assert_eq!(outcome(Operation::Read, Err(&error)).status, expected, "{error:?}");
        }
    }

    #[test]
    fn only_a_404_without_an_error_text_is_an_empty_list() {
        let of = |status, errors: &[&str], data: Value| Outcome {
            status,
            errors: errors.iter().map(|text| (*text).to_owned()).collect(),
            data,
            ..Outcome::default()
        };
        let listed = of(200, &[], serde_json::json!({ "keys": ["b", "a"] }));
        assert_eq!(listed.keys(), ["a", "b"]);
        assert_eq!(of(404, &[], Value::Null).keys(), Vec::<String>::new());
        for (status, errors) in [
            (404, ["no handler for route"].as_slice()),
            (500, &["local node not active but active cluster node not found"]),
            (503, &["try again"]),
            (200, &[]),
            (204, &[]),
        ] {
            assert_eq!(of(status, errors, Value::Null).try_keys(), None, "{status} {errors:?}");
        }
    }

    #[test]
    fn the_servers_wrapping_is_taken_off() {
        assert_eq!(unwrapped("1 error occurred:\n\t* unsupported path\n\n"), "unsupported path");
        assert_eq!(unwrapped("missing `org_id`"), "missing `org_id`");
    }
}
