//! One connection: requests in, answers out, until either side ends it.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::control;
use crate::exchange::{Exchange, Origin};
use crate::faults::draw;
use crate::framing::{NoRequest, Reader, Request};
use crate::hub::Hub;
use crate::play::{After, Transport, play};

/// Longest wait for a client to read what is left and to close: a client on this machine takes milliseconds.
const CLIENT_CLOSE_MAX: Duration = Duration::from_secs(5);

/// Serves one connection to its end, or until all connections are to be dropped.
pub(crate) async fn serve(tcp: TcpStream, tls: Option<TlsAcceptor>, hub: Arc<Hub>, origin: Origin) {
    let mut dropped = hub.drop_connections.subscribe();
    dropped.mark_unchanged();
    // Declared before what holds the socket, so that 0 open connections means 0 open sockets.
    let _counted = hub.connections.open();
    let mut tcp = tcp;
    let serving = async {
        hold_back(&hub).await;
        match tls {
            None => requests(&mut tcp, &hub, origin).await,
            Some(acceptor) => match acceptor.accept(&mut tcp).into_fallible().await {
                Ok(mut stream) => requests(&mut stream, &hub, origin).await,
                Err((_, tcp)) => close_with_client(tcp).await,
            },
        }
    };
    tokio::select! {
        // A request that comes after the drop must not be served.
        biased;
        _changed = dropped.changed() => {}
        () = serving => return,
    }
    // Until the client knows, it may send a request whose answer it loses.
    close_with_client(&mut tcp).await;
}

/// Ends a connection of which nothing more is served, and waits for the client to close it, too. Whatever the client has sent
/// is read: if that stayed unread, the close would be an RST, which may overtake the alert with the reason why a handshake
/// failed.
async fn close_with_client(tcp: &mut TcpStream) {
    let _gone = tcp.shutdown().await;
    let _gone = tokio::time::timeout(CLIENT_CLOSE_MAX, tokio::io::copy(tcp, &mut tokio::io::sink())).await;
}

async fn requests<S: Transport>(stream: &mut S, hub: &Hub, origin: Origin) {
    let mut reader = Reader::default();
    loop {
        let request = match reader.request(stream).await {
            Ok(request) => request,
            Err(NoRequest::Gone) => return,
            Err(NoRequest::Bad { status, problem }) => {
                hub.state().records.violation(0, format!("bad framing: {problem}"));
                let refusal =
                    format!("HTTP/1.1 {status} Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                // The connection ends here in any case.
                let _gone = stream.write_all(refusal.as_bytes()).await;
                let _gone = stream.shutdown().await;
                return;
            }
        };
        // After a fault the socket is dropped as the fault left it: a shutdown would say FIN
        // where the fault is an RST.
        if !answer(stream, hub, &request, origin).await {
            return;
        }
        if !request.keep_alive {
            let _gone = stream.shutdown().await;
            return;
        }
    }
}

/// Answers one request; false when the connection is to end.
async fn answer<S: Transport>(stream: &mut S, hub: &Hub, request: &Request, origin: Origin) -> bool {
    if control::is_control(&request.path) {
        let bytes = control::handle(hub, request);
        return stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok();
    }
    let exchange = Exchange::begin(hub, request, origin);
    match play(stream, &exchange).await {
        After::KeepAlive => true,
        After::Close => false,
        After::Lost => {
            exchange.lost(hub);
            false
        }
    }
}

/// The delay on connect. The kernel has completed the TCP connect by then: what a client sees is
/// a connection on which nothing moves, TLS handshakes included.
async fn hold_back(hub: &Hub) {
    let wait_ms = {
        let mut state = hub.state();
        let (from, to) = state.connect_delay_ms;
        draw(&mut state.world.noise, from, to)
    };
    if wait_ms > 0 {
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    }
}
