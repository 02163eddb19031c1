//! A message body whose first frame was read ahead.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The length of a gRPC message in the five bytes before the message: a flag, and a number of 32 bits.
const PREFIX_LENGTH: std::ops::Range<usize> = 1..5;

/// A body with its first frame, which comes out first.
pub(crate) struct FirstFrame<B: Body> {
    first: Option<Result<Frame<B::Data>, B::Error>>,
    rest: B,
}

impl<B: Body<Data = Bytes> + Unpin> FirstFrame<B> {
    /// A body of which nothing was read ahead.
    pub(crate) fn unread(rest: B) -> Self {
        Self { first: None, rest }
    }

    /// Waits for the first frame.
    pub(crate) async fn read(mut rest: B) -> Self {
        let first = poll_fn(|context| Pin::new(&mut rest).poll_frame(context)).await;
        Self { first, rest }
    }

    /// Bytes of the first gRPC message. `None` if the first frame does not say: peers send the length in one frame.
    pub(crate) fn message_bytes(&self) -> Option<usize> {
        let frame = self.first.as_ref()?.as_ref().ok()?;
        let length = frame.data_ref()?.get(PREFIX_LENGTH)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(length)).ok()
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for FirstFrame<B>
where
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    /// Nobody asks for the length of a gRPC body.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use super::*;

    /// Frames that are there already.
    struct Frames(VecDeque<Frame<Bytes>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }
    }

    fn frames(frames: &[&'static [u8]]) -> Frames {
        Frames(frames.iter().map(|bytes| Frame::data(Bytes::from_static(bytes))).collect())
    }

    #[tokio::test]
    async fn the_length_of_a_message_stands_in_its_first_frame() {
        let rows: [(&[&'static [u8]], Option<usize>); 4] = [
            (&[b"\0\0\x01\0\0message"], Some(65_536)),
            (&[b"\0\0\0\0\0"], Some(0)),
            (&[b"\0\0\0", b"\0\0"], None),
            (&[], None),
        ];
        for (sent, expected) in rows {
            assert_eq!(FirstFrame::read(frames(sent)).await.message_bytes(), expected, "{sent:?}");
        }
    }

    #[tokio::test]
    async fn all_frames_come_out_in_order() {
        let mut body = FirstFrame::read(frames(&[b"one", b"two"])).await;
        for expected in ["one", "two"] {
            assert!(!body.is_end_stream());
            let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), expected);
        }
        assert!(body.is_end_stream());
        assert!(poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.is_none());
    }
}
