//! The handshake between server and plugin: environment variables in, one line on stdout out (go-plugin `client.go`,
//! `server.go`).
//!
//! This module is the only code of the process that writes to stdout. A refused handshake ends the process before
//! anything else has started.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Name and value of the only cookie for secrets engines; OpenBao kept Vault's.
pub(crate) const COOKIE_NAME: &str = "VAULT_BACKEND_PLUGIN";
pub(crate) const COOKIE_VALUE: &str = "6669da05-b1c8-4f49-97d9-c8e5bed98e20";

pub(crate) const VERSIONS_NAME: &str = "PLUGIN_PROTOCOL_VERSIONS";
pub(crate) const CLIENT_CERT_NAME: &str = "PLUGIN_CLIENT_CERT";
const SOCKET_DIR_NAME: &str = "PLUGIN_UNIX_SOCKET_DIR";
const SOCKET_GROUP_NAME: &str = "PLUGIN_UNIX_SOCKET_GROUP";
const METADATA_MODE_SUFFIX: &str = "PLUGIN_METADATA_MODE";

/// The version of go-plugin's own protocol, and the one version of the backend protocol that this crate speaks.
const CORE_PROTOCOL: u32 = 1;
pub(crate) const APP_PROTOCOL: u32 = 5;

/// The settings that the server gives in the environment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Environment {
    /// The one certificate of the server, as client and as server.
    pub(crate) server_certificate: CertificateDer<'static>,
    /// The directory of the socket, if not the temporary directory.
    pub(crate) socket_directory: Option<PathBuf>,
    /// The group that may use the socket.
    pub(crate) socket_group: Option<String>,
    /// The server only asks about the plugin itself, and sends no requests.
    pub(crate) metadata_mode: bool,
}

/// Why the process ends before it serves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A person started the program.
    StartedByHand,
    /// A server tests whether this is a plugin of another kind.
    OtherKind,
    /// The server offers these protocol versions, without 5. The plugin must not serve version 4: a server whose try
    /// with version 5 failed would mount the plugin and then hang at each request.
    Versions(String),
    /// The server's certificate is missing, or is no certificate.
    Certificate(&'static str),
}

impl Environment {
    /// Reads the environment of this process.
    pub(crate) fn from_process() -> Result<Self, Refusal> {
        #[expect(clippy::disallowed_methods, reason = "the handshake is in the environment; read once, here")]
        Self::parse(|name| std::env::var_os(name))
    }

    /// Reads the variables that `variable` looks up.
    pub(crate) fn parse(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Refusal> {
        let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
        let versions = text(VERSIONS_NAME);
        if text(COOKIE_NAME).as_deref() != Some(COOKIE_VALUE) {
            return Err(if versions.is_some() { Refusal::OtherKind } else { Refusal::StartedByHand });
        }
        let versions = versions.unwrap_or_default();
        if !versions.split(',').any(|version| version.trim().parse() == Ok(APP_PROTOCOL)) {
            return Err(Refusal::Versions(versions));
        }
        let pem = text(CLIENT_CERT_NAME).unwrap_or_default();
        if pem.is_empty() {
            return Err(Refusal::Certificate("is not set: automatic mutual TLS is required"));
        }
        let server_certificate = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| Refusal::Certificate("does not hold a certificate in PEM form"))?;
        Ok(Self {
            server_certificate,
            socket_directory: variable(SOCKET_DIR_NAME).filter(|value| !value.is_empty()).map(PathBuf::from),
            socket_group: text(SOCKET_GROUP_NAME).filter(|value| !value.is_empty()),
            metadata_mode: server_setting(&text, METADATA_MODE_SUFFIX).as_deref() == Some("true"),
        })
    }
}

/// The value of a setting that OpenBao names `BAO_…` and both servers name `VAULT_…`.
fn server_setting(text: &impl Fn(&str) -> Option<String>, suffix: &str) -> Option<String> {
    text(&format!("BAO_{suffix}")).or_else(|| text(&format!("VAULT_{suffix}")))
}

impl Refusal {
    /// A text for a person on stderr; `None` if a server would read the text.
    pub(crate) fn plain_text(&self, program: &str) -> Option<String> {
        match self {
            Self::StartedByHand => Some(format!(
                "{program} is a plugin of Vault and OpenBao and cannot be started by hand. \
                 Put it into the server's plugin directory, register it with \
                 `vault plugin register -sha256=SUM secret {program}` (or `bao`), and \
                 enable it with `vault secrets enable {program}`; the server then starts it.\n"
            )),
            Self::OtherKind | Self::Versions(_) | Self::Certificate(_) => None,
        }
    }

    /// The message of a log line.
    pub(crate) fn log_text(&self) -> Option<String> {
        match self {
            Self::StartedByHand | Self::OtherKind => None,
            Self::Versions(offered) => Some(format!(
                "plugin protocol {APP_PROTOCOL} is required, but {VERSIONS_NAME} offers `{}`; \
                 the server falls back to older versions when TLS failed or the server is older than Vault 1.12",
                offered.escape_default()
            )),
            Self::Certificate(problem) => Some(format!("{CLIENT_CERT_NAME} {problem}")),
        }
    }

    /// The line for stdout by which the server names the wrong version to the operator: a server compares versions
    /// before it uses the address.
    pub(crate) fn line(&self) -> Option<String> {
        match self {
            Self::Versions(_) => Some(format!("{CORE_PROTOCOL}|{APP_PROTOCOL}|unix|/nonexistent|grpc|")),
            Self::StartedByHand | Self::OtherKind | Self::Certificate(_) => None,
        }
    }
}

/// The handshake line, without its newline. The line leaves out the seventh field, broker multiplexing: this plugin
/// does not offer multiplexing, and old servers misread the field.
pub(crate) fn line(socket: &Path, certificate: &CertificateDer<'_>) -> String {
    let certificate = STANDARD_NO_PAD.encode(certificate);
    format!("{CORE_PROTOCOL}|{APP_PROTOCOL}|unix|{}|grpc|{certificate}", socket.display())
}

/// Writes the handshake line, the only line of this process on stdout.
pub(crate) fn print(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(format!("{line}\n").as_bytes())?;
    stdout.flush()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::mtls::Identity;

    fn parse(variables: &[(&str, &str)]) -> Result<Environment, Refusal> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        Environment::parse(|name| variables.get(name).map(OsString::from))
    }

    fn pem() -> (String, CertificateDer<'static>) {
        let identity = Identity::generate().unwrap();
        let lines = base64::engine::general_purpose::STANDARD.encode(identity.certificate());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n");
        (pem, identity.certificate().clone())
    }

    #[test]
    fn a_complete_environment_is_read() {
        let (pem, certificate) = pem();
        let environment = parse(&[
            (COOKIE_NAME, COOKIE_VALUE),
            (VERSIONS_NAME, "4, 5,3"),
            (CLIENT_CERT_NAME, &pem),
            (SOCKET_DIR_NAME, "/run/plugins"),
            (SOCKET_GROUP_NAME, "1000"),
            ("VAULT_PLUGIN_METADATA_MODE", "true"),
            ("BAO_PLUGIN_METADATA_MODE", "false"),
        ]);
        let expected = Environment {
            server_certificate: certificate,
            socket_directory: Some(PathBuf::from("/run/plugins")),
            socket_group: Some("1000".into()),
            metadata_mode: false,
        };
        assert_eq!(environment, Ok(expected));
    }

    #[test]
    fn a_refusal_names_what_started_the_process() {
        let (pem, _) = pem();
        let cookie = (COOKIE_NAME, COOKIE_VALUE);
        let rows: &[(&[(&str, &str)], Refusal)] = &[
            (&[], Refusal::StartedByHand),
            (&[(COOKIE_NAME, "x")], Refusal::StartedByHand),
            (&[("VAULT_DATABASE_PLUGIN", "x"), (VERSIONS_NAME, "5")], Refusal::OtherKind),
            (&[(COOKIE_NAME, ""), (VERSIONS_NAME, "5")], Refusal::OtherKind),
            (&[cookie], Refusal::Versions(String::new())),
            (&[cookie, (VERSIONS_NAME, "3,4"), (CLIENT_CERT_NAME, &pem)], Refusal::Versions("3,4".into())),
            (&[cookie, (VERSIONS_NAME, "55")], Refusal::Versions("55".into())),
            (&[cookie, (VERSIONS_NAME, "5")], Refusal::Certificate("is not set: automatic mutual TLS is required")),
            (
                &[cookie, (VERSIONS_NAME, "5"), (CLIENT_CERT_NAME, "-----BEGIN")],
                Refusal::Certificate("does not hold a certificate in PEM form"),
            ),
        ];
        for (variables, expected) in rows {
            assert_eq!(parse(variables).as_ref(), Err(expected), "{variables:?}");
        }
    }

    #[test]
    fn the_line_has_six_fields_and_no_padding() {
        let certificate = CertificateDer::from(vec![1, 2, 3, 4]);
        assert_eq!(line(Path::new("/tmp/p"), &certificate), "1|5|unix|/tmp/p|grpc|AQIDBA");
    }

    proptest! {
        #[test]
        fn parsing_is_total(cookie: bool, versions in ".*", pem in ".*", mode in ".*") {
            let cookie = if cookie { COOKIE_VALUE } else { "other" };
            let variables = [
                (COOKIE_NAME, cookie),
                (VERSIONS_NAME, &*versions),
                (CLIENT_CERT_NAME, &*pem),
                ("VAULT_PLUGIN_METADATA_MODE", &*mode),
            ];
            // No text that is not a certificate is taken for one.
            prop_assert!(parse(&variables).is_err());
        }

        #[test]
        fn the_certificate_survives_the_line(der in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let line = line(Path::new("/tmp/p"), &CertificateDer::from(der.clone()));
            let field = line.rsplit('|').next().unwrap();
            prop_assert!(!field.contains('=') && !line.contains('\n'));
            prop_assert_eq!(STANDARD_NO_PAD.decode(field).unwrap(), der);
        }
    }
}
