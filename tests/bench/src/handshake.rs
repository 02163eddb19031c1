//! Time from exec to the handshake line, as the server starts the plugin: after a restart, no request is served in this
//! time.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use plugin_protocol::testing::COOKIE;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P521_SHA512};

use crate::samples::{Samples, milliseconds};
use crate::table::{Table, Target, quantity};

const STARTS: usize = 41;

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let plugin = harness::plugin_binary();
    let certificate = server_certificate()?;
    // Killed plugins leave their sockets; the removal of this folder removes them.
    let sockets = tempfile::tempdir().context("failed to make a folder")?;
    let mut samples = Samples::default();
    // The first start reads the binary from disk.
    start(&plugin, &certificate, sockets.path())?;
    for _ in 0..STARTS {
        samples.add(start(&plugin, &certificate, sockets.path())?);
    }
    table.section(format!("start of the plugin, {STARTS} times"));
    let median = milliseconds(samples.percentile(50));
    table.target("exec to handshake line: median", median, "ms", Target::AtMost(30.0));
    table.figure("exec to handshake line: p90", quantity(milliseconds(samples.percentile(90)), "ms"), "");
    Ok(())
}

/// The server's certificate: P-521, as go-plugin makes it (go-plugin `mtls.go`).
fn server_certificate() -> anyhow::Result<String> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512)?;
    let params = CertificateParams::new(vec!["localhost".to_owned()])?;
    Ok(params.self_signed(&key)?.pem())
}

/// Starts the plugin, reads its handshake line, and ends the process.
fn start(plugin: &Path, certificate: &str, sockets: &Path) -> anyhow::Result<Duration> {
    let mut command = Command::new(plugin);
    // The names come from go-plugin (`client.go`) and the server (`sdk/helper/pluginutil`).
    command
        .env(COOKIE.0, COOKIE.1)
        .env("PLUGIN_PROTOCOL_VERSIONS", "5")
        .env("PLUGIN_CLIENT_CERT", certificate)
        .env("VAULT_PLUGIN_AUTOMTLS_ENABLED", "true")
        .env("VAULT_PLUGIN_METADATA_MODE", "false")
        .env("TMPDIR", sockets)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let before = Instant::now();
    let mut child = Ended(command.spawn().with_context(|| format!("failed to start `{}`", plugin.display()))?);
    let mut line = String::new();
    let stdout = child.0.stdout.take().context("the plugin has no standard output")?;
    BufReader::new(stdout).read_line(&mut line).context("failed to read the handshake line")?;
    let elapsed = before.elapsed();
    ensure!(line.starts_with("1|5|unix|"), "`{line}` is not a handshake line");
    Ok(elapsed)
}

/// A process that does not outlive its measurement.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}
