//! Plays a script on a connection: waits, writes, resets, closes. Every wait ends when the client
//! goes away.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::exchange::Exchange;
use crate::limits::HANG_MS_MAX;
use crate::script::Script;

/// A byte stream over TCP, with or without TLS.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

/// How the connection goes on after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request may come.
    KeepAlive,
    /// The connection is to be dropped.
    Close,
    /// The connection is to be dropped; the client went away before the answer was written.
    Lost,
}

pub(crate) async fn play<S: Transport>(stream: &mut S, exchange: &Exchange) -> After {
    if exchange.delay_ms > 0 && !wait(stream, exchange.delay_ms).await {
        return After::Lost;
    }
    let after = match &exchange.script {
        Script::Send(bytes) => send(stream, bytes, exchange.drip_ms, After::KeepAlive).await,
        Script::SendThenClose(bytes) => send(stream, bytes, exchange.drip_ms, After::Close).await,
        Script::SendThenReset(bytes) => {
            let after = send(stream, bytes, exchange.drip_ms, After::Close).await;
            reset_on_drop(stream);
            after
        }
        Script::Reset => {
            reset_on_drop(stream);
            After::Close
        }
        Script::Hang => {
            wait(stream, HANG_MS_MAX).await;
            After::Close
        }
        Script::HalfClose => {
            // The client may have gone already; then there is nothing to close.
            let _gone = stream.shutdown().await;
            read_until_closed(stream).await;
            After::Close
        }
    };
    match (after, exchange.close_idle_ms) {
        (After::KeepAlive, Some(after_ms)) => {
            sleep(Duration::from_millis(after_ms)).await;
            After::Close
        }
        (after, _) => after,
    }
}

async fn send<S: Transport>(stream: &mut S, bytes: &[u8], drip_ms: Option<u64>, then: After) -> After {
    let written = match drip_ms {
        None => write(stream, bytes).await,
        Some(interval_ms) => drip(stream, bytes, interval_ms).await,
    };
    if written { then } else { After::Lost }
}

async fn write<S: Transport>(stream: &mut S, bytes: &[u8]) -> bool {
    stream.write_all(bytes).await.is_ok() && stream.flush().await.is_ok()
}

async fn drip<S: Transport>(stream: &mut S, bytes: &[u8], interval_ms: u64) -> bool {
    for byte in bytes.chunks(1) {
        if !write(stream, byte).await || !wait(stream, interval_ms).await {
            return false;
        }
    }
    true
}

/// Waits so long; false as soon as the client has gone.
async fn wait<S: Transport>(stream: &S, milliseconds: u64) -> bool {
    tokio::select! {
        () = sleep(Duration::from_millis(milliseconds)) => true,
        () = closed(stream.tcp()) => false,
    }
}

/// Ends when the client closes or resets. Bytes that came ahead hide a later end.
async fn closed(tcp: &TcpStream) {
    let mut byte = [0];
    match tcp.peek(&mut byte).await {
        Ok(0) | Err(_) => {}
        Ok(_) => std::future::pending().await,
    }
}

async fn read_until_closed<S: Transport>(stream: &mut S) {
    let mut rest = [0; 1024];
    let reading = async { while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {} };
    let _bound = tokio::time::timeout(Duration::from_millis(HANG_MS_MAX), reading).await;
}

/// Makes the drop of the connection an RST: what was not read yet is lost to the client.
fn reset_on_drop<S: Transport>(stream: &S) {
    // Fails only where the socket has gone, and with it the client.
    let _gone = stream.tcp().set_zero_linger();
}
