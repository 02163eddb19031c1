//! An answer to the server.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

/// Asks the server to lease the response.
#[derive(Debug)]
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

/// An answer. `Ok(None)` from a handler means none: 204 for a write, 404 for a read.
#[derive(Debug, Default)]
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
