//! Responses, and what an engine tells of its paths. `Debug` leaves out data, headers and internal data.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Asks the server for a lease.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Time to live; `None` = the mount's default.
    pub ttl: Option<Duration>,
    /// Longest time to live; `None` = the mount's maximum.
    pub max_ttl: Option<Duration>,
    /// May the lease be renewed?
    pub renewable: bool,
    /// JSON object text.
    pub internal_data: String,
}

/// An answer.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// JSON object text; none = null.
    pub data: Option<String>,
    /// Texts that the server shows beside the data.
    pub warnings: Vec<String>,
    /// Some = the answer is leased.
    pub secret: Option<Secret>,
    /// Response headers.
    pub headers: BTreeMap<String, Vec<String>>,
}

/// Paths and storage keys that the server treats in a special way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SpecialPaths {
    /// Need root or `sudo`: exact, a prefix with a trailing `*`, `+` for one segment.
    pub root: Vec<String>,
    /// Need no token; the same forms.
    pub unauthenticated: Vec<String>,
    /// Storage that is not replicated: keys, or prefixes that end in `/`.
    pub local_storage: Vec<String>,
    /// Storage that the seal wraps: keys, or prefixes that end in `/`.
    pub seal_wrap_storage: Vec<String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Secret")
            .field("ttl", &self.ttl)
            .field("max_ttl", &self.max_ttl)
            .field("renewable", &self.renewable)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Response")
            .field("warnings", &self.warnings)
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_may_be_secret_is_in_debug() {
        const CANARY: &str = "AstraCS:canary";
        let secret = Secret { ttl: None, max_ttl: None, renewable: false, internal_data: CANARY.into() };
        let response = Response {
            data: Some(CANARY.into()),
            warnings: vec!["shown".into()],
            secret: Some(secret),
            headers: [("x-secret".into(), vec![CANARY.into()])].into(),
        };
        let shown = format!("{response:?}");
        assert!(shown.contains("shown") && shown.contains("renewable"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
