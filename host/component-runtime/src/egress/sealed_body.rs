//! The body of an answer with secrets: read as a whole, then given to the guest with surrogates.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame};
use sealed_secrets::AnsweredCall;
use sealed_secrets::limits::SEALED_ANSWER_BYTES_MAX;
use wasmtime_wasi_http::Error;
use zeroize::Zeroizing;

use super::body::{AnswerBody, held_bytes, no_room};
use crate::memory_account::{Account, Held, MemoryLimit};
use crate::surrogates::Surrogates;

/// Gives one frame when the answer is complete. An incomplete answer gives only the error. Trailers are dropped,
/// because no declaration covers them.
pub(crate) struct SealedBody {
    answer: AnswerBody,
    call: AnsweredCall,
    surrogates: Surrogates,
    /// The collected bytes and their memory; `None` after they are given.
    collected: Option<(Zeroizing<Vec<u8>>, Held)>,
}

impl SealedBody {
    pub(crate) fn new(answer: AnswerBody, call: AnsweredCall, surrogates: Surrogates, held: Held) -> Self {
        // A buffer that grows leaves copies behind; most such answers have some hundred bytes.
        let collected = Some((Zeroizing::new(Vec::with_capacity(FIRST_BYTES)), held));
        Self { answer, call, surrogates, collected }
    }

    /// Memory for an answer of usual length, reserved before the request is sent: without memory the answer would be
    /// lost.
    ///
    /// # Errors
    /// As `Account::take`.
    pub(crate) fn place(account: &Account) -> Result<Held, MemoryLimit> {
        account.take(FIRST_BYTES)
    }

    fn collect(&mut self, mut data: Bytes) -> Result<(), Error> {
        let Some((collected, held)) = &mut self.collected else { return Ok(()) };
        let bytes = collected.len() + data.remaining();
        if bytes > SEALED_ANSWER_BYTES_MAX {
            return Err(Error::HttpResponseBodySize(Some(SEALED_ANSWER_BYTES_MAX as u64)));
        }
        if bytes > collected.capacity() {
            let capacity = (2 * bytes).min(SEALED_ANSWER_BYTES_MAX);
            held.resize(collected.capacity() + capacity).map_err(no_room)?;
            let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
            larger.extend_from_slice(collected);
            *collected = larger;
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            collected.extend_from_slice(chunk);
            let length = chunk.len();
            data.advance(length);
        }
        Ok(())
    }
}

/// Bytes that are reserved first.
const FIRST_BYTES: usize = 4 * 1024;

impl Body for SealedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        while self.collected.is_some() {
            match ready!(Pin::new(&mut self.answer).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    self.collect(data)?;
                }
                Some(Err(error)) => {
                    self.collected = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    let Some((mut collected, held)) = self.collected.take() else { break };
                    let sealed = self.surrogates.seal_answer(&self.call, &mut collected);
                    // The machine gives no random bytes, or the request has too many secrets.
                    sealed.map_err(|error| Error::InternalError(Some(error.to_string())))?;
                    return Poll::Ready(Some(Ok(Frame::data(held_bytes(collected, held)))));
                }
            }
        }
        Poll::Ready(None)
    }
}
