//! A plugin process that serves, seen by the server.

use std::process::ExitStatus;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::stream;
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Streaming;

use super::TestError;
use super::log::LogLines;
use super::mount::{Mount, MountOptions, tagged};
use crate::connection::{Closer, Connection};
use crate::mtls::Identity;
use crate::task;
use crate::wire::health::HealthCheckRequest;
use crate::wire::health::health_client::HealthClient;
use crate::wire::multiplexing::MultiplexingSupportRequest;
use crate::wire::multiplexing::plugin_multiplexing_client::PluginMultiplexingClient;
use crate::wire::plugin::grpc_broker_client::GrpcBrokerClient;
use crate::wire::plugin::grpc_controller_client::GrpcControllerClient;
use crate::wire::plugin::grpc_stdio_client::GrpcStdioClient;
use crate::wire::plugin::{ConnInfo, Empty};
use crate::wire::{logical, pb};

/// The server kills a plugin that is still there so long after `Shutdown`.
const EXIT_WAIT: Duration = Duration::from_secs(2);
/// Other ends of a process, such as that of a watchdog, in tests.
const END_WAIT: Duration = Duration::from_secs(20);

/// A process that wrote its handshake line.
pub(super) struct Started {
    pub(super) child: Child,
    pub(super) log: LogLines,
    pub(super) line: String,
    /// Where all sockets are, so that those of a killed plugin go, too.
    pub(super) sockets: TempDir,
    pub(super) identity: Identity,
    pub(super) certificate: CertificateDer<'static>,
}

/// A started plugin. Dropped without [`Self::shutdown`] it is killed.
pub struct PluginProcess {
    child: Mutex<Child>,
    log: LogLines,
    line: String,
    pub(super) sockets: TempDir,
    pub(super) identity: Identity,
    pub(super) certificate: CertificateDer<'static>,
    pub(super) connection: Connection,
    closer: Closer,
    broker: Mutex<Option<mpsc::Sender<ConnInfo>>>,
    next_broker_id: AtomicU32,
}

impl PluginProcess {
    pub(super) async fn connect(
        Started { child, log, line, sockets, identity, certificate }: Started,
        connection: Connection,
        closer: Closer,
    ) -> Result<Self, TestError> {
        let origin = Connection::origin();
        let stdio = GrpcStdioClient::with_origin(connection.clone(), origin.clone()).stream_stdio(()).await?;
        task::spawn(hold(stdio.into_inner()));
        let (broker, messages) = mpsc::channel(16);
        let outgoing = stream::unfold(messages, |mut messages| async move { Some((messages.recv().await?, messages)) });
        let incoming = GrpcBrokerClient::with_origin(connection.clone(), origin).start_stream(outgoing).await?;
        task::spawn(hold(incoming.into_inner()));
        Ok(Self {
            child: Mutex::new(child),
            log,
            line,
            sockets,
            identity,
            certificate,
            connection,
            closer,
            broker: Mutex::new(Some(broker)),
            next_broker_id: AtomicU32::new(1),
        })
    }

    /// The line that the plugin wrote to stdout.
    #[must_use]
    pub fn handshake_line(&self) -> &str {
        &self.line
    }

    /// The path of the plugin's socket.
    #[must_use]
    pub fn socket(&self) -> &str {
        self.line.split('|').nth(3).unwrap_or_default()
    }

    /// The process id; none once it has ended.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// What the plugin wrote to stderr so far.
    #[must_use]
    pub fn log_lines(&self) -> Vec<String> {
        self.log.lines()
    }

    /// Waits for a line that holds `text`.
    ///
    /// # Errors
    /// When the process ended without one.
    pub async fn wait_for_log(&self, text: &str) -> Result<String, TestError> {
        let ended = || TestError::Process(format!("the plugin ended without a log line with `{text}`"));
        self.log.wait_for(text, 1).await.ok_or_else(ended)
    }

    /// Waits for `count` lines that hold `text`.
    ///
    /// # Errors
    /// When the process ended with fewer.
    pub async fn wait_for_logs(&self, text: &str, count: usize) -> Result<(), TestError> {
        let ended = || TestError::Process(format!("the plugin ended without {count} log lines with `{text}`"));
        self.log.wait_for(text, count).await.map(|_| ()).ok_or_else(ended)
    }

    /// Does one process serve all mounts?
    ///
    /// # Errors
    /// As all calls: gRPC's.
    pub async fn multiplexing_supported(&self) -> Result<bool, TestError> {
        let mut client = PluginMultiplexingClient::with_origin(self.connection.clone(), Connection::origin());
        Ok(client.multiplexing_support(MultiplexingSupportRequest {}).await?.into_inner().supported)
    }

    /// Is the service called `service` healthy?
    ///
    /// # Errors
    /// As all calls: gRPC's.
    pub async fn healthy(&self, service: &str) -> Result<bool, TestError> {
        let mut client = HealthClient::with_origin(self.connection.clone(), Connection::origin());
        let reply = client.check(HealthCheckRequest { service: service.to_owned() }).await?;
        Ok(reply.into_inner().status == 1)
    }

    /// The version that the plugin reports.
    ///
    /// # Errors
    /// As all calls: gRPC's.
    pub async fn version(&self) -> Result<String, TestError> {
        use logical::plugin_version_client::PluginVersionClient;
        let mut client = PluginVersionClient::with_origin(self.connection.clone(), Connection::origin());
        Ok(client.version(tagged(logical::Empty {}, &["version000"])?).await?.into_inner().plugin_version)
    }

    /// Calls `Type` with these multiplexing ids: no, one or several.
    ///
    /// # Errors
    /// As all calls: gRPC's.
    pub async fn backend_type(&self, multiplex_ids: &[&str]) -> Result<u32, TestError> {
        use pb::backend_client::BackendClient;
        let mut client = BackendClient::with_origin(self.connection.clone(), Connection::origin());
        Ok(client.r#type(tagged(pb::Empty {}, multiplex_ids)?).await?.into_inner().r#type)
    }

    /// Sets a mount up, as `secrets enable` does.
    ///
    /// # Errors
    /// The plugin's refusal, or gRPC's.
    pub async fn mount(&self, options: MountOptions) -> Result<Mount, TestError> {
        Mount::set_up(self, options).await
    }

    pub(super) fn next_broker_id(&self) -> u32 {
        self.next_broker_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Says where the services with this id listen.
    pub(super) async fn announce(&self, id: u32, address: &str) -> Result<(), TestError> {
        let broker = self.broker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let message = ConnInfo { service_id: id, network: "unix".to_owned(), address: address.to_owned(), knock: None };
        let gone = || TestError::Process("the broker's stream has ended".into());
        broker.ok_or_else(gone)?.send(message).await.map_err(|_| gone())
    }

    /// Ends the broker's stream, as a server does that lets go of the plugin.
    pub fn close_broker_stream(&self) {
        self.broker.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Drops the connection without a word, as a server does that was killed.
    pub fn vanish(&self) {
        self.closer.close_now();
    }

    /// Asks the plugin to end and waits for it, as long as the server would.
    ///
    /// # Errors
    /// When it does not end in time, or wrote more to stdout than its line.
    pub async fn shutdown(self) -> Result<ExitStatus, TestError> {
        self.close_broker_stream();
        let mut client = GrpcControllerClient::with_origin(self.connection.clone(), Connection::origin());
        client.shutdown(Empty {}).await?;
        self.wait(EXIT_WAIT).await
    }

    /// Waits for the process to end by itself.
    ///
    /// # Errors
    /// When it does not end, or wrote more to stdout than its line.
    pub async fn ended(self) -> Result<ExitStatus, TestError> {
        self.wait(END_WAIT).await
    }

    async fn wait(self, limit: Duration) -> Result<ExitStatus, TestError> {
        let mut child = self.child.into_inner().unwrap_or_else(PoisonError::into_inner);
        let status = timeout(limit, child.wait())
            .await
            .map_err(|_| TestError::Process(format!("the plugin did not end within {} s", limit.as_secs())))??;
        let mut rest = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_string(&mut rest).await?;
        }
        match rest.is_empty() {
            true => Ok(status),
            false => Err(TestError::Violation(format!("the plugin wrote to stdout after its line: `{rest}`"))),
        }
    }

    /// The whole log, once the process has ended; for tests that keep a handle on it.
    pub fn log_after_end(&self) -> impl Future<Output = String> + Send + use<> {
        let log = self.log.clone();
        async move { log.finished().await }
    }
}

/// Keeps a stream open that nothing is expected from.
async fn hold<T>(mut incoming: Streaming<T>) {
    while let Ok(Some(_)) = incoming.message().await {}
}
