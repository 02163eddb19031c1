//! Bodies of outbound requests and answers, with limits of size and time.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error, WasiBody};

use super::failure::Failure;
use super::upstream_error::of_hyper;
use crate::limits::{EgressLimits, TEXT_FRAME_BYTES};
use crate::memory_account::{Account, Held, MemoryLimit};

/// Reads a request's whole body before anything is sent, so that an unfinished request is never sent. Reserves the
/// memory before it reads: all of it if the head states the length.
///
/// # Errors
/// When the body is too large, the memory is not available, or the guest gave the body up.
pub(crate) async fn collect(
    mut body: WasiBody,
    bytes_max: usize,
    declared: Option<usize>,
    account: &Account,
) -> Result<Bytes, Failure> {
    let capacity = declared.unwrap_or_default().min(bytes_max);
    let mut held = account.take(capacity)?;
    let mut collected = Vec::with_capacity(capacity);
    while let Some(frame) = body.frame().await {
        // Trailers of a request are dropped: no upstream of ours reads any.
        let Ok(data) = frame?.into_data() else { continue };
        let bytes = collected.len() + data.remaining();
        if bytes > bytes_max {
            return Err(Error::HttpRequestBodySize(Some(bytes_max as u64)).into());
        }
        if bytes > collected.capacity() {
            let capacity = (2 * bytes).min(bytes_max);
            held.resize(capacity)?;
            collected.reserve_exact(capacity - collected.len());
        }
        collected.extend_from_slice(&data);
    }
    Ok(held_bytes(collected, held))
}

/// Bytes that keep their memory reserved as long as a clone exists.
pub(crate) fn held_bytes(bytes: impl AsRef<[u8]> + Send + 'static, held: Held) -> Bytes {
    struct Owner<T>(T, #[expect(dead_code, reason = "held for its drop")] Held);
    impl<T: AsRef<[u8]>> AsRef<[u8]> for Owner<T> {
        fn as_ref(&self) -> &[u8] {
            self.0.as_ref()
        }
    }
    Bytes::from_owner(Owner(bytes, held))
}

/// Bytes of memory of header fields.
pub(crate) fn fields_memory(headers: &HeaderMap) -> usize {
    header_bytes(headers) + headers.len() * TEXT_FRAME_BYTES
}

/// Bytes of the names and values.
pub(crate) fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// The error for a guest whose request was sent and whose answer has no memory.
pub(crate) fn no_room(limit: MemoryLimit) -> Error {
    Error::InternalError(Some(format!("the request met its limit of {limit}")))
}

/// The body of an answer. Keeps the request's place, and the memory of received and unread bytes, until it is read or
/// dropped.
pub(crate) struct AnswerBody {
    incoming: Incoming,
    bytes_left: usize,
    bytes_max: usize,
    header_bytes_max: usize,
    between_bytes: Duration,
    quiet_until: Pin<Box<Sleep>>,
    ends: Pin<Box<Sleep>>,
    account: Account,
    _place: (OwnedSemaphorePermit, Held),
}

impl AnswerBody {
    pub(crate) fn new(
        incoming: Incoming,
        limits: &EgressLimits,
        between_bytes: Duration,
        ends: Instant,
        account: &Account,
        place: (OwnedSemaphorePermit, Held),
    ) -> Self {
        Self {
            incoming,
            bytes_left: limits.response_body_bytes_max,
            bytes_max: limits.response_body_bytes_max,
            header_bytes_max: limits.header_bytes_max,
            between_bytes,
            quiet_until: Box::pin(tokio::time::sleep(between_bytes)),
            ends: Box::pin(tokio::time::sleep_until(ends)),
            account: account.clone(),
            _place: place,
        }
    }

    fn count(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Error> {
        if let Some(data) = frame.data_ref() {
            let Some(left) = self.bytes_left.checked_sub(data.len()) else {
                return Err(Error::HttpResponseBodySize(Some(self.bytes_max as u64)));
            };
            self.bytes_left = left;
        } else if let Some(trailers) = frame.trailers_ref() {
            if header_bytes(trailers) > self.header_bytes_max {
                return Err(Error::HttpResponseTrailerSectionSize(u32::try_from(self.header_bytes_max).ok()));
            }
            self.account.keep(fields_memory(trailers)).map_err(no_room)?;
        }
        Ok(frame)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // Checked first: an upstream that always has one more byte must not delay the end.
        if self.ends.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(Error::HttpResponseTimeout)));
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Ok(frame))) => {
                let until = Instant::now() + self.between_bytes;
                self.quiet_until.as_mut().reset(until);
                Poll::Ready(Some(self.count(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(of_hyper(&error)))),
            Poll::Pending => {
                ready!(self.quiet_until.as_mut().poll(cx));
                Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
