//! The outcome of a request, from the client's view.

use local_server::Lease;
use serde_json::Value;

/// The lease of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseInfo {
    /// The server's ID of the lease.
    pub id: String,
    /// Duration in seconds.
    pub duration: u64,
    /// Is the lease renewable?
    pub renewable: bool,
}

/// The outcome of one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// HTTP status.
    pub status: u16,
    /// Data of the answer; null if there are none.
    pub data: Value,
    /// Warnings.
    pub warnings: Vec<String>,
    /// Error texts, without the server's text "1 error occurred".
    pub errors: Vec<String>,
    /// The lease, if the answer has one.
    pub lease: Option<LeaseInfo>,
}

impl Outcome {
    /// Asserts the status of the outcome.
    ///
    /// # Panics
    /// When the status differs. The text has the whole outcome.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// Asserts an error with this status and all of these texts.
    ///
    /// # Panics
    /// When the outcome differs.
    #[track_caller]
    pub fn expect_error(self, status: u16, texts: &[&str]) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        let all = self.errors.join("\n");
        for text in texts {
            assert!(all.contains(text), "no `{text}` in {self:#?}");
        }
        self
    }

    /// A text field of the data; empty if the field is not a text.
    pub fn text(&self, name: &str) -> &str {
        self.data.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The lease's ID.
    ///
    /// # Panics
    /// When the answer has no lease.
    #[track_caller]
    pub fn lease_id(&self) -> String {
        self.lease.as_ref().unwrap_or_else(|| panic!("not leased: {self:#?}")).id.clone()
    }

    /// The keys of a list, sorted. A 404 without an error text is an empty list; anything else is an error, so that an
    /// error never looks like an empty list.
    ///
    /// # Panics
    /// When the outcome is neither a list nor that 404.
    #[track_caller]
    pub fn keys(&self) -> Vec<String> {
        self.try_keys().unwrap_or_else(|| panic!("neither a list nor an empty one: {self:#?}"))
    }

    /// The keys of a list, sorted; `None` if the outcome is neither a list nor an empty one. For waits in which an
    /// error may occur.
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

    /// All texts of this outcome besides its data.
    pub fn messages(&self) -> String {
        self.errors.iter().chain(&self.warnings).cloned().collect::<Vec<_>>().join("\n")
    }
}

impl From<local_server::Outcome> for Outcome {
    fn from(outcome: local_server::Outcome) -> Self {
        let local_server::Outcome { status, data, warnings, errors, lease } = outcome;
        let info = |lease: Lease| LeaseInfo { id: lease.id, duration: lease.ttl_seconds, renewable: lease.renewable };
        Self { status, data, warnings, errors, lease: lease.map(info) }
    }
}

/// Removes the server's frame around an error text: `1 error occurred:
/// \t* text
///
/// `.
pub(crate) fn unwrapped(text: &str) -> String {
    let inner = text.strip_prefix("1 error occurred:").map_or(text, str::trim_start);
    inner.strip_prefix("* ").unwrap_or(inner).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

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
