//! The egress policy: which origins guests may talk to, and at which addresses.

use std::net::IpAddr;

use super::address::{Reach, reach};
use super::origin::{Host, Origin, Scheme, exact_host};

/// The allowed origins. None = nothing is allowed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    origins: Vec<Origin>,
}

/// An origin that a request goes to and that the policy allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) scheme: Scheme,
    pub(crate) host: Host,
    pub(crate) port: u16,
    /// An origin names exactly this host, so that it may be in a private network.
    named_exactly: bool,
}

impl Policy {
    pub(crate) fn new(origins: Vec<Origin>) -> Self {
        Self { origins }
    }

    /// May a request go there?
    pub(crate) fn destination(&self, scheme: &str, host: &str, port: Option<u16>) -> Option<Destination> {
        let scheme = Scheme::parse(scheme)?;
        let host = exact_host(host).ok()?;
        let port = port.unwrap_or(scheme.default_port());
        let mut allowing = self.origins.iter().filter(|origin| origin.scheme == scheme && origin.port == port);
        let named_exactly = allowing.clone().any(|origin| origin.host == host);
        let allowed = named_exactly || allowing.any(|origin| is_below(&host, &origin.host));
        allowed.then_some(Destination { scheme, host, port, named_exactly })
    }

    /// May requests go to this origin? The error tells an operator what to do.
    ///
    /// # Errors
    /// A sentence that names the option.
    pub(crate) fn check(&self, text: &str) -> Result<(), String> {
        let origin = Origin::parse(text).map_err(|error| error.to_string())?;
        if matches!(origin.host, Host::Below(_)) {
            return Err(format!("`{text}` is not an origin: a request goes to one host"));
        }
        let allowed = self.destination(origin.scheme.name(), &origin.host.to_string(), Some(origin.port)).is_some();
        if allowed { Ok(()) } else { Err(how_to_allow(&origin)) }
    }
}

impl Destination {
    /// May it be at this address?
    pub(crate) fn may_be_at(&self, ip: IpAddr) -> bool {
        match reach(ip) {
            Reach::Public => true,
            Reach::Private => self.named_exactly,
            // An operator who writes the address means it; a name that leads there was not meant to.
            Reach::Never => self.named_exactly && self.host == Host::Address(ip),
        }
    }
}

fn is_below(host: &Host, pattern: &Host) -> bool {
    match (host, pattern) {
        (Host::Name(name), Host::Below(suffix)) => {
            name.strip_suffix(suffix.as_str()).is_some_and(|label| label.len() > 1 && label.ends_with('.'))
        }
        _ => false,
    }
}

fn how_to_allow(origin: &Origin) -> String {
    format!(
        "requests to `{origin}` are not allowed by this plugin's registration; register it with \
         `-args=--allow-egress={origin}` to allow them (`--allow-egress=<origin>` may be given several times)"
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn policy(origins: &[&str]) -> Policy {
        Policy::new(origins.iter().map(|text| Origin::parse(text).unwrap()).collect())
    }

    #[test]
    fn only_what_is_named_is_allowed() {
        let policy = policy(&["https://a.example", "https://*.b.example", "http://127.0.0.1:9000"]);
        let rows = [
            ("https", "a.example", None, true),
            ("https", "A.EXAMPLE.", Some(443), true),
            ("https", "x.b.example", None, true),
            ("https", "x.y.b.example", None, true),
            ("http", "127.0.0.1", Some(9000), true),
            ("http", "a.example", None, false),
            ("https", "a.example", Some(8443), false),
            ("https", "x.a.example", None, false),
            ("https", "b.example", None, false),
            ("https", ".b.example", None, false),
            ("https", "xb.example", None, false),
            ("https", "a.example.evil", None, false),
            ("http", "127.0.0.1", Some(9001), false),
            ("https", "127.0.0.1", Some(9000), false),
            ("http", "127.1", Some(9000), false),
            ("ftp", "a.example", None, false),
        ];
        for (scheme, host, port, allowed) in rows {
            assert_eq!(policy.destination(scheme, host, port).is_some(), allowed, "{scheme}://{host} {port:?}");
        }
        assert!(Policy::default().destination("https", "a.example", None).is_none());
    }

    #[test]
    fn the_refusal_says_what_to_do() {
        let policy = policy(&["https://a.example"]);
        assert_eq!(policy.check("https://a.example"), Ok(()));
        let sentence = policy.check("http://b.example:8080").unwrap_err();
        assert!(sentence.contains("`-args=--allow-egress=http://b.example:8080`"), "{sentence}");
        assert!(sentence.contains("`--allow-egress=<origin>`"), "{sentence}");
        assert!(policy.check("https://*.a.example").is_err());
        assert!(policy.check("nonsense").unwrap_err().contains("`nonsense`"));
    }

    #[test]
    fn private_addresses_need_a_host_named_exactly() {
        let policy = policy(&["https://named.example", "https://*.wild.example", "http://169.254.169.254"]);
        let at =
            |scheme, host, ip: &str| policy.destination(scheme, host, None).unwrap().may_be_at(ip.parse().unwrap());
        assert!(at("https", "named.example", "8.8.8.8"));
        assert!(at("https", "named.example", "10.0.0.1"));
        assert!(at("https", "named.example", "127.0.0.1"));
        assert!(!at("https", "named.example", "169.254.169.254"));
        assert!(!at("https", "named.example", "::ffff:10.0.0.1"));
        assert!(at("https", "x.wild.example", "8.8.8.8"));
        assert!(!at("https", "x.wild.example", "10.0.0.1"));
        assert!(!at("https", "x.wild.example", "::1"));
        assert!(at("http", "169.254.169.254", "169.254.169.254"), "who writes it means it");
    }
}
