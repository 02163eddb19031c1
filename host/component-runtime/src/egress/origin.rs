//! Allowed origins, in the form that an operator writes.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Bytes of the longest DNS name.
pub(crate) const HOST_BYTES_MAX: usize = 253;
/// Bytes of the longest label of a DNS name.
const LABEL_BYTES_MAX: usize = 63;

/// An allowed origin: `https://host`, `https://host:port`, `https://*.host`. `http://…` and private addresses are
/// allowed only if they are named exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub(crate) scheme: Scheme,
    pub(crate) host: Host,
    pub(crate) port: u16,
}

/// With or without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(crate) fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Hosts of an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// Exactly this name.
    Name(String),
    /// Exactly this address.
    Address(IpAddr),
    /// Every name below this one, without the name itself.
    Below(String),
}

/// The origin is invalid; the text names the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OriginError(pub String);

impl Origin {
    /// Parses an origin, which has no path, user or query.
    ///
    /// # Errors
    /// Names the value and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        Self::parts(text).map_err(|why| OriginError(format!("`{text}` is not an origin: {why}")))
    }

    fn parts(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("write `https://host` or `https://host:port`")?;
        let scheme = Scheme::parse(&scheme.to_ascii_lowercase()).ok_or("only `https` and `http` are spoken")?;
        if rest.contains(['/', '?', '#', '@', '\\']) {
            return Err("give scheme, host and port only, without path, user or query");
        }
        let (host, port) = host_and_port(rest)?;
        let host = match host.strip_prefix("*.") {
            Some(_) if scheme == Scheme::Http => return Err("a wildcard needs `https`"),
            Some(suffix) => below(suffix)?,
            None => exact_host(host)?,
        };
        Ok(Self { scheme, host, port: port.unwrap_or(scheme.default_port()) })
    }
}

impl Origin {
    /// True if this origin includes the other one. A wildcard includes the names below it, and the wildcards below.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let is_below = |name: &str, suffix: &str| {
            name.strip_suffix(suffix).is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
        };
        let covers_host = match (&self.host, &other.host) {
            (Host::Below(suffix), Host::Name(name)) => is_below(name, suffix),
            (Host::Below(suffix), Host::Below(other)) => other == suffix || is_below(other, suffix),
            (host, other) => host == other,
        };
        self.scheme == other.scheme && self.port == other.port && covers_host
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        Self::parse(text)
    }
}

/// Parses the host of a URL or of an origin.
pub(crate) fn exact_host(text: &str) -> Result<Host, &'static str> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or("the bracket of an IPv6 address is not closed")?;
        return inner.parse::<Ipv6Addr>().map(|ip| Host::Address(ip.into())).map_err(|_| "not an IPv6 address");
    }
    if let Ok(ip) = text.parse::<std::net::Ipv4Addr>() {
        return Ok(Host::Address(ip.into()));
    }
    // Resolvers read `127.1` and `0x7f000001` as addresses, so a host that looks like an address must be written as
    // one.
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    if last.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("an IPv4 address has four decimal numbers");
    }
    name(text).map(Host::Name)
}

/// All names below a suffix. The final dot is taken off first: it would count as that of a second label.
fn below(suffix: &str) -> Result<Host, &'static str> {
    let suffix = name(suffix)?;
    if suffix.parse::<IpAddr>().is_ok() {
        return Err("an address has no wildcard");
    }
    if !suffix.contains('.') {
        return Err("a wildcard needs at least two labels after it");
    }
    Ok(Host::Below(suffix))
}

/// A DNS name in lower case, without a final dot.
fn name(text: &str) -> Result<String, &'static str> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.is_empty() {
        return Err("the host is missing");
    }
    if name.len() > HOST_BYTES_MAX || !name.split('.').all(is_label) {
        return Err("the host is not a DNS name or address");
    }
    Ok(name)
}

/// Splits the authority of a URL.
pub(crate) fn host_and_port(text: &str) -> Result<(&str, Option<u16>), &'static str> {
    let end_of_host = if text.starts_with('[') { text.find(']').map_or(text.len(), |at| at + 1) } else { 0 };
    let Some(colon) = text.get(end_of_host..).and_then(|rest| rest.find(':')).map(|at| at + end_of_host) else {
        return Ok((text, None));
    };
    let (host, port) = text.split_at_checked(colon).ok_or("the port is missing")?;
    let port = port.strip_prefix(':').unwrap_or(port);
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("the port is not a number");
    }
    match port.parse() {
        Ok(0) | Err(_) => Err("the port is not between 1 and 65535"),
        Ok(port) => Ok((host, Some(port))),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Address(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Below(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn origins_are_written_in_one_way() {
        let rows = [
            ("https://api.astra.datastax.com", "https://api.astra.datastax.com"),
            ("HTTPS://API.Example.com.:443", "https://api.example.com"),
            ("https://host:8443", "https://host:8443"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("http://[::1]:80", "http://[::1]"),
            ("https://*.example.com", "https://*.example.com"),
            ("https://*.Example.com.", "https://*.example.com"),
            ("https://a_b.example", "https://a_b.example"),
        ];
        for (text, expected) in rows {
            assert_eq!(Origin::parse(text).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn a_text_that_is_not_an_origin_is_refused_by_name() {
        let rows = [
            "",
            "host",
            "ftp://host",
            "https://",
            "https://host/",
            "https://host/path",
            "https://user@host",
            "https://host?q",
            "https://host#f",
            "https://host:0",
            "https://host:65536",
            "https://host:",
            "https://host:+1",
            "https://host::443",
            "https://ho st",
            "https://*",
            "https://*.com",
            "https://*.com.",
            "https://a.*.com",
            "http://*.example.com",
            "https://[::1",
            "https://[::g]",
            "https://127.1",
            "https://0x7f000001",
            "https://1.2.3.4.5",
            "https://*.1.2.3.4",
            "https://*.1.2.3.4.",
            "https://host\\evil",
            "https://-..x",
            "https://host:443:1",
            "https://\u{e4}.example",
        ];
        for text in rows {
            let error = Origin::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is not an origin: ")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn an_origin_parses_to_itself_after_printing(text in "https?://[a-z0-9.*\\[\\]:-]{1,24}") {
            if let Ok(origin) = Origin::parse(&text) {
                prop_assert_eq!(Origin::parse(&origin.to_string()).unwrap(), origin);
            }
        }

        #[test]
        fn nothing_makes_the_parser_panic(text in ".{0,64}") {
            let _ = Origin::parse(&text);
        }
    }
}
