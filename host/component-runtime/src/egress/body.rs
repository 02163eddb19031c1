//! Bodies of outbound requests and of their answers, within bounds of size and time.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error, WasiBody};

use super::upstream_error::of_hyper;
use crate::limits::EgressLimits;

/// Takes a request's body whole, so that nothing is sent of a request whose guest does not finish it.
///
/// # Errors
/// When it is too large, or the guest gave it up.
pub(crate) async fn collect(mut body: WasiBody, bytes_max: usize) -> Result<Bytes, Error> {
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers of a request are dropped: none of our upstreams reads any.
        let Ok(data) = frame?.into_data() else { continue };
        if collected.len() + data.remaining() > bytes_max {
            return Err(Error::HttpRequestBodySize(Some(bytes_max as u64)));
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}

/// Bytes of names and values.
pub(crate) fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// The body of an answer. Holds the request's place until it is read or dropped.
pub(crate) struct AnswerBody {
    incoming: Incoming,
    bytes_left: usize,
    bytes_max: usize,
    header_bytes_max: usize,
    between_bytes: Duration,
    quiet_until: Pin<Box<Sleep>>,
    ends: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl AnswerBody {
    pub(crate) fn new(
        incoming: Incoming,
        limits: &EgressLimits,
        between_bytes: Duration,
        ends: Instant,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            incoming,
            bytes_left: limits.response_body_bytes_max,
            bytes_max: limits.response_body_bytes_max,
            header_bytes_max: limits.header_bytes_max,
            between_bytes,
            quiet_until: Box::pin(tokio::time::sleep(between_bytes)),
            ends: Box::pin(tokio::time::sleep_until(ends)),
            _place: place,
        }
    }

    fn count(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Error> {
        if let Some(data) = frame.data_ref() {
            let Some(left) = self.bytes_left.checked_sub(data.len()) else {
                return Err(Error::HttpResponseBodySize(Some(self.bytes_max as u64)));
            };
            self.bytes_left = left;
        } else if frame.trailers_ref().is_some_and(|trailers| header_bytes(trailers) > self.header_bytes_max) {
            return Err(Error::HttpResponseTrailerSectionSize(u32::try_from(self.header_bytes_max).ok()));
        }
        Ok(frame)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // Checked first: an upstream that always has one more byte must not outrun the end.
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
