//! Sends one request: policy, body, a place, a connection, the head of the answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout_at};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::access::{Access, may_stand_for_another};
use super::body::{AnswerBody, collect, fields_memory, header_bytes, no_room};
use super::connect_error::ConnectError;
use super::egress_log::Subject;
use super::failure::Failure;
use super::hooks::Alive;
use super::origin::{HOST_BYTES_MAX, Scheme};
use super::pool::{MountEgress, answer_window};
use super::progress::Progress;
use super::sealed_body::SealedBody;
use super::upstream_error::{of_connect, of_send};
use crate::limits::EgressLimits;
use crate::memory_account::Account;
use crate::surrogates::Surrogates;

/// Times of one exchange: the guest's wishes, the limits, and the rest of the guest's own request.
struct Times {
    connect: Duration,
    first_byte: Duration,
    between_bytes: Duration,
    ends: Instant,
}

impl Times {
    fn new(wish: RequestOptions, limits: &EgressLimits, deadline: Instant) -> Self {
        let least = |wish: Option<Duration>, limit: Duration| wish.map_or(limit, |wish| wish.min(limit));
        Self {
            connect: least(wish.connect_timeout, limits.connect_timeout),
            first_byte: least(wish.first_byte_timeout, limits.first_byte_timeout),
            between_bytes: least(wish.between_bytes_timeout, limits.between_bytes_timeout),
            ends: deadline.min(Instant::now() + limits.total_timeout),
        }
    }
}

/// The sender of a request, and what it may do.
pub(crate) struct Sender<'a> {
    pub(crate) egress: &'a MountEgress,
    pub(crate) access: Access,
    /// Path of the mount, for the log.
    pub(crate) mount: &'a str,
    pub(crate) alive: &'a Alive,
    pub(crate) surrogates: &'a Surrogates,
    pub(crate) account: &'a Account,
}

/// Sends one request of a guest.
///
/// # Errors
/// As `upstream_error` describes.
pub(crate) async fn send(
    sender: &Sender<'_>,
    request: Request<WasiBody>,
    wish: RequestOptions,
    deadline: Instant,
) -> Result<Response<WasiBody>, Error> {
    let limits = &sender.egress.shared.limits;
    let times = Times::new(wish, limits, deadline);
    let began = Instant::now();
    // The host is the guest's own text, so its length is limited.
    let host: String = request.uri().host().unwrap_or_default().chars().take(HOST_BYTES_MAX).collect();
    let port = request.uri().port_u16();
    let method = request.method().clone();
    let exchanged = exchange(sender, request, &times).await;
    let status = exchanged.as_ref().ok().map(|answer| answer.status().as_u16());
    sender.egress.calls.count(&method, status, began.elapsed());
    match exchanged {
        Ok(answer) => {
            let elapsed_ms = began.elapsed().as_millis();
            tracing::debug!(host, status = answer.status().as_u16(), elapsed_ms, "outbound request answered");
            Ok(answer)
        }
        Err(failure) => {
            sender.egress.log.failed(&Subject { mount: sender.mount, host: &host, port }, &failure);
            Err(failure.code())
        }
    }
}

/// Checks that the request may be sent at all.
fn check(egress: &MountEgress, request: &Request<WasiBody>) -> Result<(), Failure> {
    let uri = request.uri();
    let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
    if authority.as_str().contains('@') {
        return Err(Error::HttpRequestUriInvalid.into());
    }
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Error::HttpRequestMethodInvalid.into());
    }
    let limits = &egress.shared.limits;
    let bytes = uri.path_and_query().map_or(0, |path| path.as_str().len());
    if bytes > limits.header_bytes_max {
        return Err(Error::HttpRequestUriTooLong.into());
    }
    let scheme = uri.scheme_str().unwrap_or_default();
    if egress.policy.destination(scheme, authority.host(), authority.port_u16()).is_none() {
        // The scheme is the guest's own text. It is shown only if it is a known one.
        let scheme = Scheme::parse(scheme).map_or("this scheme", Scheme::name);
        let reason = format!("the egress policy does not allow {scheme} to this host and port");
        return Err(Failure::Refused(Error::HttpRequestDenied, reason));
    }
    Ok(())
}

async fn exchange(
    sender: &Sender<'_>,
    request: Request<WasiBody>,
    times: &Times,
) -> Result<Response<WasiBody>, Failure> {
    let (egress, limits) = (sender.egress, &sender.egress.shared.limits);
    // Before the body is collected, and again with the body.
    sender.access.check(request.method(), request.headers(), &[])?;
    check(egress, &request)?;
    let (mut head, body) = request.into_parts();
    let declared = declared_length(&head.headers);
    let body = timeout_at(times.ends, collect(body, limits.request_body_bytes_max, declared, sender.account)).await;
    let body = body.map_err(|_| Error::ConnectionWriteTimeout)??;
    if !sender.alive.is_so() {
        return Err(Error::HttpProtocolError.into());
    }
    sender.access.check(&head.method, &head.headers, &body)?;
    sender.surrogates.check("the body of a request", [&*body])?;
    let disguised = may_stand_for_another(&head.method, &head.headers, &body);
    let answered = sender.surrogates.open_head(&mut head, disguised)?;
    // The client writes both headers: the host from the checked address, the length from the collected body.
    head.headers.remove(header::HOST);
    head.headers.remove(header::CONTENT_LENGTH);
    let request = Request::from_parts(head, Full::new(body));

    let connect_by = times.ends.min(Instant::now() + times.connect);
    let place = place(egress, connect_by).await?;
    // If there is no memory for the answer, the request must not be sent.
    let mut window = sender.account.take(answer_window(Version::HTTP_2, limits))?;
    let sealed_place = answered.is_some().then(|| SealedBody::place(sender.account)).transpose()?;
    let answer = answer_head(egress, request, times, connect_by).await?;
    let bytes = header_bytes(answer.headers());
    if bytes > limits.header_bytes_max {
        return Err(Error::HttpResponseHeaderSectionSize(u32::try_from(bytes).ok()).into());
    }
    sender.account.keep(fields_memory(answer.headers())).map_err(no_room)?;
    // A smaller size, so it always fits.
    let _ = window.resize(answer_window(answer.version(), limits));
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Error::HttpUpgradeFailed.into());
    }
    let mut answer = answer
        .map(|body| AnswerBody::new(body, limits, times.between_bytes, times.ends, sender.account, (place, window)));
    let (Some(call), Some(held)) = (answered, sealed_place) else { return Ok(answer.map(BodyExt::boxed_unsync)) };
    // A surrogate may take fewer characters than its value.
    answer.headers_mut().remove(header::CONTENT_LENGTH);
    let surrogates = sender.surrogates.clone();
    Ok(answer.map(|body| SealedBody::new(body, call, surrogates, held).boxed_unsync()))
}

/// The length of the body, as the guest declares it. `wasmtime-wasi-http` refuses a body of another length.
fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Waits for a place among the mount's requests.
async fn place(egress: &MountEgress, until: Instant) -> Result<OwnedSemaphorePermit, Failure> {
    match timeout_at(until, Arc::clone(&egress.requests).acquire_owned()).await {
        Ok(Ok(place)) => Ok(place),
        Ok(Err(_)) | Err(_) => {
            let reason = "as many requests as the mount may send at once stayed unanswered".to_owned();
            Err(Failure::NotConnected(Error::ConnectionLimitReached, reason))
        }
    }
}

/// Waits for a connection, before which nothing is sent, and then for the head of the answer.
async fn answer_head(
    egress: &MountEgress,
    mut request: Request<Full<Bytes>>,
    times: &Times,
    connect_by: Instant,
) -> Result<Response<Incoming>, Failure> {
    let mut connection = capture_connection(&mut request);
    let progress = Progress::new();
    let mut answer = std::pin::pin!(progress.scope(egress.request(request)));
    tokio::select! {
        biased;
        answered = &mut answer => return answered.map_err(|error| of_send(&error)),
        () = connected(&mut connection) => {}
        () = sleep_until(connect_by) => return Err(of_connect(&ConnectError::TimedOut(progress.phase()))),
    }
    let answer_by = times.ends.min(Instant::now() + times.first_byte);
    match timeout_at(answer_by, answer).await {
        Ok(answered) => answered.map_err(|error| of_send(&error)),
        Err(_) => Err(Error::HttpResponseTimeout.into()),
    }
}

async fn connected(connection: &mut CaptureConnection) {
    // If the sender is dropped without a connection, the answer is an error and already available.
    if connection.wait_for_connection_metadata().await.is_none() {
        std::future::pending::<()>().await;
    }
}
