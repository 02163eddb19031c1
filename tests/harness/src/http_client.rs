//! A small blocking HTTP client on a runtime of its own, without TLS: the native driver reaches Astra with it, and the
//! OpenBao driver the server.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Runtime;

/// An answer with its whole body.
#[derive(Debug)]
pub struct HttpAnswer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// An answer whose body has not been read yet.
#[derive(Debug)]
pub struct HttpExchange {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    body: Incoming,
}

impl HttpExchange {
    /// Waits for the next piece of the body; an empty one is its end.
    ///
    /// # Errors
    /// When the body is late, too large or cut off.
    pub fn read(&mut self, timeout: Duration) -> Result<Bytes, HttpFailure> {
        runtime()
            .block_on(async { tokio::time::timeout(timeout, self.piece()).await.unwrap_or(Err(HttpFailure::TimedOut)) })
    }

    async fn piece(&mut self) -> Result<Bytes, HttpFailure> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| HttpFailure::Lost(error.to_string()))?;
            if let Ok(piece) = frame.into_data()
                && !piece.is_empty()
            {
                return Ok(piece);
            }
        }
        Ok(Bytes::new())
    }
}

/// A request without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpFailure {
    /// There was no connection.
    NotSent(String),
    /// The answer was late.
    TimedOut,
    /// The answer was too large.
    TooLarge,
    /// The answer was cut off.
    Lost(String),
}

/// The client. Clones share its connections.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<HttpConnector, Full<Bytes>>,
    response_bytes_max: usize,
}

impl HttpClient {
    /// A client that accepts answers up to this size.
    pub fn new(response_bytes_max: usize) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, response_bytes_max }
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<HttpAnswer, HttpFailure> {
        let request = request(method, url, headers, body)?;
        runtime().block_on(async {
            tokio::time::timeout(timeout, self.whole(request)).await.unwrap_or(Err(HttpFailure::TimedOut))
        })
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn begin(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<HttpExchange, HttpFailure> {
        let request = request(method, url, headers, body)?;
        let (head, body) = runtime()
            .block_on(async {
                tokio::time::timeout(timeout, self.answer(request)).await.unwrap_or(Err(HttpFailure::TimedOut))
            })?
            .into_parts();
        Ok(HttpExchange { status: head.status.as_u16(), headers: head.headers, body })
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<http::Response<Incoming>, HttpFailure> {
        self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                HttpFailure::NotSent(error.to_string())
            } else {
                HttpFailure::Lost(error.to_string())
            }
        })
    }

    async fn whole(&self, request: Request<Full<Bytes>>) -> Result<HttpAnswer, HttpFailure> {
        let (head, body) = self.answer(request).await?.into_parts();
        let body = Limited::new(body, self.response_bytes_max).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                HttpFailure::TooLarge
            } else {
                HttpFailure::Lost(error.to_string())
            }
        })?;
        Ok(HttpAnswer { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() })
    }
}

fn request(method: Method, url: &str, headers: HeaderMap, body: Vec<u8>) -> Result<Request<Full<Bytes>>, HttpFailure> {
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = method;
    *request.uri_mut() = url.parse().map_err(|_| HttpFailure::NotSent(format!("not a URL: {url}")))?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// The runtime for all waits of the harness.
///
/// # Panics
/// When the process cannot start more threads.
#[expect(clippy::expect_used, reason = "a test process without threads can do nothing")]
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build().expect("a runtime for tests")
    })
}
