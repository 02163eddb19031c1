//! An answer to the server.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

/// Asks the server to lease the response.
pub struct Secret {
    /// Zero = the mount's default.
    pub ttl: Duration,
    /// Zero = the mount's maximum.
    pub max_ttl: Duration,
    /// May it be renewed?
    pub renewable: bool,
    /// Given back on renew and revoke; holds `secret_type`.
    pub internal_data: Map<String, Value>,
}

/// What a handler comes to.
pub type Outcome = Result<Option<Response>, crate::Error>;

impl Secret {
    /// The secret as one of this kind: `secret_type` is added to its internal data.
    pub fn of_kind(mut self, kind: &str) -> Self {
        self.internal_data.insert("secret_type".to_owned(), kind.into());
        self
    }
}

/// An answer. `Ok(None)` from a handler means none: 204 for a write, 404 for a read.
#[derive(Default)]
pub struct Response {
    /// JSON object text; it may hold secrets.
    pub data: Option<String>,
    /// Shown beside the data.
    pub warnings: Vec<String>,
    /// Present = leased.
    pub secret: Option<Secret>,
}

impl Response {
    /// An answer with data. `data` must serialise to a JSON object.
    pub fn json(data: &impl Serialize) -> Result<Self, crate::Error> {
        let text = serde_json::to_string(data)
            .map_err(|error| crate::Error::Internal(format!("could not write the response: {error}")))?;
        Ok(Self { data: Some(text), ..Self::default() })
    }

    /// A mistake of the caller: status 400.
    pub fn error(message: impl Into<String>) -> Self {
        let text = Value::from(message.into());
        Self { data: Some(format!(r#"{{"error":{text}}}"#)), ..Self::default() }
    }

    /// The same, leased.
    pub fn leased(self, secret: Secret) -> Self {
        Self { secret: Some(secret), ..self }
    }

    /// Is it a mistake of the caller?
    pub fn is_error(&self) -> bool {
        self.data.as_deref().is_some_and(|data| data.starts_with(r#"{"error":"#))
    }

    /// Adds a warning.
    pub fn warn(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }
}

impl fmt::Debug for Secret {
    /// Without the internal data: it may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Secret");
        debug.field("ttl", &self.ttl).field("max_ttl", &self.max_ttl).field("renewable", &self.renewable);
        debug.finish_non_exhaustive()
    }
}

impl fmt::Debug for Response {
    /// Of the data only an error text: anything else may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = match &self.data {
            Some(data) if self.is_error() => data,
            Some(_) => "[redacted]",
            None => "none",
        };
        let mut debug = f.debug_struct("Response");
        debug.field("data", &data).field("warnings", &self.warnings).field("secret", &self.secret).finish()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn debug_shows_errors_but_no_data() {
        let response = Response::json(&json!({"token": "AstraCS:canary"})).unwrap();
        assert!(!response.is_error());
        assert!(!format!("{response:?}").contains("canary"));
        let error = Response::error("missing \"org_id\"");
        assert!(error.is_error());
        assert_eq!(error.data.as_deref(), Some(r#"{"error":"missing \"org_id\""}"#));
        assert!(format!("{error:?}").contains("missing"));
    }
}
