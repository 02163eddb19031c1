//! The life of a plugin process, from handshake to exit.

use std::future::Future;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use thiserror::Error as ThisError;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tracing::level_filters::LevelFilter;

use crate::backend_server::BackendServer;
use crate::broker::Broker;
use crate::exit::{Exit, ExitReason};
use crate::factory::FactoryCell;
use crate::go_plugin::GoPlugin;
use crate::grpc_server::{self, Services, ServicesBuilder};
use crate::handshake::{self, Environment, Refusal};
use crate::limits::{EXIT_GRACE, MESSAGE_BYTES_MAX, TIMER_PERIOD, WATCHDOG};
use crate::mtls::Identity;
use crate::socket::{Socket, SocketError, remove_abandoned};
use crate::wire::health::health_server::HealthServer;
use crate::wire::logical::plugin_version_server::PluginVersionServer;
use crate::wire::multiplexing::plugin_multiplexing_server::PluginMultiplexingServer;
use crate::wire::pb::backend_server::BackendServer as BackendService;
use crate::wire::plugin::grpc_broker_server::GrpcBrokerServer;
use crate::wire::plugin::grpc_controller_server::GrpcControllerServer;
use crate::wire::plugin::grpc_stdio_server::GrpcStdioServer;
use crate::{Factory, hclog, incoming, task};

/// How a plugin process runs.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The program's name, for a person who starts the program by hand.
    pub program: &'static str,
    /// The level from which log lines are written.
    pub log_level: LevelFilter,
}

/// Why the process could not begin to serve.
#[derive(Debug, ThisError)]
enum StartError {
    #[error("failed to make the plugin's certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("failed to set TLS up: {0}")]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("failed to handle signals: {0}")]
    Signal(std::io::Error),
    #[error("failed to write the handshake line to stdout: {0}")]
    Stdout(std::io::Error),
}

/// Serves until the server stops the plugin or goes away. First checks the environment of the handshake, then makes the
/// hclog writer on stderr the `tracing` subscriber, and only then calls `factory`: a start by hand, or the server's
/// probe for a database plugin, costs nothing. Needs a multi-thread tokio runtime with time and I/O.
///
/// `factory` runs on a thread of its own while the server connects. If `factory` fails, the log has its error, and every
/// setup answers with the error.
///
/// Calls may still be running when this function returns: end the runtime with `shutdown_background`, as a drop of the
/// runtime would wait for them.
pub async fn serve<F: Factory>(
    options: ServeOptions,
    factory: impl FnOnce() -> Result<Arc<F>, String> + Send + 'static,
) -> ExitCode {
    serve_watched(options, WATCHDOG, factory).await
}

/// As [`serve`], with another time until the server has to use the plugin.
pub(crate) async fn serve_watched<F: Factory>(
    options: ServeOptions,
    watchdog: Duration,
    factory: impl FnOnce() -> Result<Arc<F>, String> + Send + 'static,
) -> ExitCode {
    let environment = match Environment::from_process() {
        Ok(environment) => environment,
        Err(refusal) => return refuse(&refusal, &options),
    };
    let log = hclog::install(options.log_level);
    let outcome = run(environment, watchdog, factory).await;
    let code = match outcome {
        Ok(reason) => {
            tracing::info!(reason = reason.describe(), "the plugin process ends");
            ExitCode::from(u8::from(reason == ExitReason::NeverUsed))
        }
        Err(error) => {
            tracing::error!(%error, "the plugin process failed to serve");
            ExitCode::FAILURE
        }
    };
    log.flush();
    code
}

/// Writes why the process does not serve, in the form for the server or for a person.
fn refuse(refusal: &Refusal, options: &ServeOptions) -> ExitCode {
    let told = refusal.plain_text(options.program).map(String::into_bytes);
    let logged = refusal.log_text().map(|text| hclog::error_line(module_path!(), &text));
    if let Some(text) = told.or(logged) {
        // An error on stderr has no other place to go.
        drop(std::io::stderr().lock().write_all(&text));
    }
    if let Some(line) = refusal.line() {
        drop(handshake::print(&line));
    }
    ExitCode::FAILURE
}

/// Handshakes, serves, and returns why the process has to end.
async fn run<F: Factory>(
    environment: Environment,
    watchdog: Duration,
    factory: impl FnOnce() -> Result<Arc<F>, String> + Send + 'static,
) -> Result<ExitReason, StartError> {
    let identity = Identity::generate()?;
    let tls = Tls::new(&identity, environment.server_certificate)?;
    let socket = Socket::bind(environment.socket_directory.as_deref(), environment.socket_group.as_deref())?;
    let exit = Exit::new();
    handle_signals(&exit)?;
    handshake::print(&handshake::line(&socket.file, identity.certificate())).map_err(StartError::Stdout)?;

    // After the line: nothing else may delay the handshake.
    let factory = FactoryCell::make(factory);
    let broker = Broker::new(exit.clone());
    let backend = BackendServer::new(factory, broker.clone(), tls.connector, environment.metadata_mode);
    task::spawn(watch(broker.clone(), exit.clone(), watchdog));
    task::spawn(remove_abandoned(socket.file.to_path_buf(), SystemTime::now()));

    task::spawn(keep_timer_set(exit.clone()));
    let services = services(backend, broker, GoPlugin::new(exit.clone()));
    let connections = incoming::accept(socket.listener, tls.acceptor);
    Ok(serve_until(grpc_server::serve(services, connections, ended(exit.clone())), &exit).await)
}

/// TLS for both directions.
struct Tls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl Tls {
    fn new(identity: &Identity, server: CertificateDer<'static>) -> Result<Self, rustls::Error> {
        Ok(Self {
            acceptor: Arc::new(identity.server_config(server.clone())?).into(),
            connector: Arc::new(identity.client_config(server)?).into(),
        })
    }
}

/// Ignores SIGINT: a terminal's Ctrl-C reaches the whole process group, and the server stops its plugins itself.
/// SIGTERM ends the process in order, so that the file of the socket is removed; the default action would leave the
/// file.
fn handle_signals(exit: &Exit) -> Result<(), StartError> {
    // A signal that was handled once stays handled for the life of the process.
    drop(signal(SignalKind::interrupt()).map_err(StartError::Signal)?);
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signal)?;
    let exit = exit.clone();
    task::spawn(async move {
        terminate.recv().await;
        exit.request(ExitReason::Terminated);
    });
    Ok(())
}

/// Ends a process that the server does not use: a server whose side of the handshake failed never ends the process.
async fn watch(broker: Broker, exit: Exit, watchdog: Duration) {
    if timeout(watchdog, broker.opened()).await.is_err() {
        exit.request(ExitReason::NeverUsed);
    }
}

/// Keeps a timer set that ends before those of requests do. A runtime whose next timer is a new one wakes the thread that
/// waits for sockets, so that the thread waits no longer than the timer: without this task, each timer of a request would
/// do this while the plugin has little to do.
async fn keep_timer_set(exit: Exit) {
    while timeout(TIMER_PERIOD, exit.requested()).await.is_err() {}
}

fn services<F: Factory>(backend: BackendServer<F>, broker: Broker, go_plugin: GoPlugin) -> Services {
    ServicesBuilder::default()
        .with_large_messages(BackendService::new(backend.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX))
        .with(PluginVersionServer::new(backend))
        .with(GrpcBrokerServer::new(broker))
        .with(GrpcControllerServer::new(go_plugin.clone()))
        .with(GrpcStdioServer::new(go_plugin.clone()))
        .with(HealthServer::new(go_plugin.clone()))
        .with(PluginMultiplexingServer::new(go_plugin))
        .build()
}

async fn ended(exit: Exit) {
    exit.requested().await;
}

/// Serves until the process has to end, and then as long as calls in progress may take.
async fn serve_until(serving: impl Future<Output = ()>, exit: &Exit) -> ExitReason {
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        reason = exit.requested() => {
            // Calls that take longer are given up.
            let _ = timeout(EXIT_GRACE, serving).await;
            reason
        }
        // Serving ends for the same reason, and may see the reason first.
        () = &mut serving => exit.reason().unwrap_or(ExitReason::ServerGone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_ends_a_process_that_is_not_used_and_no_other() {
        let exit = Exit::new();
        watch(Broker::new(exit.clone()), exit.clone(), WATCHDOG).await;
        assert_eq!(exit.reason(), Some(ExitReason::NeverUsed));

        let exit = Exit::new();
        let used = Broker::new(exit.clone());
        used.set_opened();
        watch(used, exit.clone(), WATCHDOG).await;
        assert_eq!(exit.reason(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_is_set_until_the_process_ends() {
        let exit = Exit::new();
        let set = task::spawn(keep_timer_set(exit.clone()));
        tokio::time::sleep(3 * TIMER_PERIOD).await;
        assert!(!set.is_finished());
        exit.request(ExitReason::Shutdown);
        assert!(set.await.is_ok());
    }

    #[tokio::test]
    async fn the_reason_for_the_exit_is_kept_although_serving_ends_first() {
        let exit = Exit::new();
        let serving = async { exit.request(ExitReason::NeverUsed) };
        assert_eq!(serve_until(serving, &exit).await, ExitReason::NeverUsed);
        assert_eq!(serve_until(async {}, &Exit::new()).await, ExitReason::ServerGone);
    }
}
