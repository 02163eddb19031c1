//! Selects the proxy of a destination.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use thiserror::Error;
use zeroize::Zeroizing;

use super::no_proxy::NoProxy;
use super::origin::{Host, Scheme, exact_host, host_and_port};
use super::policy::Destination;

/// The proxies of a registration. By default there is none.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    except: NoProxy,
}

/// One proxy. Its credentials cannot be printed.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) host: Host,
    pub(crate) port: u16,
    credentials: Option<Arc<Zeroizing<Vec<u8>>>>,
}

/// The proxy is invalid. The text never contains credentials.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ProxyUrlError(String);

impl Proxies {
    /// One proxy for every destination except loopback. It must have no credentials: the server's catalog shows the
    /// arguments of a registration, and everybody on the machine can list the arguments of a process.
    ///
    /// # Errors
    /// Names the URL and what is wrong with it.
    pub fn every(url: &str) -> Result<Self, ProxyUrlError> {
        let proxy = Proxy::parse(url).map_err(|why| refused(url, why))?;
        if proxy.credentials.is_some() {
            return Err(refused(
                url,
                "it has credentials, and arguments can be read by others: put the URL into `HTTPS_PROXY` of the \
                 registration's environment, and give `--proxy-from-environment`",
            ));
        }
        Ok(Self { http: Some(proxy.clone()), https: Some(proxy), except: NoProxy::default() })
    }

    /// The proxies of the environment: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, in upper or lower case.
    ///
    /// # Errors
    /// Names the variable and what is wrong with it.
    pub fn from_environment(variable: impl Fn(&str) -> Option<Zeroizing<String>>) -> Result<Self, ProxyUrlError> {
        let first = |names: [&'static str; 2]| {
            let set = |name| variable(name).filter(|value| !value.is_empty()).map(|value| (name, value));
            names.into_iter().find_map(set)
        };
        let proxy = |names| match first(names) {
            None => Ok(None),
            Some((name, url)) => match Proxy::parse(with_scheme(&url).as_str()) {
                Ok(proxy) => Ok(Some(proxy)),
                Err(why) => Err(ProxyUrlError(format!("the environment variable `{name}` names no proxy: {why}"))),
            },
        };
        let except = first(["NO_PROXY", "no_proxy"]).map(|(_, list)| NoProxy::parse(&list)).unwrap_or_default();
        Ok(Self { https: proxy(["HTTPS_PROXY", "https_proxy"])?, http: proxy(["HTTP_PROXY", "http_proxy"])?, except })
    }

    /// True if no destination has a proxy.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }

    /// The proxy of a destination; `None` if it is reached directly. It depends only on scheme, host and port, by which
    /// the pool keeps connections apart, so no connection is reused through another proxy.
    pub(crate) fn of(&self, destination: &Destination) -> Option<&Proxy> {
        let proxy = match destination.scheme {
            Scheme::Http => self.http.as_ref(),
            Scheme::Https => self.https.as_ref(),
        };
        proxy.filter(|_| !self.except.covers(&destination.host, destination.port))
    }
}

impl fmt::Display for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (scheme, proxy) in [(Scheme::Https, &self.https), (Scheme::Http, &self.http)] {
            if let Some(proxy) = proxy {
                write!(f, "{}={proxy} ", scheme.name())?;
            }
        }
        Ok(())
    }
}

impl Proxy {
    /// Parses `http://[user:password@]host[:port]`.
    fn parse(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or("write `http://host:port`")?;
        match scheme.to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => return Err("a proxy that is itself reached by TLS is not supported: name it by `http://`"),
            "socks5" | "socks5h" => return Err("SOCKS proxies are not supported: name an HTTP proxy by `http://`"),
            _ => return Err("only `http://` proxies are supported"),
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, authority) = match rest.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, rest),
        };
        if authority.contains(['/', '?', '#', '\\']) {
            return Err("give scheme, host and port only");
        }
        let (host, port) = host_and_port(authority)?;
        let credentials = user.map(|user| Arc::new(basic(user)));
        Ok(Self { host: exact_host(host)?, port: port.unwrap_or(Scheme::Http.default_port()), credentials })
    }

    /// The value of `Proxy-Authorization`. Its bytes are zeroed with the last clone.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        let bytes = Zeroizing::clone(self.credentials.as_deref()?);
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(bytes)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// As in Go, a proxy without scheme is an HTTP proxy.
fn with_scheme(url: &Zeroizing<String>) -> Zeroizing<String> {
    if url.contains("://") { url.clone() } else { Zeroizing::new(format!("http://{}", url.as_str())) }
}

/// `Basic` and the credentials of a URL, with percent escapes decoded.
fn basic(user: &str) -> Zeroizing<Vec<u8>> {
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let mut plain = Zeroizing::new(Vec::with_capacity(user.len() + password.len() + 1));
    plain.extend(percent_encoding::percent_decode_str(user));
    plain.push(b':');
    plain.extend(percent_encoding::percent_decode_str(password));
    let encoded = Zeroizing::new(STANDARD.encode(&*plain));
    Zeroizing::new([b"Basic ", encoded.as_bytes()].concat())
}

/// The error for a URL, which the text shows without its credentials.
fn refused(url: &str, why: &str) -> ProxyUrlError {
    let shown = match url.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host)),
        None => url.rsplit_once('@').map_or(url, |(_, host)| host).to_owned(),
    };
    ProxyUrlError(format!("`{shown}` is no proxy: {why}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::origin::Origin;
    use super::super::policy::Policy;
    use super::*;

    fn from(variables: &'static [(&'static str, &'static str)]) -> Result<Proxies, ProxyUrlError> {
        Proxies::from_environment(|name| {
            let found = variables.iter().find(|(found, _)| *found == name);
            found.map(|(_, value)| Zeroizing::new((*value).to_owned()))
        })
    }

    fn of(proxies: &Proxies, url: &str) -> Option<String> {
        let origin = Origin::parse(url).unwrap();
        let policy = Policy::new("toy", vec![origin.clone()]);
        let destination =
            policy.destination(origin.scheme.name(), &origin.host.to_string(), Some(origin.port)).unwrap();
        proxies.of(&destination).map(ToString::to_string)
    }

    #[test]
    fn the_environment_names_a_proxy_for_each_scheme_in_both_spellings() {
        let proxies = from(&[("HTTPS_PROXY", "http://s.example:3128"), ("http_proxy", "p.example")]).unwrap();
        assert_eq!(of(&proxies, "https://astra.example").unwrap(), "http://s.example:3128");
        assert_eq!(of(&proxies, "http://astra.example").unwrap(), "http://p.example:80");
        let both = from(&[("HTTPS_PROXY", ""), ("https_proxy", "http://lower:1")]).unwrap();
        assert_eq!(of(&both, "https://astra.example").unwrap(), "http://lower:1");
        let both = from(&[("https_proxy", "http://lower:1"), ("HTTPS_PROXY", "http://upper:1")]).unwrap();
        assert_eq!(of(&both, "https://astra.example").unwrap(), "http://upper:1");
        assert!(from(&[]).unwrap().is_empty());
        assert_eq!(of(&from(&[("HTTP_PROXY", "http://p:1")]).unwrap(), "https://astra.example"), None);
    }

    #[test]
    fn loopback_and_no_proxy_destinations_are_reached_directly() {
        let proxies =
            from(&[("HTTPS_PROXY", "http://p:1"), ("no_proxy", ".inner.example,astra.example:8443")]).unwrap();
        assert_eq!(of(&proxies, "https://x.inner.example"), None);
        assert_eq!(of(&proxies, "https://astra.example:8443"), None);
        assert!(of(&proxies, "https://astra.example").is_some());
        for proxies in [proxies, Proxies::every("http://p:1").unwrap()] {
            assert_eq!(of(&proxies, "https://127.0.0.1:9"), None);
            assert_eq!(of(&proxies, "https://localhost"), None);
        }
    }

    #[test]
    fn credentials_are_taken_from_the_environment_only_and_never_shown() {
        let proxies = from(&[("HTTPS_PROXY", "http://us%40er:ca:n%3Aary@p.example:1")]).unwrap();
        let header = proxies.https.as_ref().unwrap().authorization().unwrap();
        let encoded = header.as_bytes().strip_prefix(b"Basic ").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), b"us@er:ca:n:ary");
        assert!(header.is_sensitive());
        let error = Proxies::every("http://user:canary@p.example:1").unwrap_err().to_string();
        assert!(error.contains("`http://p.example:1`") && error.contains("HTTPS_PROXY"), "{error}");
        let wrong = from(&[("HTTPS_PROXY", "http://user:canary@p.example:no")]).unwrap_err().to_string();
        assert!(wrong.contains("`HTTPS_PROXY`"), "{wrong}");
        for text in [error, wrong, format!("{proxies:?}")] {
            assert!(!text.contains("canary") && !text.contains("user"), "{text}");
        }
    }

    #[test]
    fn an_invalid_proxy_is_refused_by_name() {
        let rows = [
            ("https://p.example:1", "reached by TLS is not supported"),
            ("socks5://p.example:1", "SOCKS proxies are not supported"),
            ("socks5h://p.example:1", "SOCKS proxies are not supported"),
            ("ftp://p.example", "only `http://`"),
            ("p.example:3128", "write `http://host:port`"),
            ("http://", "the host is missing"),
            ("http://p.example/path", "scheme, host and port only"),
            ("http://p.example:0", "between 1 and 65535"),
            ("http://p example:1", "not a DNS name"),
        ];
        for (url, expected) in rows {
            let error = Proxies::every(url).unwrap_err().to_string();
            assert!(error.contains(url) && error.contains(expected), "{error}");
        }
        assert_eq!(Proxies::every("http://[::1]:3128/").unwrap().https.unwrap().to_string(), "http://[::1]:3128");
    }
}
