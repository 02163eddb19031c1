//! The calls of the server's `pb.Storage` service, for one mount, each with a deadline.
//!
//! OpenBao has all calls. Vault has neither transactions nor `ListPage`, and answers that it does not implement them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use envelope::{StorageEntry, StorageError};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tonic::{Code, Response, Status};

use crate::connection::Connection;
use crate::limits::{
    LARGE_REPLIES_AT_ONCE, MESSAGE_BYTES_MAX, READS_AT_ONCE, SERVER_CALL_TIMEOUT, SMALL_REPLY_BYTES_MAX,
};
use crate::translate;
use crate::wire::pb;
use crate::wire::pb::storage_client::StorageClient as Stub;

/// The calls of one mount. Clones share the connection. The server cancels a call whose future is dropped.
///
/// A call without a `txn` runs outside any transaction.
#[derive(Clone)]
pub(crate) struct StorageCalls {
    stub: Stub<Connection>,
    server: Arc<Server>,
}

/// What is known about the server, and what it is asked for.
#[derive(Debug)]
struct Server {
    transactional: OnceCell<bool>,
    without_list_page: AtomicBool,
    reads: Places,
    large_replies: Places,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            transactional: OnceCell::new(),
            without_list_page: AtomicBool::new(false),
            reads: Places::new(READS_AT_ONCE, "reads"),
            large_replies: Places::new(LARGE_REPLIES_AT_ONCE, "lists or reads of large entries"),
        }
    }
}

/// Places for calls of the mount whose replies are in memory before anybody counts them.
#[derive(Debug)]
struct Places {
    free: Arc<Semaphore>,
    number: usize,
    calls: &'static str,
}

impl Places {
    fn new(number: usize, calls: &'static str) -> Self {
        Self { free: Arc::new(Semaphore::new(number)), number, calls }
    }

    /// Waits for a place. A call waits for one place at a time, and with none, so that no two calls wait for each other.
    async fn take(&self) -> Result<OwnedSemaphorePermit, StorageError> {
        let place = timeout(SERVER_CALL_TIMEOUT, Arc::clone(&self.free).acquire_owned()).await.map_err(|_| {
            let (Self { number, calls, .. }, seconds) = (self, SERVER_CALL_TIMEOUT.as_secs());
            StorageError::Failed(format!(
                "{number} {calls} of this mount stayed in progress for {seconds} s: try again later"
            ))
        })?;
        place.map_err(|closed| StorageError::Failed(closed.to_string()))
    }
}

/// A reply, with its place until the caller takes the reply, and counts the memory.
pub(crate) struct Placed<T> {
    reply: T,
    _place: OwnedSemaphorePermit,
}

impl<T> Placed<T> {
    pub(crate) fn into_reply(self) -> T {
        self.reply
    }
}

impl StorageCalls {
    pub(crate) fn new(connection: Connection) -> Self {
        let stub = Stub::with_origin(connection, Connection::origin()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Self { stub, server: Arc::default() }
    }

    /// Does the server have transactions? The server is asked once, after setup.
    pub(crate) async fn is_transactional(&self) -> Result<bool, StorageError> {
        self.server.transactional.get_or_try_init(|| self.ask_transactional()).await.copied()
    }

    /// Begins a transaction, and answers its ID.
    pub(crate) async fn begin(&self) -> Result<String, StorageError> {
        let reply = call(self.stub.clone().begin_tx(pb::Empty {})).await?;
        translate::storage_outcome(reply.err)?;
        if reply.txn.is_empty() {
            // Calls that carry no ID would run outside any transaction.
            return Err(StorageError::Failed("the server began a transaction without an id".into()));
        }
        Ok(reply.txn)
    }

    async fn ask_transactional(&self) -> Result<bool, StorageError> {
        match deadline(self.stub.clone().is_transactional(pb::Empty {})).await? {
            Ok(reply) => Ok(reply.into_inner().transactional),
            Err(status) if status.code() == Code::Unimplemented => Ok(false),
            Err(status) => Err(translate::storage_status(&status)),
        }
    }

    pub(crate) async fn get(&self, txn: Option<&str>, key: &str) -> Result<Placed<Option<StorageEntry>>, StorageError> {
        let args = pb::StorageGetArgs { key: key.to_owned(), txn: txn.unwrap_or_default().to_owned() };
        let mut place = self.server.reads.take().await?;
        let mut small = self.stub.clone().max_decoding_message_size(SMALL_REPLY_BYTES_MAX);
        let reply = match deadline(small.get(args.clone())).await? {
            // Too large for this place. The size came first, and nothing else of the reply is in memory.
            Err(status) if status.code() == Code::OutOfRange => {
                drop(place);
                place = self.server.large_replies.take().await?;
                call(self.stub.clone().get(args)).await?
            }
            reply => reply.map(Response::into_inner).map_err(|status| translate::storage_status(&status))?,
        };
        translate::storage_outcome(reply.err)?;
        let entry = reply.entry.map(translate::storage_entry_from_pb);
        match entry {
            Some(entry) if entry.key != key => {
                Err(StorageError::Failed(format!("the server answered with another entry than `{key}`")))
            }
            reply => Ok(Placed { reply, _place: place }),
        }
    }

    pub(crate) async fn put(&self, txn: Option<&str>, entry: StorageEntry) -> Result<(), StorageError> {
        let entry = Some(translate::storage_entry_into_pb(entry));
        let reply =
            call(self.stub.clone().put(pb::StoragePutArgs { entry, txn: txn.unwrap_or_default().to_owned() })).await?;
        translate::storage_outcome(reply.err)
    }

    pub(crate) async fn delete(&self, txn: Option<&str>, key: &str) -> Result<(), StorageError> {
        let args = pb::StorageDeleteArgs { key: key.to_owned(), txn: txn.unwrap_or_default().to_owned() };
        let reply = call(self.stub.clone().delete(args)).await?;
        translate::storage_outcome(reply.err)
    }

    pub(crate) async fn list(&self, txn: Option<&str>, prefix: &str) -> Result<Placed<Vec<String>>, StorageError> {
        let place = self.server.large_replies.take().await?;
        Ok(Placed { reply: self.list_all(txn, prefix).await?, _place: place })
    }

    async fn list_all(&self, txn: Option<&str>, prefix: &str) -> Result<Vec<String>, StorageError> {
        let args = pb::StorageListArgs { prefix: prefix.to_owned(), txn: txn.unwrap_or_default().to_owned() };
        let reply = call(self.stub.clone().list(args)).await?;
        translate::storage_outcome(reply.err)?;
        Ok(sorted(reply.keys))
    }

    pub(crate) async fn list_page(
        &self,
        txn: Option<&str>,
        prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<Placed<Vec<String>>, StorageError> {
        let place = self.server.large_replies.take().await?;
        Ok(Placed { reply: self.list_one_page(txn, prefix, after, limit).await?, _place: place })
    }

    async fn list_one_page(
        &self,
        txn: Option<&str>,
        prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>, StorageError> {
        // The server takes 0 for "all".
        if limit == 0 {
            return Ok(Vec::new());
        }
        if self.has_pages() {
            let args = pb::StorageListPageArgs {
                prefix: prefix.to_owned(),
                after: after.to_owned(),
                limit: i32::try_from(limit).unwrap_or(i32::MAX),
                txn: txn.unwrap_or_default().to_owned(),
            };
            match deadline(self.stub.clone().list_page(args)).await?.map(Response::into_inner) {
                Ok(reply) => {
                    translate::storage_outcome(reply.err)?;
                    return Ok(page(reply.keys, after, limit));
                }
                Err(status) if status.code() == Code::Unimplemented => {
                    self.server.without_list_page.store(true, Ordering::Relaxed);
                }
                Err(status) => return Err(translate::storage_status(&status)),
            }
        }
        Ok(page(self.list_all(txn, prefix).await?, after, limit))
    }

    /// Does the server list pages, as far as is known? The first page that is asked for tells.
    pub(crate) fn has_pages(&self) -> bool {
        !self.server.without_list_page.load(Ordering::Relaxed)
    }

    pub(crate) async fn commit(&self, txn: &str) -> Result<(), StorageError> {
        let reply = call(self.stub.clone().commit(pb::StorageCommitTxArgs { txn: txn.to_owned() })).await?;
        translate::storage_outcome(reply.err)
    }

    pub(crate) async fn rollback(&self, txn: &str) -> Result<(), StorageError> {
        let reply = call(self.stub.clone().rollback(pb::StorageRollbackTxArgs { txn: txn.to_owned() })).await?;
        translate::storage_outcome(reply.err)
    }
}

/// Waits for an answer no longer than any storage call may take.
async fn deadline<T>(
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<Result<Response<T>, Status>, StorageError> {
    timeout(SERVER_CALL_TIMEOUT, call).await.map_err(late)
}

fn late(_: Elapsed) -> StorageError {
    let seconds = SERVER_CALL_TIMEOUT.as_secs();
    StorageError::Failed(format!("the server's storage did not answer within {seconds} s"))
}

async fn call<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, StorageError> {
    deadline(call).await?.map(Response::into_inner).map_err(|status| translate::storage_status(&status))
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    if !keys.is_sorted() {
        keys.sort_unstable();
    }
    keys
}

/// The first `limit` keys greater than `after`. As servers cut a page, an entry under the prefix itself, whose name is
/// empty, is on the first one.
fn page(keys: Vec<String>, after: &str, limit: u32) -> Vec<String> {
    let keys = sorted(keys).into_iter().filter(|key| after.is_empty() || key.as_str() > after);
    keys.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn pages_are_sorted_exclusive_and_bounded() {
        let rows: [(&[&str], &str, u32, &[&str]); 6] = [
            (&["a", ""], "", 2, &["", "a"]),
            (&["a", "b", "c"], "", 2, &["a", "b"]),
            (&["a", "b", "c"], "a", 9, &["b", "c"]),
            (&["c", "a", "b/"], "a", 1, &["b/"]),
            (&["a"], "a", 1, &[]),
            (&["a", "c"], "b", 1, &["c"]),
        ];
        for (names, after, limit, expected) in rows {
            assert_eq!(page(keys(names), after, limit), keys(expected), "{names:?} after {after}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_call_waits_longer_than_its_deadline() {
        let begin = tokio::time::Instant::now();
        let outcome = call(std::future::pending::<Result<Response<()>, Status>>()).await;
        assert_eq!(outcome, Err(StorageError::Failed("the server's storage did not answer within 30 s".into())));
        assert_eq!(begin.elapsed(), SERVER_CALL_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn no_call_waits_longer_for_a_place_than_a_call_may_take() {
        let places = Places::new(1, "reads");
        let taken = places.take().await;
        let begin = tokio::time::Instant::now();
        let text = "1 reads of this mount stayed in progress for 30 s: try again later";
        assert_eq!(places.take().await.map(drop), Err(StorageError::Failed(text.into())));
        assert_eq!(begin.elapsed(), SERVER_CALL_TIMEOUT);
        drop(taken);
        assert!(places.take().await.is_ok());
    }
}
