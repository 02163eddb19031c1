//! A transaction of the server's storage.
//!
//! A call with an ID that the server does not know any more silently runs outside any transaction. Therefore the ID
//! never leaves this file, the types allow no call on a finished transaction, and neither a cancelled call nor the end
//! of the transaction overtakes another call: calls run one after the other, in tasks that outlive their callers.
//!
//! Writes wait until a read or the commit has to see them, and then go out together: nobody sees them earlier, and each
//! would cost a round trip to the server.

use std::future::Future;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use async_trait::async_trait;
use envelope::{StorageEntry, StorageError, StorageView, Transaction};
use futures_util::future::join_all;
use tokio::sync::Mutex;

use crate::limits::{WRITES_WAITING_BYTES_MAX, WRITES_WAITING_MAX};
use crate::storage_calls::{Placed, StorageCalls};
use crate::task;

/// A transaction of the server. A drop without commit rolls the transaction back, in a task of its own.
pub(crate) struct ServerTransaction {
    open: Option<Arc<Open>>,
}

struct Open {
    calls: StorageCalls,
    id: String,
    /// Held by the call in progress.
    turn: Mutex<()>,
    /// Writes that the server does not have yet.
    waiting: StdMutex<Vec<Write>>,
    /// A write failed: the others must not happen without it.
    failed: AtomicBool,
    /// The transaction has ended: a task whose turn comes only now must not reach the server.
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

    /// Must the waiting writes go out before this one can wait with them? Two writes of one key that go out together
    /// could arrive in either order.
    fn is_full_for(&self, write: &Write) -> bool {
        let waiting = self.waiting();
        let bytes: usize = waiting.iter().chain([write]).map(Write::bytes).sum();
        waiting.len() >= WRITES_WAITING_MAX
            || bytes > WRITES_WAITING_BYTES_MAX
            || waiting.iter().any(|other| other.key() == write.key())
    }

    /// Sends the waiting writes to the server, all at once.
    async fn send_waiting(&self) -> Result<(), StorageError> {
        let waiting = mem::take(&mut *self.waiting());
        let sent = waiting.into_iter().map(|write| async move {
            match write {
                Write::Put(entry) => self.calls.put(Some(&self.id), entry).await,
                Write::Delete(key) => self.calls.delete(Some(&self.id), &key).await,
            }
        });
        // Waits for all of them: the end must not overtake a write in progress.
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

    /// Ends the transaction for its user. A call whose caller has gone, and whose turn has not come, is not made any
    /// more.
    fn end(&mut self) -> Option<Arc<Open>> {
        let open = self.open.take()?;
        open.over.store(true, Ordering::Relaxed);
        Some(open)
    }

    /// Adds a write to the waiting ones. Sends those first that cannot wait together with this one.
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

    /// Runs one call in its turn, to its end, also if the caller goes away.
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
        // Outside a runtime, at the end of the process, nothing can be sent.
        let Some(open) = self.end().filter(|_| tokio::runtime::Handle::try_current().is_ok()) else { return };
        drop(run(Some(open), |open| async move {
            let outcome = open.calls.rollback(&open.id).await;
            if let Err(error) = &outcome {
                tracing::warn!(%error, "failed to roll back a transaction whose request ended without a commit");
            }
            outcome
        }));
    }
}

#[async_trait]
impl StorageView for ServerTransaction {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        let key = key.to_owned();
        let found = self.read(|open| async move { open.calls.get(Some(&open.id), &key).await }).await;
        found.map(Placed::into_reply)
    }

    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.write(Write::Put(entry)).await
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.write(Write::Delete(key.to_owned())).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let prefix = prefix.to_owned();
        let names = self.read(|open| async move { open.calls.list(Some(&open.id), &prefix).await }).await;
        names.map(Placed::into_reply)
    }

    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        let names = self
            .read(move |open| async move { open.calls.list_page(Some(&open.id), &prefix, &after, limit).await })
            .await;
        names.map(Placed::into_reply)
    }
}

#[async_trait]
impl Transaction for ServerTransaction {
    /// The error may also be that of a waiting write.
    async fn commit(mut self: Box<Self>) -> Result<(), StorageError> {
        run(self.end(), |open| async move {
            let outcome = open.commit().await;
            if outcome.is_err() {
                // A server that never saw the commit still has the transaction; another server answers with an error.
                drop(open.calls.rollback(&open.id).await);
            }
            outcome
        })
        .await
    }
}
