//! Resolves a destination to the addresses of its host.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;

use super::connect_error::ConnectError;
use super::lookup::Lookups;
use super::origin::Host;
use super::policy::Destination;
use super::race::alternating;
use crate::limits::ADDRESSES_MAX;

/// Looks names up. Tests have implementations of their own.
pub trait Resolve: Send + Sync {
    /// The addresses of a name. May block its thread without limit.
    ///
    /// # Errors
    /// When there are none. The error says why.
    fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;

    /// Why a name that needs a DNS server cannot be found, if the system names no DNS server.
    fn without_server(&self, _name: &str) -> Option<io::Error> {
        None
    }
}

/// Looks names up as this host is configured.
pub(crate) struct SystemResolver;

impl Resolve for SystemResolver {
    fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }

    fn without_server(&self, name: &str) -> Option<io::Error> {
        // Only a file that certainly does not exist counts as missing.
        let is_missing = matches!(Path::new(RESOLVER_CONFIGURATION).try_exists(), Ok(false));
        let reason = "the system names no DNS server: give the plugin that file, or add the name to `/etc/hosts`";
        let text = format!("`{name}`: `{RESOLVER_CONFIGURATION}` is missing, so {reason}");
        is_missing.then(|| io::Error::new(io::ErrorKind::NotFound, text))
    }
}

/// File in which a system names its DNS servers. Without the file, the C library asks a server on this machine.
const RESOLVER_CONFIGURATION: &str = "/etc/resolv.conf";

/// The checked addresses to connect to. The connector uses them as they are and looks nothing up again.
///
/// # Errors
/// When the name does not resolve, or only to addresses that are refused.
pub(crate) async fn vetted(lookups: &Lookups, destination: &Destination) -> Result<Vec<SocketAddr>, ConnectError> {
    let found = found(lookups, &destination.host).await?;
    let allowed = found.into_iter().filter(|ip| destination.may_be_at(*ip)).collect();
    let addresses = to_try(allowed, destination.port);
    if addresses.is_empty() { Err(ConnectError::AddressRefused) } else { Ok(addresses) }
}

/// The addresses of a host that an operator named. They may be anywhere.
///
/// # Errors
/// When the name does not resolve.
pub(crate) async fn all_addresses(lookups: &Lookups, host: &Host, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    Ok(to_try(found(lookups, host).await?, port))
}

async fn found(lookups: &Lookups, host: &Host) -> Result<Vec<IpAddr>, ConnectError> {
    let found = match host {
        Host::Address(ip) => vec![*ip],
        Host::Name(name) => lookups.addresses(name).await?.to_vec(),
        Host::Below(_) => Vec::new(),
    };
    if found.is_empty() { Err(ConnectError::no_address()) } else { Ok(found) }
}

fn to_try(addresses: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    let addresses = alternating(addresses).into_iter().take(ADDRESSES_MAX);
    addresses.map(|ip| SocketAddr::new(ip, port)).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::super::origin::Origin;
    use super::super::policy::Policy;
    use super::*;
    use crate::limits::EgressLimits;

    struct Fixed(Vec<&'static str>);

    impl Resolve for Fixed {
        fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            Ok(self.0.iter().map(|text| text.parse().unwrap()).collect())
        }
    }

    async fn resolve(host: &str, found: &[&'static str]) -> Result<Vec<String>, ConnectError> {
        let origins = ["https://named.example", "https://*.wild.example"];
        let policy = Policy::new("toy", origins.iter().map(|text| Origin::parse(text).unwrap()).collect());
        let destination = policy.destination("https", host, None).unwrap();
        let resolver: Arc<dyn Resolve> = Arc::new(Fixed(found.to_vec()));
        let lookups = Lookups::new(&resolver, &EgressLimits::default(), &Arc::new(Semaphore::new(1)));
        let addresses = vetted(&lookups, &destination).await?;
        Ok(addresses.iter().map(ToString::to_string).collect())
    }

    #[tokio::test]
    async fn refused_addresses_are_left_out() {
        let found = ["127.0.0.1", "93.184.216.34", "169.254.169.254"];
        assert_eq!(resolve("x.wild.example", &found).await.unwrap(), ["93.184.216.34:443"]);
        assert_eq!(resolve("named.example", &found).await.unwrap(), ["127.0.0.1:443", "93.184.216.34:443"]);
    }

    #[tokio::test]
    async fn an_address_of_the_other_family_is_among_those_that_are_tried() {
        let many = ["2606::1", "2606::2", "2606::3", "2606::4", "2606::5", "2606::6", "2606::7", "2606::8", "8.8.8.8"];
        let addresses = resolve("named.example", &many).await.unwrap();
        assert_eq!(addresses.len(), ADDRESSES_MAX);
        assert_eq!(addresses[..2], ["[2606::1]:443", "8.8.8.8:443"]);
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
