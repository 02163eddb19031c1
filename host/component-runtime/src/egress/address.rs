//! Addresses to which a name may resolve.
//!
//! An attacker who controls a name can let it resolve to any address: the host's own services, its network, or the
//! metadata service that hands out cloud credentials.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::IpNet;

/// Class of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// An address of the internet.
    Public,
    /// An address of this host or its network: allowed only if an origin names the host exactly.
    Private,
    /// Not allowed for a name.
    Never,
}

/// The class of one address.
pub(crate) fn reach(ip: IpAddr) -> Reach {
    if ip == IpAddr::V6(Ipv6Addr::LOCALHOST) {
        Reach::Private
    } else if NEVER.iter().any(|net| net.contains(&ip)) {
        Reach::Never
    } else if PRIVATE.iter().any(|net| net.contains(&ip)) {
        Reach::Private
    } else {
        Reach::Public
    }
}

static NEVER: LazyLock<Vec<IpNet>> = LazyLock::new(|| nets(&NEVER_TEXT));
static PRIVATE: LazyLock<Vec<IpNet>> = LazyLock::new(|| nets(&PRIVATE_TEXT));

/// Parses the tables. They are constants, and a test proves that each entry parses.
fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// Special addresses by RFC 6890 and its successors, and the metadata services of clouds.
const NEVER_TEXT: [&str; 23] = [
    "0.0.0.0/8",          // This network; 0.0.0.0 is this host.
    "100.100.100.200/32", // Alibaba's metadata.
    "168.63.129.16/32",   // Azure's wire server, which hands out secrets of a machine's extensions.
    "169.254.0.0/16",     // Link-local, metadata of most clouds.
    "192.0.0.0/24",       // Protocol assignments; 192.0.0.192 is Oracle's metadata.
    "192.88.99.0/24",     // 6to4 relays.
    "224.0.0.0/4",        // Multicast.
    "240.0.0.0/4",        // Reserved, broadcast.
    "::/96",              // Unspecified, and IPv4-compatible; `::1` is asked for first.
    "::ffff:0:0/96",      // IPv4-mapped.
    "64:ff9b::/96",       // NAT64.
    "64:ff9b:1::/48",     // Local NAT64.
    "100::/64",           // Discard.
    "2001::/23",          // Teredo and other protocol assignments.
    "2001:db8::/32",      // Documentation.
    "2002::/16",          // 6to4.
    "3fff::/20",          // Documentation.
    "5f00::/16",          // Segment routing.
    "fd00:ec2::254/128",  // Amazon's metadata.
    "fd20:ce::254/128",   // Google's metadata.
    "fe80::/10",          // Link-local.
    "fec0::/10",          // Site-local.
    "ff00::/8",           // Multicast.
];

const PRIVATE_TEXT: [&str; 10] = [
    "10.0.0.0/8",
    "100.64.0.0/10", // Carrier-grade NAT.
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.0.2.0/24", // Documentation.
    "192.168.0.0/16",
    "198.18.0.0/15",   // Benchmarks.
    "198.51.100.0/24", // Documentation.
    "203.0.113.0/24",  // Documentation.
    "fc00::/7",
];

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_net_of_the_tables_parses() {
        assert_eq!(NEVER.len(), NEVER_TEXT.len());
        assert_eq!(PRIVATE.len(), PRIVATE_TEXT.len());
    }

    #[test]
    fn addresses_reach_what_they_should() {
        let rows = [
            ("8.8.8.8", Reach::Public),
            ("2606:4700::1", Reach::Public),
            ("172.32.0.1", Reach::Public),
            ("127.0.0.1", Reach::Private),
            ("127.255.255.254", Reach::Private),
            ("10.1.2.3", Reach::Private),
            ("172.31.0.1", Reach::Private),
            ("192.168.0.1", Reach::Private),
            ("100.64.0.1", Reach::Private),
            ("::1", Reach::Private),
            ("fd12::1", Reach::Private),
            ("0.0.0.0", Reach::Never),
            ("169.254.169.254", Reach::Never),
            ("100.100.100.200", Reach::Never),
            ("168.63.129.16", Reach::Never),
            ("168.63.129.17", Reach::Public),
            ("192.0.0.192", Reach::Never),
            ("224.0.0.1", Reach::Never),
            ("255.255.255.255", Reach::Never),
            ("::", Reach::Never),
            ("::127.0.0.1", Reach::Never),
            ("::ffff:127.0.0.1", Reach::Never),
            ("::ffff:8.8.8.8", Reach::Never),
            ("64:ff9b::7f00:1", Reach::Never),
            ("64:ff9b:1::1", Reach::Never),
            ("2002:7f00:1::", Reach::Never),
            ("fd00:ec2::254", Reach::Never),
            ("fd20:ce::254", Reach::Never),
            ("fd20:ce::255", Reach::Private),
            ("fe80::1", Reach::Never),
            ("ff02::1", Reach::Never),
        ];
        for (ip, expected) in rows {
            assert_eq!(reach(ip.parse().unwrap()), expected, "{ip}");
        }
    }
}
