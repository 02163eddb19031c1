//! The current wait of a request before it is sent. The pool calls a connector with only a URI, so a request passes its
//! progress as a value of its task.

use std::sync::{Arc, Mutex, PoisonError};

tokio::task_local! {
    static PROGRESS: Progress;
}

/// A wait of a request before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// For one of the connections that a mount may have, to a host and in all.
    Connection,
    /// For the addresses of a name.
    Name,
    /// For an address to accept.
    Address,
    /// For the proxy: its name, its address, and its answer.
    Proxy,
    /// For the peer's side of the TLS handshake.
    Tls,
}

/// The current wait of a request. Clones share it.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Mutex<Phase>>);

impl Progress {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Phase::Connection)))
    }

    /// The progress of the request that this task sends; a new one if the connector runs without a request.
    pub(crate) fn of_this_request() -> Self {
        PROGRESS.try_with(Self::clone).unwrap_or_else(|_| Self::new())
    }

    /// Runs a request whose connector reports to this progress.
    pub(crate) async fn scope<T>(&self, request: impl Future<Output = T>) -> T {
        PROGRESS.scope(self.clone(), request).await
    }

    pub(crate) fn enter(&self, phase: Phase) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
