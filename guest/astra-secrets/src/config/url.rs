//! Where Astra's API is, parsed once: an origin, and a path below it for
//! those who put a gateway before it. Whether the origin is allowed is the
//! host's egress policy, not ours.

use std::fmt;

use http::Uri;

use crate::names::NameError;

/// Scheme, host and port: `https://host` or `https://host:port`, in lower
/// case, without the scheme's own port. Two URLs with one origin go to one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Origin(String);

impl Origin {
    /// An origin that a record or a lease holds.
    pub(crate) fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The base of Astra's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiUrl {
    origin: Origin,
    /// Empty, or with a leading and without a trailing slash.
    base_path: String,
}

impl ApiUrl {
    /// A URL as an operator gives it; empty = Astra's own.
    pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        // A password may stand before the `@`, a key in the query.
        let refuse = |reason| match text.contains(['@', '?', '#']) {
            true => NameError::hidden("url", reason),
            false => NameError::new("url", text, reason),
        };
        if text.contains(['#', '?']) {
            return Err(refuse("must have no query and no fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| refuse("must be a URL such as `https://api.astra.datastax.com`"))?;
        let scheme = uri.scheme_str().ok_or_else(|| refuse("must begin with `https://`"))?;
        let own_port = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return Err(refuse("must begin with `https://`")),
        };
        let authority = uri.authority().ok_or_else(|| refuse("must name a host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("must hold no user name and no password"));
        }
        let host = authority.host().to_ascii_lowercase();
        if host.is_empty() {
            return Err(refuse("must name a host"));
        }
        let has_port = authority.as_str().len() > authority.host().len();
        let origin = match authority.port_u16() {
            None if has_port => return Err(refuse("must have a port from 1 to 65535, or none")),
            Some(0) => return Err(refuse("must have a port from 1 to 65535, or none")),
            Some(port) if port != own_port => format!("{scheme}://{host}:{port}"),
            _ => format!("{scheme}://{host}"),
        };
        let base_path = uri.path().trim_end_matches('/').to_owned();
        if base_path.split('/').any(|segment| segment == "." || segment == "..") {
            return Err(refuse("must have no `.` or `..` in its path"));
        }
        Ok(Self { origin: Origin(origin), base_path })
    }

    /// A URL that storage already holds. One that cannot be parsed is kept,
    /// so that it can be read and put right; the egress policy refuses it.
    pub(crate) fn stored(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|_| Self { origin: Origin::stored(text), base_path: String::new() })
    }

    /// Would an operator be allowed to write it? A stored URL may be odd.
    pub(crate) fn is_valid(&self) -> bool {
        Self::parse(&self.to_string()).is_ok()
    }

    /// Its text between backticks, for an error; a stored URL that is odd may hold a password and is not shown.
    pub(crate) fn for_error(&self) -> String {
        if self.is_valid() { format!("`{self}`") } else { "a stored URL that is not valid".to_owned() }
    }

    /// Where requests go.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What stands before `/v2/…` in a request's path: mostly empty.
    pub(crate) fn base_path(&self) -> &str {
        &self.base_path
    }
}

impl Default for ApiUrl {
    fn default() -> Self {
        Self { origin: Origin::stored(ASTRA_ORIGIN), base_path: String::new() }
    }
}

impl fmt::Display for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.base_path)
    }
}

/// Astra's production API.
const ASTRA_ORIGIN: &str = "https://api.astra.datastax.com";
