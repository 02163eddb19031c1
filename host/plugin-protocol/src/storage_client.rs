//! The client of the server's `pb.Storage` service, for one mount.
//!
//! Speaks to OpenBao and to Vault, which has neither transactions nor
//! `ListPage`; which of the two it is shows in what they do not implement.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use envelope::{Storage, StorageEntry, StorageError, StorageView, Transaction};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tonic::{Code, Response, Status};

use crate::connection::Connection;
use crate::limits::{MESSAGE_BYTES_MAX, SERVER_CALL_TIMEOUT};
use crate::transaction::ServerTransaction;
use crate::wire::pb;
use crate::wire::pb::storage_client::StorageClient as Stub;
use crate::{task, translate};

/// The mount's storage. Clones share the connection. A dropped call is
/// cancelled at the server.
#[derive(Clone)]
pub(crate) struct StorageClient {
    stub: Stub<Connection>,
    server: Arc<Server>,
}

/// What is known about the server.
#[derive(Debug, Default)]
struct Server {
    transactional: OnceCell<bool>,
    without_list_page: AtomicBool,
}

impl StorageClient {
    pub(crate) fn new(connection: Connection) -> Self {
        let stub = Stub::with_origin(connection, Connection::origin()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Self { stub, server: Arc::default() }
    }

    async fn ask_transactional(&self) -> Result<bool, StorageError> {
        match deadline(self.stub.clone().is_transactional(pb::Empty {})).await? {
            Ok(reply) => Ok(reply.into_inner().transactional),
            Err(status) if status.code() == Code::Unimplemented => Ok(false),
            Err(status) => Err(translate::storage_status(&status)),
        }
    }

    /// Reads one entry, in the transaction `txn` unless that is empty; so do those below.
    pub(crate) async fn get_in(&self, txn: &str, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        let args = pb::StorageGetArgs { key: key.to_owned(), txn: txn.to_owned() };
        let reply = call(self.stub.clone().get(args)).await?;
        translate::storage_outcome(reply.err)?;
        let entry = reply.entry.map(translate::storage_entry_from_pb);
        match entry {
            Some(entry) if entry.key != key => {
                Err(StorageError::Failed(format!("the server answered with another entry than `{key}`")))
            }
            entry => Ok(entry),
        }
    }

    pub(crate) async fn put_in(&self, txn: &str, entry: StorageEntry) -> Result<(), StorageError> {
        let entry = Some(translate::storage_entry_into_pb(entry));
        let reply = call(self.stub.clone().put(pb::StoragePutArgs { entry, txn: txn.to_owned() })).await?;
        translate::storage_outcome(reply.err)
    }

    pub(crate) async fn delete_in(&self, txn: &str, key: &str) -> Result<(), StorageError> {
        let args = pb::StorageDeleteArgs { key: key.to_owned(), txn: txn.to_owned() };
        let reply = call(self.stub.clone().delete(args)).await?;
        translate::storage_outcome(reply.err)
    }

    pub(crate) async fn list_in(&self, txn: &str, prefix: &str) -> Result<Vec<String>, StorageError> {
        let args = pb::StorageListArgs { prefix: prefix.to_owned(), txn: txn.to_owned() };
        let reply = call(self.stub.clone().list(args)).await?;
        translate::storage_outcome(reply.err)?;
        Ok(sorted(reply.keys))
    }

    pub(crate) async fn list_page_in(
        &self,
        txn: &str,
        prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>, StorageError> {
        // The server takes 0 for "all".
        if limit == 0 {
            return Ok(Vec::new());
        }
        if !self.server.without_list_page.load(Ordering::Relaxed) {
            let args = pb::StorageListPageArgs {
                prefix: prefix.to_owned(),
                after: after.to_owned(),
                limit: i32::try_from(limit).unwrap_or(i32::MAX),
                txn: txn.to_owned(),
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
        Ok(page(self.list_in(txn, prefix).await?, after, limit))
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

#[async_trait]
impl StorageView for StorageClient {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        self.get_in("", key).await
    }

    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.put_in("", entry).await
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.delete_in("", key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.list_in("", prefix).await
    }

    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        self.list_page_in("", prefix, after, limit).await
    }
}

#[async_trait]
impl Storage for StorageClient {
    /// Asks the server once whether it has transactions, after setup.
    async fn begin(&self) -> Result<Option<Box<dyn Transaction>>, StorageError> {
        if !*self.server.transactional.get_or_try_init(|| self.ask_transactional()).await? {
            return Ok(None);
        }
        // In a task of its own: a caller that goes away meanwhile would leave the transaction open in the server. Now
        // the transaction is dropped, and with that rolled back.
        let storage = self.clone();
        let begun = task::spawn(async move {
            let reply = call(storage.stub.clone().begin_tx(pb::Empty {})).await?;
            translate::storage_outcome(reply.err)?;
            if reply.txn.is_empty() {
                // Calls that carry no id would run outside any transaction.
                return Err(StorageError::Failed("the server began a transaction without an id".into()));
            }
            Ok(ServerTransaction::new(storage, reply.txn))
        });
        let begun =
            begun.await.map_err(|_| StorageError::Failed("the call to begin a transaction was given up".into()))?;
        Ok(Some(Box::new(begun?)))
    }
}

/// Waits for an answer no longer than any storage call may take.
async fn deadline<T>(
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<Result<Response<T>, Status>, StorageError> {
    timeout(SERVER_CALL_TIMEOUT, call).await.map_err(|_| {
        let seconds = SERVER_CALL_TIMEOUT.as_secs();
        StorageError::Failed(format!("the server's storage did not answer within {seconds} s"))
    })
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

/// The first `limit` keys greater than `after`.
fn page(keys: Vec<String>, after: &str, limit: u32) -> Vec<String> {
    let keys = sorted(keys).into_iter().filter(|key| key.as_str() > after);
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
        let rows: [(&[&str], &str, u32, &[&str]); 5] = [
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
}
