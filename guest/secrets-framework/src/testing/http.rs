//! Outbound HTTP of a test: a closure that answers, and a record of what was sent.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::lock;
use crate::host::{Http, HttpError, HttpMethod, HttpRequest, HttpResponse};

type Answer = dyn Fn(HttpRequest) -> Result<HttpResponse, HttpError> + Send + Sync;
type OriginCheck = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// What was sent, without the secret part of the bearer token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRequest {
    /// Method.
    pub method: HttpMethod,
    /// `https://host`.
    pub origin: String,
    /// Path and query.
    pub path_and_query: String,
    /// Of a bearer `kind:client id:secret`, the client ID; else empty.
    pub client_id: String,
    /// The body as text; empty without a body.
    pub body: String,
}

/// Answers by a closure, outside of any lock, so that requests overlap as they do on the network.
pub struct ScriptedHttp {
    answer: RwLock<Arc<Answer>>,
    origin_check: RwLock<Arc<OriginCheck>>,
    requests: Mutex<Vec<RecordedRequest>>,
}

impl ScriptedHttp {
    /// Answers all further requests by `answer`.
    pub fn script(&self, answer: impl Fn(HttpRequest) -> Result<HttpResponse, HttpError> + Send + Sync + 'static) {
        *self.answer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(answer);
    }
    /// Decides all further egress checks by `check`; at first every origin is allowed.
    pub fn script_origins(&self, check: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static) {
        *self.origin_check.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(check);
    }
    /// All requests so far, in the order of sending.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.requests).clone()
    }
    /// Forgets the requests so far.
    pub fn clear(&self) {
        lock(&self.requests).clear();
    }
}

impl Default for ScriptedHttp {
    fn default() -> Self {
        Self {
            answer: RwLock::new(Arc::new(|_| Err(HttpError::NotSent("this test has no HTTP script".to_owned())))),
            origin_check: RwLock::new(Arc::new(|_| Ok(()))),
            requests: Mutex::default(),
        }
    }
}

impl Http for ScriptedHttp {
    fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // As the host does: a refused origin is never sent to.
        self.check_origin(&request.origin).map_err(HttpError::Denied)?;
        lock(&self.requests).push(RecordedRequest {
            method: request.method,
            origin: request.origin.clone(),
            path_and_query: request.path_and_query.clone(),
            client_id: request.bearer.expose().split(':').nth(1).unwrap_or_default().to_owned(),
            body: String::from_utf8_lossy(request.body.as_deref().unwrap_or_default()).into_owned(),
        });
        let answer = Arc::clone(&self.answer.read().unwrap_or_else(PoisonError::into_inner));
        answer(request)
    }

    fn check_origin(&self, origin: &str) -> Result<(), String> {
        let check = Arc::clone(&self.origin_check.read().unwrap_or_else(PoisonError::into_inner));
        check(origin)
    }
}
