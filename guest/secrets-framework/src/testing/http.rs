//! Outbound HTTP of a test: a closure that answers, and a record of what was sent.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::{ManualClock, lock};
use crate::Sensitive;
use crate::host::{Clock, Http, HttpBody, HttpError, HttpMethod, HttpRequest, HttpResponse, NotSent, StreamedResponse};

/// Bytes of one piece of a scripted body: few, so that texts and items span pieces in every test.
const PIECE_BYTES: usize = 61;

type Answer = dyn Fn(HttpRequest) -> Result<HttpResponse<ScriptedBody>, HttpError> + Send + Sync;
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

/// The body of a scripted answer: its pieces, each made when it is read.
pub struct ScriptedBody(Box<dyn Iterator<Item = Result<Vec<u8>, HttpError>> + Send>);

impl ScriptedBody {
    /// A body of these pieces, none of which is empty.
    pub fn new(pieces: impl IntoIterator<Item = Result<Vec<u8>, HttpError>, IntoIter: Send + 'static>) -> Self {
        Self(Box::new(pieces.into_iter()))
    }

    fn cut_up(whole: &Sensitive<Vec<u8>>) -> Self {
        let pieces: Vec<_> = whole.expose().chunks(PIECE_BYTES).map(|piece| Ok(piece.to_vec())).collect();
        Self::new(pieces)
    }
}

/// Answers by a closure, outside of any lock, so that requests overlap as they do on the network.
pub struct ScriptedHttp {
    clock: Arc<ManualClock>,
    answer: RwLock<Arc<Answer>>,
    origin_check: RwLock<Arc<OriginCheck>>,
    requests: Mutex<Vec<RecordedRequest>>,
}

impl ScriptedHttp {
    /// Answers all further requests by `answer`.
    pub fn script(&self, answer: impl Fn(HttpRequest) -> Result<HttpResponse, HttpError> + Send + Sync + 'static) {
        self.script_streamed(move |request| {
            answer(request).map(|answer| answer.map_body(|whole| ScriptedBody::cut_up(&whole)))
        });
    }
    /// Answers all further requests by `answer`, which says in which pieces a body comes.
    pub fn script_streamed(
        &self,
        answer: impl Fn(HttpRequest) -> Result<HttpResponse<ScriptedBody>, HttpError> + Send + Sync + 'static,
    ) {
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

impl ScriptedHttp {
    /// HTTP that takes the time of this clock.
    pub(super) fn new(clock: &Arc<ManualClock>) -> Self {
        Self {
            clock: Arc::clone(clock),
            answer: RwLock::new(Arc::new(|_| {
                Err(HttpError::NotSent(NotSent::Unsendable("this test has no HTTP script")))
            })),
            origin_check: RwLock::new(Arc::new(|_| Ok(()))),
            requests: Mutex::default(),
        }
    }
}

impl Http for ScriptedHttp {
    fn exchange(&self, request: HttpRequest) -> Result<StreamedResponse<'_>, HttpError> {
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
        let (clock, between_reads) = (&*self.clock, request.timeout);
        let total_timeout = request.total_timeout;
        let answer = answer(request)?;
        // From the head on: scripts let any time pass before it.
        let ends = clock.now() + total_timeout;
        Ok(answer.map_body(|body| Box::new(Timed { body, clock, between_reads, ends }) as Box<dyn HttpBody>))
    }

    fn check_origin(&self, origin: &str) -> Result<(), String> {
        let check = Arc::clone(&self.origin_check.read().unwrap_or_else(PoisonError::into_inner));
        check(origin)
    }
}

/// A scripted body that keeps the request's bounds, by the test's clock.
struct Timed<'a> {
    body: ScriptedBody,
    clock: &'a ManualClock,
    between_reads: Duration,
    ends: Duration,
}

impl HttpBody for Timed<'_> {
    fn read(&mut self) -> Result<Sensitive<Vec<u8>>, HttpError> {
        let began = self.clock.now();
        let piece = self.body.0.next().transpose()?.unwrap_or_default();
        let now = self.clock.now();
        if now > self.ends.min(began + self.between_reads) {
            return Err(HttpError::BodyTimedOut);
        }
        Ok(Sensitive::new(piece))
    }
}
