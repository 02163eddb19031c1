//! The egress policy of a mount: the origins of requests, and the addresses that these may have.

use std::net::IpAddr;

use super::address::{Reach, reach};
use super::origin::{Host, Origin, Scheme, exact_host};

/// The mount option that narrows the origins of a mount: origins, separated by commas.
pub const ORIGINS_OPTION: &str = "allowed_origins";

/// The origins that guests of a mount may reach. By default there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Engine of the mount. The registration allows origins for each engine.
    engine: String,
    /// Origins that the plugin's registration allows.
    registered: Vec<Origin>,
    /// Origins that the options of the mount leave of those. They do not decide about addresses.
    narrowed: Option<Vec<Origin>>,
}

/// A destination that the policy allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) scheme: Scheme,
    pub(crate) host: Host,
    pub(crate) port: u16,
    /// An origin names exactly this host, so the host may be in a private network.
    named_exactly: bool,
}

impl Policy {
    /// The origins that a registration allows to guests of this engine.
    #[must_use]
    pub fn new(engine: &str, registered: Vec<Origin>) -> Self {
        Self { engine: engine.to_owned(), registered, narrowed: None }
    }

    /// Leaves only these origins: texts separated by commas. The policy must allow each of them already.
    ///
    /// # Errors
    /// Names the text that is not an origin, or whose origin is not allowed.
    pub fn narrow(self, origins: &str) -> Result<Self, String> {
        let mut left = Vec::new();
        for text in origins.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let origin = Origin::parse(text).map_err(|error| error.to_string())?;
            if !self.registered.iter().any(|registered| registered.covers(&origin)) {
                return Err(self.how_to_allow(&origin));
            }
            left.push(origin);
        }
        Ok(Self { narrowed: Some(left), ..self })
    }

    /// The destination, if a request may go there.
    pub(crate) fn destination(&self, scheme: &str, host: &str, port: Option<u16>) -> Option<Destination> {
        let scheme = Scheme::parse(scheme)?;
        let host = exact_host(host).ok()?;
        let port = port.unwrap_or(scheme.default_port());
        let asked = Origin { scheme, host, port };
        let is_allowed_by = |origins: &[Origin]| origins.iter().any(|origin| origin.covers(&asked));
        if !is_allowed_by(&self.registered) || self.narrowed.as_deref().is_some_and(|left| !is_allowed_by(left)) {
            return None;
        }
        let named_exactly = self.registered.contains(&asked);
        let Origin { scheme, host, port } = asked;
        Some(Destination { scheme, host, port, named_exactly })
    }

    /// Checks that requests may go to this origin. The error names the next step for an operator.
    ///
    /// # Errors
    /// Names the option.
    pub fn check(&self, text: &str) -> Result<(), String> {
        let origin = Origin::parse(text).map_err(|error| error.to_string())?;
        if matches!(origin.host, Host::Below(_)) {
            return Err(format!("`{text}` is not an origin: a request goes to one host"));
        }
        if self.destination(origin.scheme.name(), &origin.host.to_string(), Some(origin.port)).is_some() {
            return Ok(());
        }
        if self.registered.iter().any(|registered| registered.covers(&origin)) {
            return Err(format!("requests to `{origin}` are not allowed by this mount's option `{ORIGINS_OPTION}`"));
        }
        Err(self.how_to_allow(&origin))
    }

    fn how_to_allow(&self, origin: &Origin) -> String {
        let engine = &self.engine;
        format!(
            "requests to `{origin}` are not allowed by this plugin's registration; register it with \
             `-args=--allow-egress={engine}={origin}` to allow them (`--allow-egress=<engine>=<origin>` may be given \
             several times)"
        )
    }
}

impl Destination {
    /// True if the host may have this address.
    pub(crate) fn may_be_at(&self, ip: IpAddr) -> bool {
        match reach(ip) {
            Reach::Public => true,
            Reach::Private => self.named_exactly,
            // An operator who writes the address means it. A name that resolves to the address was not meant so.
            Reach::Never => self.named_exactly && self.host == Host::Address(ip),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn policy(origins: &[&str]) -> Policy {
        Policy::new("toy", origins.iter().map(|text| Origin::parse(text).unwrap()).collect())
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
    fn a_refused_origin_names_the_next_step() {
        let policy = policy(&["https://a.example"]);
        assert_eq!(policy.check("https://a.example"), Ok(()));
        let sentence = policy.check("http://b.example:8080").unwrap_err();
        assert!(sentence.contains("`-args=--allow-egress=toy=http://b.example:8080`"), "{sentence}");
        assert!(policy.check("https://*.a.example").is_err());
        assert!(policy.check("nonsense").unwrap_err().contains("`nonsense`"));
    }

    #[test]
    fn a_mount_narrows_what_its_registration_allows_and_widens_nothing() {
        let registered = policy(&["https://a.example", "https://*.b.example"]);
        let narrowed = registered.clone().narrow("https://x.b.example, https://*.y.b.example").unwrap();
        let rows = [("x.b.example", true), ("z.y.b.example", true), ("z.b.example", false), ("a.example", false)];
        for (host, allowed) in rows {
            assert_eq!(narrowed.destination("https", host, None).is_some(), allowed, "{host}");
        }
        let private = "10.0.0.1".parse().unwrap();
        let named_by_the_mount = narrowed.destination("https", "x.b.example", None).unwrap();
        assert!(!named_by_the_mount.may_be_at(private), "only the registration names hosts in a private network");
        let sentence = narrowed.check("https://a.example").unwrap_err();
        assert!(sentence.contains("`https://a.example`") && sentence.contains("`allowed_origins`"), "{sentence}");
        for (lacking, named) in [
            ("https://a.example,https://c.example", "`https://c.example`"),
            ("https://*.a.example", "`https://*.a.example`"),
            ("https://b.example", "`https://b.example`"),
            ("https://a.example:8443", "`https://a.example:8443`"),
            ("http://a.example", "`http://a.example`"),
            ("a.example", "`a.example`"),
        ] {
            let sentence = registered.clone().narrow(lacking).unwrap_err();
            assert!(sentence.contains(named), "{sentence}");
        }
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
