//! A tunnel through an HTTP proxy: `CONNECT` of RFC 9110.

use std::pin::pin;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::connect_error::ProxyFailure;
use super::policy::Destination;
use super::proxy::Proxy;
use crate::limits::{PROXY_HEAD_BYTES_MAX, PROXY_HEAD_FIELDS_MAX};

/// Asks the proxy at the other end of a stream to connect it to a destination.
///
/// # Errors
/// When the proxy did not connect. The error says why.
pub(crate) async fn tunnel(
    stream: TcpStream,
    proxy: &Proxy,
    destination: &Destination,
) -> Result<TcpStream, ProxyFailure> {
    let mut client = http1::Builder::new();
    client.max_buf_size(PROXY_HEAD_BYTES_MAX).max_headers(PROXY_HEAD_FIELDS_MAX);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.map_err(ProxyFailure::Http)?;
    let request = request(proxy, destination)?;
    let mut asking = pin!(async move {
        let answer = sender.send_request(request).await.map_err(ProxyFailure::Http)?;
        match answer.status() {
            status if status.is_success() => hyper::upgrade::on(answer).await.map_err(ProxyFailure::Http),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(ProxyFailure::Credentials),
            status => Err(ProxyFailure::Status(status.as_u16())),
        }
    });
    let upgraded = tokio::select! {
        biased;
        asked = &mut asking => asked?,
        // The connection ends with the upgrade, or its error explains why there is none.
        _ = connection.with_upgrades() => asking.await?,
    };
    whole(upgraded)
}

fn request(proxy: &Proxy, destination: &Destination) -> Result<Request<Empty<Bytes>>, ProxyFailure> {
    let target = format!("{}:{}", destination.host, destination.port);
    let mut request = Request::connect(&target).header(header::HOST, &target);
    if let Some(credentials) = proxy.authorization() {
        request = request.header(header::PROXY_AUTHORIZATION, credentials);
    }
    request.body(Empty::new()).map_err(|_| ProxyFailure::Target)
}

/// The stream of the tunnel. The destination speaks second, so bytes after the proxy's answer did not come from it.
fn whole(upgraded: Upgraded) -> Result<TcpStream, ProxyFailure> {
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().map_err(|_| ProxyFailure::Target)?;
    if parts.read_buf.is_empty() { Ok(parts.io.into_inner()) } else { Err(ProxyFailure::TooMuch) }
}
