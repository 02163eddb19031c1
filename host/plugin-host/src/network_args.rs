//! The settings of how upstreams are reached: whom the plugin trusts, how it proves itself, and through which proxy.

use std::path::{Path, PathBuf};

use clap::Args;
use component_runtime::egress::{Authorities, ClientIdentity, Proxies};
use zeroize::Zeroizing;

use crate::files;
use crate::limits::{CA_FILE_BYTES_MAX, KEY_FILE_BYTES_MAX};

/// How upstreams are reached.
#[derive(Args, Clone, Debug, Default)]
pub struct NetworkArgs {
    /// Trust the authorities whose certificates are in this file, beside those of the system; may be given several
    /// times.
    #[arg(long, value_name = "PEM")]
    pub ca_file: Vec<PathBuf>,

    /// Show this certificate to servers and gateways that ask for a client certificate.
    #[arg(long, value_name = "PEM", requires = "egress_client_key")]
    pub egress_client_cert: Option<PathBuf>,

    /// The private key of `--egress-client-cert`.
    #[arg(long, value_name = "PEM", requires = "egress_client_cert")]
    pub egress_client_key: Option<PathBuf>,

    /// Send all requests through this HTTP proxy, except those to loopback: `http://host:port`.
    #[arg(long, value_name = "URL", conflicts_with = "proxy_from_environment")]
    pub proxy: Option<String>,

    /// Send requests through the proxies that HTTPS_PROXY and HTTP_PROXY name, except those that NO_PROXY names.
    #[arg(long)]
    pub proxy_from_environment: bool,
}

impl NetworkArgs {
    /// The authorities that are trusted beside those of the system.
    ///
    /// # Errors
    /// Names the argument and the file.
    pub(crate) fn authorities(&self) -> Result<Authorities, String> {
        let mut authorities = Authorities::default();
        for path in &self.ca_file {
            let pem = read("--ca-file", path, CA_FILE_BYTES_MAX)?;
            authorities.add(&path.display().to_string(), &pem).map_err(|error| format!("--ca-file: {error}"))?;
        }
        Ok(authorities)
    }

    /// What servers that ask for a client certificate are shown.
    ///
    /// # Errors
    /// Names the argument and the file.
    pub(crate) fn identity(&self) -> Result<Option<ClientIdentity>, String> {
        let (Some(certificate), Some(key)) = (&self.egress_client_cert, &self.egress_client_key) else {
            return Ok(None);
        };
        let chain = read("--egress-client-cert", certificate, CA_FILE_BYTES_MAX)?;
        let secret = read("--egress-client-key", key, KEY_FILE_BYTES_MAX)?;
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        let identity = ClientIdentity::new((&certificate, &chain), (&key, &secret));
        identity.map(Some).map_err(|error| format!("--egress-client-cert and --egress-client-key: {error}"))
    }

    /// Through which proxies upstreams are reached.
    ///
    /// # Errors
    /// Names the argument or the variable, and never a credential.
    pub(crate) fn proxies(&self) -> Result<Proxies, String> {
        match &self.proxy {
            Some(url) => Proxies::every(url).map_err(|error| format!("--proxy: {error}")),
            None if self.proxy_from_environment => {
                Proxies::from_environment(variable).map_err(|error| format!("--proxy-from-environment: {error}"))
            }
            None => Ok(Proxies::default()),
        }
    }
}

impl NetworkArgs {
    /// Logs through which proxies upstreams are reached, once for each start. Their credentials are not shown.
    pub(crate) fn log(&self) {
        let Ok(proxies) = self.proxies() else { return };
        if !proxies.is_empty() {
            tracing::info!(%proxies, "requests to Astra go through a proxy");
        } else if self.proxy_from_environment {
            tracing::warn!(
                "--proxy-from-environment has no effect: neither HTTPS_PROXY nor HTTP_PROXY is set for the plugin"
            );
        }
    }
}

fn read(argument: &str, path: &Path, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, String> {
    if !path.is_absolute() {
        return Err(format!(
            "{argument}={}: the path must be absolute, for the server starts the plugin in a folder of its choice",
            path.display()
        ));
    }
    files::read_secret(path, bytes_max).map_err(|failure| format!("{argument}: {}", failure.text()))
}

#[expect(clippy::disallowed_methods, reason = "part of the configuration, read once at the start")]
fn variable(name: &str) -> Option<Zeroizing<String>> {
    // What is no text is no URL: it becomes one that is refused.
    let value = std::env::var_os(name)?;
    Some(Zeroizing::new(value.into_string().unwrap_or_else(|_| "not text".to_owned())))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    #![expect(clippy::disallowed_methods, reason = "tests write the files that they name")]

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        network: NetworkArgs,
    }

    fn parse(args: &[&str]) -> Result<NetworkArgs, clap::Error> {
        Line::try_parse_from(std::iter::once("plugin").chain(args.iter().copied())).map(|line| line.network)
    }

    #[test]
    fn a_bad_file_stops_the_start_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let large = file("large.pem", &"x".repeat(CA_FILE_BYTES_MAX + 1));
        let rows = [
            ("/nowhere/ca.pem".to_owned(), "failed to read"),
            (
                "ca.pem".to_owned(),
                "the path must be absolute, for the server starts the plugin in a folder of its choice",
            ),
            (file("empty.pem", ""), "contains no certificate"),
            (file("text.pem", "no certificate"), "contains no certificate"),
            (large, "has more than"),
            (directory.path().display().to_string(), "failed to read"),
        ];
        for (path, expected) in rows {
            let args = parse(&[&format!("--ca-file={path}")]).unwrap();
            let text = args.authorities().unwrap_err();
            assert!(text.contains("--ca-file") && text.contains(&path) && text.contains(expected), "{text}");
        }
        let key = file("key.pem", "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n");
        let certificate = file("certificate.pem", "");
        let both = [format!("--egress-client-cert={certificate}"), format!("--egress-client-key={key}")];
        let text = parse(&[&both[0], &both[1]]).unwrap().identity().unwrap_err();
        assert!(text.contains(&certificate) && !text.contains("canary"), "{text}");
    }

    #[test]
    fn arguments_that_need_or_exclude_each_other_are_named() {
        let rows: [(&[&str], &str); 3] = [
            (&["--egress-client-cert=/c.pem"], "--egress-client-key"),
            (&["--egress-client-key=/k.pem"], "--egress-client-cert"),
            (&["--proxy=http://p:1", "--proxy-from-environment"], "--proxy-from-environment"),
        ];
        for (args, expected) in rows {
            let text = parse(args).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_proxy_is_refused_by_its_argument_and_without_its_credentials() {
        assert!(parse(&[]).unwrap().proxies().unwrap().is_empty());
        assert!(!parse(&["--proxy=http://p.example:3128"]).unwrap().proxies().unwrap().is_empty());
        for url in ["https://p.example:1", "socks5://p.example:1", "http://user:canary@p.example:1", "p.example"] {
            let text = parse(&[&format!("--proxy={url}")]).unwrap().proxies().unwrap_err();
            assert!(text.starts_with("--proxy: ") && text.contains("p.example") && !text.contains("canary"), "{text}");
        }
    }
}
