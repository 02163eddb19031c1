//! Work of the host for one mount, such as the copy of a large body: it takes processor time as the guests do.

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

/// Runs work at the cost of a mount.
pub(crate) trait MountWork: Send + Sync {
    /// Polls `work` to its end. Dropping the future drops the work.
    fn run(&self, work: BoxFuture<'static, ()>) -> BoxFuture<'static, ()>;
}

/// Runs work that has a result. `None` if the work was dropped before its end.
pub(crate) async fn result_of<T: Send + 'static>(
    runs: &dyn MountWork,
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    runs.run(Box::pin(async move { drop(sender.send(work.await)) })).await;
    receiver.await.ok()
}
