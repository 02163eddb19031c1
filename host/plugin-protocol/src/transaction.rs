//! A transaction of the server's storage.
//!
//! A call with an id that the server no longer knows silently runs outside
//! any transaction. So the id never leaves this file, a finished transaction
//! is gone by type, and calls are neither cancelled nor overtaken by the end:
//! they run in turns, in tasks that outlive their callers.
//!
//! Writes wait here until something has to see them, a read or the commit, and
//! then go out together: nobody sees them earlier, and each would cost a whole
//! round trip to the server.

use std::future::Future;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use async_trait::async_trait;
use envelope::{StorageEntry, StorageError, StorageView, Transaction};
use futures_util::future::join_all;
use tokio::sync::Mutex;

use crate::limits::{WRITES_WAITING_BYTES_MAX, WRITES_WAITING_MAX};
use crate::storage_calls::StorageCalls;
use crate::task;

/// A transaction of the server. Dropped without commit it is rolled back, in a task of its own.
pub(crate) struct ServerTransaction {
    open: Option<Arc<Open>>,
}

struct Open {
    calls: StorageCalls,
    id: String,
    /// Held by the call under way.
    turn: Mutex<()>,
    /// Writes that the server has not been told of.
    waiting: StdMutex<Vec<Write>>,
    /// A write failed: without it the others must not happen.
    failed: AtomicBool,
    /// The end has come: tasks that get their turn only now must not reach the server.
    over: AtomicBool,
}

/// One change.
enum Write {
    Put(StorageEntry),
    Delete(String),
}

impl Write {
    fn key(&self) -> &str {
        match self {
            Self::Put(entry) => &entry.key,
            Self::Delete(key) => key,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Put(entry) => entry.value.len(),
            Self::Delete(_) => 0,
        }
    }
}

impl Open {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Write>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Must the writes that wait go out before this one can wait with them?
    /// Sent together, two of one key could come in either order.
    fn is_full_for(&self, write: &Write) -> bool {
        let waiting = self.waiting();
        let bytes: usize = waiting.iter().chain([write]).map(Write::bytes).sum();
        waiting.len() >= WRITES_WAITING_MAX
            || bytes > WRITES_WAITING_BYTES_MAX
            || waiting.iter().any(|other| other.key() == write.key())
    }

    /// Tells the server of the writes that wait, all at once.
    async fn send_waiting(&self) -> Result<(), StorageError> {
        let waiting = mem::take(&mut *self.waiting());
        let sent = waiting.into_iter().map(|write| async move {
            match write {
                Write::Put(entry) => self.calls.put(Some(&self.id), entry).await,
                Write::Delete(key) => self.calls.delete(Some(&self.id), &key).await,
            }
        });
        // All are waited for: the end must not overtake one that is under way.
        let outcome = join_all(sent).await.into_iter().collect();
        self.failed.fetch_or(Result::<(), _>::is_err(&outcome), Ordering::Relaxed);
        outcome
    }

    async fn commit(&self) -> Result<(), StorageError> {
        self.send_waiting().await?;
        if self.failed.load(Ordering::Relaxed) {
            return Err(StorageError::Failed("a write of the transaction failed".into()));
        }
        self.calls.commit(&self.id).await
    }
}

impl ServerTransaction {
    pub(crate) fn new(calls: StorageCalls, id: String) -> Self {
        Self {
            open: Some(Arc::new(Open {
                calls,
                id,
                turn: Mutex::default(),
                waiting: StdMutex::default(),
                failed: AtomicBool::new(false),
                over: AtomicBool::new(false),
            })),
        }
    }

    /// Takes it out. A call whose caller has gone, and whose task did not get its turn yet, is not made any more.
    fn end(&mut self) -> Option<Arc<Open>> {
        let open = self.open.take()?;
        open.over.store(true, Ordering::Relaxed);
        Some(open)
    }

    /// Lets a write wait, once those before it that it cannot wait with have gone out.
    async fn write(&self, write: Write) -> Result<(), StorageError> {
        let Some(open) = self.open.as_ref() else { return Err(ended()) };
        if open.is_full_for(&write) {
            self.read(|_| async { Ok(()) }).await?;
        }
        open.waiting().push(write);
        Ok(())
    }

    /// Runs one call that must see the writes before it.
    async fn read<T, F>(&self, call: impl FnOnce(Arc<Open>) -> F + Send + 'static) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StorageError>> + Send,
    {
        self.call(|open| async move {
            open.send_waiting().await?;
            call(open).await
        })
        .await
    }

    /// Runs one call in its turn, to its end, whatever happens to the caller.
    async fn call<T, F>(&self, call: impl FnOnce(Arc<Open>) -> F + Send + 'static) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StorageError>> + Send,
    {
        let within = |open: Arc<Open>| async move {
            if open.over.load(Ordering::Relaxed) {
                return Err(ended());
            }
            call(open).await
        };
        run(self.open.clone(), within).await
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
    async move { running.ok_or_else(ended)?.await.unwrap_or_else(|_| Err(ended())) }
}

fn ended() -> StorageError {
    StorageError::Failed("the transaction has ended".into())
}

impl Drop for ServerTransaction {
    fn drop(&mut self) {
        // Outside a runtime nothing can be sent; the process is at its end then.
        let Some(open) = self.end().filter(|_| tokio::runtime::Handle::try_current().is_ok()) else { return };
        drop(run(Some(open), |open| async move {
            let outcome = open.calls.rollback(&open.id).await;
            if let Err(error) = &outcome {
                tracing::warn!(%error, "failed to roll an abandoned transaction back");
            }
            outcome
        }));
    }
}

#[async_trait]
impl StorageView for ServerTransaction {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        let key = key.to_owned();
        self.read(|open| async move { open.calls.get(Some(&open.id), &key).await }).await
    }

    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.write(Write::Put(entry)).await
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.write(Write::Delete(key.to_owned())).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let prefix = prefix.to_owned();
        self.read(|open| async move { open.calls.list(Some(&open.id), &prefix).await }).await
    }

    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        self.read(move |open| async move { open.calls.list_page(Some(&open.id), &prefix, &after, limit).await }).await
    }
}

#[async_trait]
impl Transaction for ServerTransaction {
    /// The error may also be that of a write which had waited.
    async fn commit(mut self: Box<Self>) -> Result<(), StorageError> {
        run(self.end(), |open| async move {
            let outcome = open.commit().await;
            if outcome.is_err() {
                // If the server never saw the commit, it still holds the transaction; else it says so.
                drop(open.calls.rollback(&open.id).await);
            }
            outcome
        })
        .await
    }
}
