//! The arguments by which a command reaches a server, those of the server's own command line, and the wait for its answer.

use std::future::Future;
use std::path::PathBuf;

use insight::{Client, Settings, Sources};

use crate::failure::Failure;

/// How to reach the server.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct Server {
    /// Path of the mount.
    #[arg(long, value_name = "PATH", default_value = "astra")]
    pub(crate) mount: String,
    /// Address of the server; also BAO_ADDR or VAULT_ADDR. The token is BAO_TOKEN or VAULT_TOKEN, or that of your login.
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// Namespace of the mount; also BAO_NAMESPACE or VAULT_NAMESPACE.
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// File of authorities to trust in place of those of the system; also BAO_CACERT or VAULT_CACERT.
    #[arg(long, value_name = "PEM")]
    ca_cert: Option<PathBuf>,
    /// Directory of such files; also BAO_CAPATH or VAULT_CAPATH.
    #[arg(long, value_name = "DIR")]
    ca_path: Option<PathBuf>,
    /// Client certificate; also BAO_CLIENT_CERT or VAULT_CLIENT_CERT.
    #[arg(long, value_name = "PEM")]
    client_cert: Option<PathBuf>,
    /// Key of the client certificate; also BAO_CLIENT_KEY or VAULT_CLIENT_KEY.
    #[arg(long, value_name = "PEM")]
    client_key: Option<PathBuf>,
    /// Trust any certificate: whoever stands between can then read the token. Also BAO_SKIP_VERIFY or VAULT_SKIP_VERIFY.
    #[arg(long)]
    tls_skip_verify: bool,
}

impl Server {
    /// A client of the server.
    ///
    /// # Errors
    /// Names the argument or the variable that is of no use.
    #[expect(clippy::disallowed_methods, reason = "the environment of the server's own command line")]
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let sources = Sources {
            address: self.address.clone(),
            namespace: self.namespace.clone(),
            ca_cert: self.ca_cert.clone(),
            ca_path: self.ca_path.clone(),
            client_cert: self.client_cert.clone(),
            client_key: self.client_key.clone(),
            tls_skip_verify: self.tls_skip_verify,
        };
        let settings = Settings::resolve(sources, |name| std::env::var(name).ok());
        let settings = settings.map_err(|error| Failure::Usage(error.to_string()))?;
        Client::new(settings).map_err(|error| Failure::Usage(error.to_string()))
    }
}

/// Waits for what a command asks.
///
/// # Errors
/// When the system gives no means to wait.
pub(crate) fn wait<T>(asked: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("failed to start: {error}")))?;
    Ok(runtime.block_on(asked))
}
