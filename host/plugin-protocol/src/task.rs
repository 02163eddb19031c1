//! The only place where this crate starts tasks.
//!
//! A task outlives its caller: connections, the broker's stream, the end of a transaction. All other work stays in its
//! call, so that a dropped call stops its work.

use std::future::Future;

use tokio::task::JoinHandle;

/// Starts a task that ends by itself.
pub(crate) fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "the only place; what it starts ends by itself")]
    tokio::spawn(future)
}

/// Starts the tasks of a library: of connections, and of their calls, which end with the connection.
#[derive(Clone, Copy)]
pub(crate) struct Tasks;

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        drop(spawn(future));
    }
}

/// Runs blocking work on a thread of its own.
pub(crate) fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}
