//! The only place where this crate starts tasks: a change of module must not be cut off halfway when the client that
//! asked for it goes away.

use std::future::Future;

use tokio::task::JoinHandle;

/// Starts work whose every step has a deadline.
pub(super) fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "the only place; what it starts ends by itself")]
    tokio::spawn(work)
}
