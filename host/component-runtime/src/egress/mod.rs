//! Where guests may send HTTP requests, and the pool that sends them.

/// An allowed origin: `https://host`, `https://host:port`, `https://*.host`;
/// `http://…` and private addresses only where named exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {}

/// Why an origin was refused; the text names the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OriginError(pub String);

impl Origin {
    /// Parses one; no path, no user, no query.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let _ = text;
        unimplemented!()
    }
}
