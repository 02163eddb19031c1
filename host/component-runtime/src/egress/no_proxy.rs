//! Destinations that are reached without the proxy: `NO_PROXY`, by the rules of Go's `httpproxy`, which the Go plugin
//! and the server follow. (Rust libraries follow curl, which ignores ports and reads a leading dot differently.)

use std::net::IpAddr;

use ipnet::IpNet;

use super::origin::Host;

/// The exceptions. By default, only loopback is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NoProxy {
    is_everything: bool,
    entries: Vec<Entry>,
}

/// One item of the list, with its port; `None` = any port.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Net(IpNet),
    Address(IpAddr, Option<String>),
    /// Names that end in this suffix, which begins with a dot; if `itself`, also the name without the dot.
    Below {
        suffix: String,
        itself: bool,
        port: Option<String>,
    },
}

impl NoProxy {
    /// Reads a list. An item without sense is skipped, as in Go.
    pub(crate) fn parse(list: &str) -> Self {
        let items: Vec<String> = list.split(',').map(|item| item.trim().to_ascii_lowercase()).collect();
        let is_everything = items.iter().any(|item| item == "*");
        Self { is_everything, entries: items.iter().filter_map(|item| Entry::parse(item)).collect() }
    }

    /// Is this destination reached directly?
    pub(crate) fn covers(&self, host: &Host, port: u16) -> bool {
        let is_loopback = match host {
            Host::Name(name) => name == "localhost",
            Host::Address(ip) => ip.is_loopback(),
            Host::Below(_) => false,
        };
        is_loopback || self.is_everything || self.entries.iter().any(|entry| entry.covers(host, port))
    }
}

impl Entry {
    fn parse(item: &str) -> Option<Self> {
        if let Ok(net) = item.parse() {
            return Some(Self::Net(net));
        }
        let (host, port) = host_and_port(item);
        let port = port.map(str::to_owned);
        if let Ok(ip) = host.parse() {
            return Some(Self::Address(ip, port));
        }
        // `*.domain` means `.domain`: the names below it, without the name itself.
        let host = if host.starts_with("*.") { host.get(1..)? } else { host };
        let itself = !host.starts_with('.');
        let suffix = if itself { format!(".{host}") } else { host.to_owned() };
        (!host.is_empty()).then_some(Self::Below { suffix, itself, port })
    }

    fn covers(&self, host: &Host, port: u16) -> bool {
        let is_port = |wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| *wanted == port.to_string());
        match (self, host) {
            (Self::Net(net), Host::Address(ip)) => net.contains(ip),
            (Self::Address(address, wanted), Host::Address(ip)) => address == ip && is_port(wanted),
            (Self::Below { suffix, itself, port: wanted }, Host::Name(name)) => {
                let is_itself = *itself && suffix.strip_prefix('.') == Some(name);
                (is_itself || name.ends_with(suffix)) && is_port(wanted)
            }
            _ => false,
        }
    }
}

/// Splits `host:port` and `[address]:port`; an IPv6 address without brackets has no port.
fn host_and_port(item: &str) -> (&str, Option<&str>) {
    let unbracketed = |host: &str| host.starts_with('[') == host.ends_with(']');
    match item.rsplit_once(':') {
        Some((host, port)) if unbracketed(host) && (host.starts_with('[') || !host.contains(':')) => {
            (host.trim_start_matches('[').trim_end_matches(']'), Some(port))
        }
        _ => (item.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(item), None),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::origin::exact_host;
    use super::*;

    /// The list of Go's own test (`httpproxy/proxy_test.go`, `UseProxyTests`), with Go's answer for each host.
    const GO: &str = "foobar.com, barbaz.net, .example.com, 192.168.1.1, 192.168.1.2:81, 192.168.1.3:80, 10.0.0.0/30, \
        2001:db8::52:0:1, [2001:db8::52:0:2]:443, [2001:db8::52:0:3]:80, 2002:db8:a::45/64";

    #[track_caller]
    fn check(list: &str, rows: &[(&str, bool)]) {
        let list = NoProxy::parse(list);
        for (target, is_direct) in rows {
            let (host, port) = host_and_port(target);
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            let port = port.map_or(80, |port| port.parse().unwrap());
            assert_eq!(list.covers(&exact_host(&host).unwrap(), port), *is_direct, "{target}");
        }
    }

    #[test]
    fn the_list_is_read_as_go_reads_it() {
        check(
            GO,
            &[
                ("localhost", true),
                ("127.0.0.1", true),
                ("127.0.0.2", true),
                ("[::1]", true),
                ("[::2]", false),
                ("192.168.1.1", true),
                ("192.168.1.2", false),
                ("192.168.1.3", true),
                ("192.168.1.4", false),
                ("10.0.0.2", true),
                ("10.0.0.4", false),
                ("[2001:db8::52:0:1]", true),
                ("[2001:db8::52:0:2]", false),
                ("[2001:db8::52:0:2]:443", true),
                ("[2001:db8::52:0:3]", true),
                ("[2002:db8:a::123]", true),
                ("[fe80::424b:c8be:1643:a1b6]", false),
                ("barbaz.net", true),
                ("www.barbaz.net", true),
                ("foobar.com", true),
                ("www.foobar.com", true),
                ("foofoobar.com", false),
                ("baz.com", false),
                ("localhost.net", false),
                ("local.localhost", false),
                ("barbarbaz.net", false),
                ("www.example.com", true),
                ("example.com", false),
            ],
        );
    }

    #[test]
    fn ports_stars_and_cases_are_those_of_go() {
        check("*.foobar.com", &[("foobar.com", false), ("www.foobar.com", true), ("xfoobar.com", false)]);
        check("foobar.com:443", &[("foobar.com", false), ("foobar.com:443", true), ("www.foobar.com:443", true)]);
        check(" FooBar.com ,, :80,", &[("foobar.com", true), ("other.com", false)]);
        check("a.com,*", &[("anything.example", true), ("8.8.8.8", true)]);
        check("", &[("anything.example", false), ("localhost", true)]);
        check(".", &[("anything.example", false)]);
    }
}
