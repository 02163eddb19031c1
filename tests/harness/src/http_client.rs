//! A small blocking HTTP client on a runtime of its own: the native driver's
//! way to Astra and the OpenBao driver's way to the server. Plain HTTP only.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Runtime;

/// An answer, read to its end.
#[derive(Debug)]
pub struct HttpAnswer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpFailure {
    /// No connection was had.
    NotSent(String),
    /// Not in time.
    TimedOut,
    /// Larger than allowed.
    TooLarge,
    /// Cut off.
    Lost(String),
}

/// The client. Clones share its connections.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<HttpConnector, Full<Bytes>>,
    response_bytes_max: usize,
}

impl HttpClient {
    /// A client that reads answers up to this size.
    pub fn new(response_bytes_max: usize) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, response_bytes_max }
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn send(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<HttpAnswer, HttpFailure> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = url.parse().map_err(|_| HttpFailure::NotSent(format!("not a URL: {url}")))?;
        *request.headers_mut() = headers;
        runtime().block_on(async {
            tokio::time::timeout(timeout, self.exchange(request)).await.unwrap_or(Err(HttpFailure::TimedOut))
        })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<HttpAnswer, HttpFailure> {
        let answer = self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                HttpFailure::NotSent(error.to_string())
            } else {
                HttpFailure::Lost(error.to_string())
            }
        })?;
        let (head, body) = answer.into_parts();
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

/// The runtime that all of the harness's waiting happens on.
///
/// # Panics
/// When the process can have no more threads.
#[expect(clippy::expect_used, reason = "a test process without threads can do nothing")]
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build().expect("a runtime for tests")
    })
}
