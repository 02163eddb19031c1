//! Starting a plugin as the server does.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use rcgen::{BasicConstraints, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P521_SHA512};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::log::LogLines;
use super::process::Started;
use super::{COOKIE, PluginProcess, TestError};
use crate::connection::Connection;
use crate::handshake::{CLIENT_CERT_NAME, VERSIONS_NAME};
use crate::mtls::{Identity, certificate_params};

/// How long the server waits for the handshake line.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(60);
/// How long a process may take that ends by itself.
const END_WAIT: Duration = Duration::from_secs(20);
const HANDSHAKE_FIELDS: usize = 6;

/// What to start, and how.
#[derive(Clone, Debug)]
pub struct Launch {
    program: PathBuf,
    args: Vec<OsString>,
    /// Without a value: removed.
    environment: Vec<(OsString, Option<OsString>)>,
    other_identity: bool,
}

impl Launch {
    /// Starts this program, as a server with protocol 5 does.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), args: Vec::new(), environment: Vec::new(), other_identity: false }
    }

    /// Adds an argument of the catalog entry.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets an environment variable; wins over the server's own.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), Some(value.into())));
        self
    }

    /// Leaves out a variable that servers set.
    #[must_use]
    pub fn without_env(mut self, name: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), None));
        self
    }

    /// Offers other protocol versions than `5`.
    #[must_use]
    pub fn protocol_versions(self, versions: &str) -> Self {
        self.env(VERSIONS_NAME, versions)
    }

    /// Connects with a certificate that the plugin was not told of.
    #[must_use]
    pub fn with_other_identity(mut self) -> Self {
        self.other_identity = true;
        self
    }

    /// Starts the process and connects to it: handshake, TLS, broker and stdio stream.
    ///
    /// # Errors
    /// What went wrong, with what the plugin wrote until then.
    pub async fn start(&self) -> Result<PluginProcess, TestError> {
        let identity = server_identity()?;
        let sockets = TempDir::new()?;
        let (mut child, log) = self.spawn(&identity, &sockets)?;
        let line = handshake_line(&mut child, &log).await?;
        let (socket, certificate) = parse(&line)?;
        let connecting = if self.other_identity { &server_identity()? } else { &identity };
        let config = connecting.client_config(certificate.clone()).map_err(|error| connect_error(&error))?;
        let connector = TlsConnector::from(Arc::new(config));
        let (connection, closer) =
            Connection::dial(&socket, &connector, "").await.map_err(|error| connect_error(&error))?;
        PluginProcess::connect(Started { child, log, line, sockets, identity, certificate }, connection, closer).await
    }

    /// Starts the process, does not connect to it, and waits for its end.
    ///
    /// # Errors
    /// When it cannot be started or does not end.
    pub async fn output(&self) -> Result<Output, TestError> {
        let sockets = TempDir::new()?;
        let (child, log) = self.spawn(&server_identity()?, &sockets)?;
        let output = timeout(END_WAIT, child.wait_with_output()).await;
        let mut output = output.map_err(|_| TestError::Process("the plugin did not end".into()))??;
        output.stderr = log.finished().await.into_bytes();
        Ok(output)
    }

    /// Starts the process with the server's environment, output piped.
    fn spawn(&self, identity: &Identity, sockets: &TempDir) -> Result<(Child, LogLines), TestError> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env(COOKIE.0, COOKIE.1)
            .env(VERSIONS_NAME, "5")
            .env("PLUGIN_MIN_PORT", "10000")
            .env("PLUGIN_MAX_PORT", "25000")
            .env(CLIENT_CERT_NAME, pem(identity))
            .env("VAULT_VERSION", "2.7.2")
            .env("BAO_VERSION", "2.7.2")
            .env("VAULT_PLUGIN_AUTOMTLS_ENABLED", "true")
            .env("VAULT_PLUGIN_METADATA_MODE", "false")
            .env("TMPDIR", sockets.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut child = command.spawn()?;
        let stderr = child.stderr.take().ok_or_else(|| TestError::Process("stderr is not piped".into()))?;
        let log = LogLines::read(stderr);
        Ok((child, log))
    }
}

fn connect_error(error: &dyn std::error::Error) -> TestError {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    TestError::Connect(text)
}

/// An identity as the server makes it: P-521, and a certificate authority.
fn server_identity() -> Result<Identity, TestError> {
    let make = || {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512)?;
        let mut params = certificate_params()?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::KeyAgreement,
            KeyUsagePurpose::KeyCertSign,
        ];
        Identity::self_signed(&params, &key)
    };
    make().map_err(|error: rcgen::Error| TestError::Process(format!("failed to make a certificate: {error}")))
}

fn pem(identity: &Identity) -> String {
    let text = STANDARD.encode(identity.certificate());
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// The first line that the process writes to stdout.
async fn handshake_line(child: &mut Child, log: &LogLines) -> Result<String, TestError> {
    let stdout = child.stdout.take().ok_or_else(|| TestError::Process("stdout is not piped".into()))?;
    let mut lines = BufReader::new(stdout).lines();
    let line = timeout(HANDSHAKE_WAIT, lines.next_line())
        .await
        .map_err(|_| TestError::Process("the plugin wrote no handshake line in time".into()))??;
    // Put back for `PluginProcess`, which shows that nothing comes after the line.
    child.stdout = Some(lines.into_inner().into_inner());
    match line {
        Some(line) => Ok(line),
        None => Err(TestError::NoHandshake(log.finished().await)),
    }
}

/// Socket path and certificate of a handshake line.
fn parse(line: &str) -> Result<(String, CertificateDer<'static>), TestError> {
    let violation = |what: &str| TestError::Violation(format!("{what} in handshake line `{line}`"));
    let fields: Vec<_> = line.trim().split('|').collect();
    let [core, app, network, address, transport, certificate] =
        <[&str; HANDSHAKE_FIELDS]>::try_from(fields).map_err(|_| violation("not six fields"))?;
    if (core, app, network, transport) != ("1", "5", "unix", "grpc") {
        return Err(violation("unexpected fields"));
    }
    if certificate.len() <= 50 {
        return Err(violation("no certificate"));
    }
    let der = STANDARD_NO_PAD.decode(certificate).map_err(|_| violation("bad base64"))?;
    Ok((address.to_owned(), der.into()))
}
