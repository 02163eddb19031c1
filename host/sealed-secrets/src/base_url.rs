//! Base URLs of APIs: an origin and a path, compared in one spelling.

use http::Uri;

/// A base URL in one spelling: lower-case scheme and host, the port, no slash at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BaseUrl {
    origin: String,
    /// None = any.
    path: Option<String>,
}

impl BaseUrl {
    /// None if it is no URL of `http` or `https`, or has a user, a query or a fragment: nothing is sent there.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.contains(['#', '?']) {
            return None;
        }
        let uri: Uri = text.parse().ok()?;
        let path = uri.path().trim_end_matches('/');
        let steps = path.split('/').any(|segment| matches!(segment, "." | ".."));
        (!steps).then_some(())?;
        Some(Self { origin: origin(&uri)?, path: Some(path.to_owned()) })
    }

    /// Bytes of its texts.
    pub(crate) fn bytes(&self) -> usize {
        self.origin.len() + self.path.as_ref().map_or(0, String::len)
    }

    /// All base URLs with the origin of this one.
    pub(crate) fn any_path(self) -> Self {
        Self { path: None, ..self }
    }

    /// Is one of the two within the other?
    pub(crate) fn fits(&self, other: &Self) -> bool {
        let paths = self.path.as_ref().zip(other.path.as_ref());
        self.origin == other.origin && paths.is_none_or(|(own, other)| own == other)
    }

    /// The base of a request of which `path` stands before the path of a call.
    pub(crate) fn of_request(uri: &Uri, path: &str) -> Option<Self> {
        Some(Self { origin: origin(uri)?, path: Some(path.to_owned()) })
    }
}

fn origin(uri: &Uri) -> Option<String> {
    let scheme = uri.scheme_str()?;
    let own_port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let authority = uri.authority()?;
    let (host, port) = (authority.host().trim_end_matches('.').to_ascii_lowercase(), authority.port_u16());
    if host.is_empty() || authority.as_str().contains('@') {
        return None;
    }
    Some(format!("{scheme}://{host}:{}", port.unwrap_or(own_port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_base_has_one_spelling() {
        let base = BaseUrl::parse("https://api.example.com/gateway");
        assert!(base.is_some());
        for same in ["HTTPS://API.example.com:443/gateway/", "https://api.example.com./gateway"] {
            assert_eq!(BaseUrl::parse(same), base, "{same}");
        }
        for other in
            ["http://api.example.com/gateway", "https://api.example.com:8443/gateway", "https://api.example.com"]
        {
            assert_ne!(BaseUrl::parse(other), base, "{other}");
        }
    }

    #[test]
    fn an_origin_fits_every_base_that_it_has() {
        let base = |text: &str| BaseUrl::parse(text).into_iter().next();
        let (Some(gateway), Some(plain), Some(other)) =
            (base("https://a.example.com/gateway"), base("https://a.example.com"), base("https://b.example.com"))
        else {
            panic!("they are base URLs")
        };
        let origin = plain.clone().any_path();
        assert!(origin.fits(&gateway) && gateway.fits(&origin) && origin.fits(&plain) && plain.fits(&plain));
        assert!(!gateway.fits(&plain) && !origin.fits(&other) && !other.any_path().fits(&plain));
    }

    #[test]
    fn nothing_is_sent_to_what_is_no_base_url() {
        for text in ["", "x", "ftp://a", "https://u@a", "https://a?q", "https://a#f", "https://a/../b", "/v2"] {
            assert_eq!(BaseUrl::parse(text), None, "{text}");
        }
    }
}
