//! A transaction of the server's storage.
//!
//! A call with an id that the server no longer knows silently runs outside
//! any transaction. So the id never leaves this file, a finished transaction
//! is gone by type, and calls are neither cancelled nor overtaken by the end:
//! they run one by one, in tasks that outlive their callers.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::{StorageClient, StorageEntry, StorageError, StorageView, task};

/// A transaction of the server. Dropped without commit it is rolled back, in a task of its own.
pub struct Transaction {
    open: Option<Arc<Open>>,
}

struct Open {
    storage: StorageClient,
    id: String,
    /// Held by the call under way.
    turn: Mutex<()>,
}

impl Transaction {
    pub(crate) fn new(storage: StorageClient, id: String) -> Self {
        Self { open: Some(Arc::new(Open { storage, id, turn: Mutex::default() })) }
    }

    /// Makes it happen.
    ///
    /// # Errors
    /// `Conflict` when another transaction was first; after any other error it may have happened or not.
    pub async fn commit(mut self) -> Result<(), StorageError> {
        let outcome = run(self.open.take(), |open| async move {
            let outcome = open.storage.commit(&open.id).await;
            if outcome.is_err() {
                // If the server never saw the commit, it still holds the transaction; else it says so.
                drop(open.storage.rollback(&open.id).await);
            }
            outcome
        });
        outcome.await
    }

    /// Undoes it, and waits for that.
    ///
    /// # Errors
    /// The server's text, or that of the connection to it.
    pub async fn rollback(mut self) -> Result<(), StorageError> {
        run(self.open.take(), |open| async move { open.storage.rollback(&open.id).await }).await
    }

    /// Runs one call in its turn, to its end, whatever happens to the caller.
    async fn call<T, F>(&self, call: impl FnOnce(Arc<Open>) -> F + Send + 'static) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StorageError>> + Send,
    {
        run(self.open.clone(), call).await
    }
}

/// Runs `call` in a task, after the calls before it.
fn run<T, F>(
    open: Option<Arc<Open>>,
    call: impl FnOnce(Arc<Open>) -> F + Send + 'static,
) -> impl Future<Output = Result<T, StorageError>>
where
    T: Send + 'static,
    F: Future<Output = Result<T, StorageError>> + Send,
{
    let running = open.map(|open| {
        task::spawn(async move {
            let _turn = open.turn.lock().await;
            call(open.clone()).await
        })
    });
    async move {
        let gone = || StorageError::Failed("the transaction has ended".into());
        running.ok_or_else(gone)?.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // Outside a runtime nothing can be sent; the process is at its end then.
        let Some(open) = self.open.take().filter(|_| tokio::runtime::Handle::try_current().is_ok()) else { return };
        drop(run(Some(open), |open| async move {
            let outcome = open.storage.rollback(&open.id).await;
            if let Err(error) = &outcome {
                tracing::warn!(%error, "failed to roll an abandoned transaction back");
            }
            outcome
        }));
    }
}

#[async_trait]
impl StorageView for Transaction {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        let key = key.to_owned();
        self.call(|open| async move { open.storage.get_in(&open.id, &key).await }).await
    }

    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.call(|open| async move { open.storage.put_in(&open.id, entry).await }).await
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        let key = key.to_owned();
        self.call(|open| async move { open.storage.delete_in(&open.id, &key).await }).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let prefix = prefix.to_owned();
        self.call(|open| async move { open.storage.list_in(&open.id, &prefix).await }).await
    }

    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        self.call(move |open| async move { open.storage.list_page_in(&open.id, &prefix, &after, limit).await }).await
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Transaction").finish_non_exhaustive()
    }
}
