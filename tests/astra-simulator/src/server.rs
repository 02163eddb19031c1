//! The thread that serves: a runtime of its own, a listener that can be turned off and on, and a
//! task for each connection. Ends when told to, and takes every connection with it.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::connection::serve;
use crate::exchange::Origin;
use crate::hub::Hub;
use crate::limits::CONNECTIONS_MAX;
use crate::tls::Identity;

/// A server that listens.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) thread: JoinHandle<()>,
}

/// Binds, then starts the thread; it ends when `stopped` resolves either way.
pub(crate) fn spawn(
    listen: SocketAddr,
    identity: Option<Identity>,
    hub: Arc<Hub>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<Running> {
    let listener = bind(listen)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let acceptor = identity.map(|identity| TlsAcceptor::from(identity.config));
    let thread = std::thread::Builder::new().name("astra-simulator".into()).spawn(move || {
        runtime.block_on(async {
            let mut server = Server { hub, acceptor, connections: JoinSet::new(), accepted: 0 };
            tokio::select! {
                () = server.run(listener, address) => {}
                _told = stopped => {}
            }
        });
    })?;
    Ok(Running { address, thread })
}

fn bind(address: SocketAddr) -> io::Result<StdListener> {
    // The standard library sets SO_REUSEADDR, so that the port can be taken again at once.
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

struct Server {
    hub: Arc<Hub>,
    acceptor: Option<TlsAcceptor>,
    connections: JoinSet<()>,
    accepted: u64,
}

impl Server {
    /// Serves while the listener is on, waits while it is off. Ends only with the runtime.
    async fn run(&mut self, first: StdListener, address: SocketAddr) {
        let mut wanted = self.hub.listener.wanted();
        let mut next = Some(first);
        loop {
            let Some(listener) = next.take().or_else(|| bind(address).ok()) else {
                tokio::time::sleep(BIND_RETRY).await;
                continue;
            };
            let Ok(listener) = TcpListener::from_std(listener) else { continue };
            self.hub.listener.taken(true);
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        if let Ok((tcp, peer)) = accepted {
                            self.accept(tcp, peer);
                        }
                    }
                    Some(_ended) = self.connections.join_next() => {}
                    _changed = wanted.changed() => {
                        if !*wanted.borrow_and_update() {
                            break;
                        }
                    }
                }
            }
            drop(listener);
            self.hub.listener.taken(false);
            while !*wanted.borrow_and_update() {
                tokio::select! {
                    changed = wanted.changed() => if changed.is_err() { return },
                    Some(_ended) = self.connections.join_next() => {}
                }
            }
        }
    }

    fn accept(&mut self, tcp: TcpStream, peer: SocketAddr) {
        if self.connections.len() >= CONNECTIONS_MAX || tcp.set_nodelay(true).is_err() {
            return;
        }
        self.accepted += 1;
        let origin = Origin { connection: self.accepted, address: peer.ip() };
        let serving = serve(tcp, self.acceptor.clone(), Arc::clone(&self.hub), origin);
        self.connections.spawn(serving);
    }
}

/// Between two tries to take the port again, in case another process holds it for a moment.
const BIND_RETRY: Duration = Duration::from_millis(20);
