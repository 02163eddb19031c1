//! Outbound HTTP: an exchange whose body is read piece by piece, and the small exchange on top that reads it whole.

use std::time::Duration;

use zeroize::Zeroizing;

use super::HttpError;
use crate::Sensitive;
use crate::limits::HTTP_BODY_BYTES_MAX;

/// An HTTP method that engines use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    /// GET.
    Get,
    /// POST.
    Post,
    /// DELETE.
    Delete,
}

/// One outbound request.
#[derive(Debug)]
pub struct HttpRequest {
    /// Method.
    pub method: HttpMethod,
    /// `https://host` or `https://host:port`, without path.
    pub origin: String,
    /// Path and query, with leading slash, already escaped.
    pub path_and_query: String,
    /// Sent as `Authorization: Bearer …`.
    pub bearer: Sensitive,
    /// A JSON body.
    pub body: Option<Vec<u8>>,
    /// Bound on the wait for the head of the answer, and on each wait between two reads of its body.
    pub timeout: Duration,
    /// Bound on the whole exchange, so that a body that trickles in for ever ends.
    pub total_timeout: Duration,
}

/// The answer to an outbound request.
#[derive(Debug)]
pub struct HttpResponse<Body = Sensitive<Vec<u8>>> {
    /// Status code.
    pub status: u16,
    /// `Retry-After` as sent, where it was.
    pub retry_after: Option<String>,
    /// The upstream's request identifier for the log, where it sent one.
    pub upstream_request_id: Option<String>,
    /// `Date` as sent, where it was; shows clock skew.
    pub date: Option<String>,
    /// The whole body, or the body that is still to be read. A body may hold secrets.
    pub body: Body,
}

/// An answer of which only the head has been read. Dropping the answer drops the exchange.
pub type StreamedResponse<'a> = HttpResponse<Box<dyn HttpBody + 'a>>;

/// The body of an answer, read piece by piece.
pub trait HttpBody {
    /// Waits for the next piece of the body; an empty piece is its end.
    fn read(&mut self) -> Result<Sensitive<Vec<u8>>, HttpError>;
}

impl<Body> HttpResponse<Body> {
    /// The same answer with another body, made from this one.
    pub fn map_body<Other>(self, change: impl FnOnce(Body) -> Other) -> HttpResponse<Other> {
        let Self { status, retry_after, upstream_request_id, date, body } = self;
        HttpResponse { status, retry_after, upstream_request_id, date, body: change(body) }
    }
}

impl StreamedResponse<'_> {
    /// Reads the body to its end, if it has at most `bytes_max` bytes.
    ///
    /// # Errors
    /// [`HttpError::TooLarge`] for a larger body, and what [`HttpBody::read`] fails with.
    pub fn read_whole(mut self, bytes_max: usize) -> Result<HttpResponse, HttpError> {
        let mut whole = Zeroizing::new(Vec::new());
        loop {
            let piece = self.body.read()?;
            let bytes = piece.expose().len();
            if bytes == 0 {
                return Ok(self.map_body(|_| Sensitive::new(std::mem::take(&mut *whole))));
            }
            if whole.len() + bytes > bytes_max {
                return Err(HttpError::TooLarge);
            }
            if whole.capacity() < whole.len() + bytes {
                // A vector that grows by itself leaves a copy of its bytes behind, which nobody clears.
                let mut longer = Zeroizing::new(Vec::with_capacity((2 * whole.len()).max(whole.len() + bytes)));
                longer.extend_from_slice(&whole);
                whole = longer;
            }
            whole.extend_from_slice(piece.expose());
        }
    }
}

/// Outbound HTTP.
pub trait Http {
    /// Sends a request and waits for the head of the answer. Redirects are answers, not followed.
    fn exchange(&self, request: HttpRequest) -> Result<StreamedResponse<'_>, HttpError>;
    /// Does the egress policy allow this origin? The error is a sentence for the operator.
    fn check_origin(&self, origin: &str) -> Result<(), String>;
    /// Sends a request and reads the whole answer, which must be small.
    fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.exchange(request)?.read_whole(HTTP_BODY_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    struct Pieces(Vec<Result<&'static str, HttpError>>);

    impl HttpBody for Pieces {
        fn read(&mut self) -> Result<Sensitive<Vec<u8>>, HttpError> {
            if self.0.is_empty() {
                return Ok(Sensitive::new(Vec::new()));
            }
            self.0.remove(0).map(|text| Sensitive::new(text.as_bytes().to_vec()))
        }
    }

    fn answer(pieces: &[Result<&'static str, HttpError>]) -> StreamedResponse<'static> {
        let body: Box<dyn HttpBody> = Box::new(Pieces(pieces.to_vec()));
        HttpResponse { status: 200, retry_after: None, upstream_request_id: None, date: None, body }
    }

    #[test]
    fn a_body_is_joined_from_its_pieces() {
        let whole = answer(&[Ok("ab"), Ok("c"), Ok("def")]).read_whole(6).unwrap();
        assert_eq!(whole.body.expose(), b"abcdef");
        assert!(answer(&[]).read_whole(0).unwrap().body.expose().is_empty());
    }

    #[test]
    fn a_body_over_the_limit_is_refused() {
        assert_eq!(answer(&[Ok("abc")]).read_whole(2).unwrap_err(), HttpError::TooLarge);
        assert_eq!(answer(&[Ok("ab"), Ok("c")]).read_whole(2).unwrap_err(), HttpError::TooLarge);
    }

    #[test]
    fn a_body_that_breaks_off_is_no_body() {
        assert_eq!(answer(&[Ok("ab"), Err(HttpError::TimedOut)]).read_whole(9).unwrap_err(), HttpError::TimedOut);
    }
}
