//! What a request waits for before it is sent. The pool calls a connector with nothing but a URI, so a request hands its
//! progress over as a value of its task.

use std::sync::{Arc, Mutex, PoisonError};

tokio::task_local! {
    static PROGRESS: Progress;
}

/// A wait before a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// For one of the connections that a mount may have to a host.
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

/// The wait that a request is in. Clones share it.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Mutex<Phase>>);

impl Progress {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Phase::Connection)))
    }

    /// The progress of the request that this task sends; one of its own for a connector that no request called.
    pub(crate) fn of_this_request() -> Self {
        PROGRESS.try_with(Self::clone).unwrap_or_else(|_| Self::new())
    }

    /// Runs a request whose connector is to report here.
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
