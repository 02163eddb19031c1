//! Counts how often a plugin waits for its server. Calls that are under way together are one wait.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tonic::server::NamedService;
use tower::{Layer, Service};

/// Time for which an answer is held back, so that calls that the plugin sent together are under way together.
const PAUSE: Duration = Duration::from_millis(50);

/// The waits of a mount, for all calls of its storage and its system view.
#[derive(Debug, Default)]
pub struct Waits {
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    under_way: u64,
    /// The calls of each wait, by their names in the protocol.
    waits: Vec<Vec<String>>,
}

impl Waits {
    /// Counts exactly, with an answer that takes its time. Without it nothing is held back.
    #[must_use]
    pub fn exact() -> Arc<Self> {
        Arc::new(Self { pause: PAUSE, state: Mutex::default() })
    }

    /// The waits since the last call of this function: of each the names of its calls, such as `Get`.
    pub fn take(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut self.state().waits)
    }

    fn begin(&self, path: &str) -> UnderWay<'_> {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let mut state = self.state();
        let is_first = state.under_way == 0;
        match state.waits.last_mut() {
            Some(wait) if !is_first => wait.push(name),
            _ => state.waits.push(vec![name]),
        }
        state.under_way += 1;
        UnderWay(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct UnderWay<'a>(&'a Waits);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
    }
}

/// Puts the count around a server's services.
#[derive(Clone)]
pub(super) struct CountWaits(pub(super) Arc<Waits>);

impl<S> Layer<S> for CountWaits {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, waits: self.0.clone() }
    }
}

#[derive(Clone)]
pub(super) struct Counted<S> {
    inner: S,
    waits: Arc<Waits>,
}

impl<S: NamedService> NamedService for Counted<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<http::Request<B>> for Counted<S>
where
    S: Service<http::Request<B>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        // The clone may not be ready.
        let clone = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, clone);
        let waits = self.waits.clone();
        Box::pin(async move {
            let _call = waits.begin(request.uri().path());
            if !waits.pause.is_zero() {
                tokio::time::sleep(waits.pause).await;
            }
            ready.call(request).await
        })
    }
}
