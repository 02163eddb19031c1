//! From a destination to the addresses that it may be connected at.

use std::io;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;

use super::connect_error::ConnectError;
use super::origin::Host;
use super::policy::Destination;
use crate::limits::LOOKUP_WITHOUT_RESOLVER;

/// Names that resolve to more are cut: enough to try.
const ADDRESSES_MAX: usize = 8;

/// Looks names up.
#[async_trait]
pub(crate) trait Resolve: Send + Sync {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// As this host is configured.
pub(crate) struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let lookup = tokio::net::lookup_host((name, 0));
        let found = if is_missing(RESOLVER_CONFIGURATION).await {
            tokio::time::timeout(LOOKUP_WITHOUT_RESOLVER, lookup).await.unwrap_or_else(|_| Err(no_resolver(name)))
        } else {
            lookup.await
        };
        Ok(found?.map(|address| address.ip()).collect())
    }
}

/// Only what is certainly not there counts as missing.
async fn is_missing(path: &str) -> bool {
    matches!(tokio::fs::try_exists(path).await, Ok(false))
}

fn no_resolver(name: &str) -> io::Error {
    let reason = "the system names no DNS server: give the plugin that file, or add the name to `/etc/hosts`";
    io::Error::new(io::ErrorKind::NotFound, format!("`{name}`: `{RESOLVER_CONFIGURATION}` is missing, so {reason}"))
}

/// Where a system names its DNS servers. Without the file the C library asks a server on this machine.
const RESOLVER_CONFIGURATION: &str = "/etc/resolv.conf";

/// The addresses to connect to, each checked. They are used as they are: nothing is looked up again.
///
/// # Errors
/// When the name does not resolve, or only to addresses that are refused.
pub(crate) async fn vetted(resolver: &dyn Resolve, destination: &Destination) -> Result<Vec<SocketAddr>, ConnectError> {
    let found = match &destination.host {
        Host::Address(ip) => vec![*ip],
        Host::Name(name) => resolver.lookup(name).await.map_err(ConnectError::Dns)?,
        Host::Below(_) => Vec::new(),
    };
    if found.is_empty() {
        return Err(ConnectError::Dns(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
    }
    let allowed = found.into_iter().filter(|ip| destination.may_be_at(*ip)).take(ADDRESSES_MAX);
    let addresses: Vec<_> = allowed.map(|ip| SocketAddr::new(ip, destination.port)).collect();
    if addresses.is_empty() { Err(ConnectError::AddressRefused) } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::super::origin::Origin;
    use super::super::policy::Policy;
    use super::*;

    struct Fixed(Vec<&'static str>);

    #[async_trait]
    impl Resolve for Fixed {
        async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            Ok(self.0.iter().map(|text| text.parse().unwrap()).collect())
        }
    }

    async fn resolve(host: &str, found: &[&'static str]) -> Result<Vec<String>, ConnectError> {
        let origins = ["https://named.example", "https://*.wild.example"];
        let policy = Policy::new(origins.iter().map(|text| Origin::parse(text).unwrap()).collect());
        let destination = policy.destination("https", host, None).unwrap();
        let addresses = vetted(&Fixed(found.to_vec()), &destination).await?;
        Ok(addresses.iter().map(ToString::to_string).collect())
    }

    #[tokio::test]
    async fn refused_addresses_are_left_out() {
        let found = ["127.0.0.1", "93.184.216.34", "169.254.169.254"];
        assert_eq!(resolve("x.wild.example", &found).await.unwrap(), ["93.184.216.34:443"]);
        assert_eq!(resolve("named.example", &found).await.unwrap(), ["127.0.0.1:443", "93.184.216.34:443"]);
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_only_is_refused() {
        let refused = resolve("x.wild.example", &["10.0.0.1", "fe80::1"]).await.unwrap_err();
        assert!(matches!(refused, ConnectError::AddressRefused), "{refused}");
        let refused = resolve("named.example", &["169.254.169.254"]).await.unwrap_err();
        assert!(matches!(refused, ConnectError::AddressRefused), "{refused}");
    }

    #[tokio::test]
    async fn a_name_without_address_is_a_dns_error() {
        assert!(matches!(resolve("named.example", &[]).await.unwrap_err(), ConnectError::Dns(_)));
    }
}
