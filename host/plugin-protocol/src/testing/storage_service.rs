//! A [`MemoryStorage`] as the server's `pb.Storage` service.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::MemoryStorage;
use crate::translate;
use crate::wire::pb;
use crate::wire::pb::storage_server::Storage;

/// Serves a storage.
pub(super) struct StorageService(pub(super) Arc<MemoryStorage>);

fn text<T>(outcome: Result<T, String>) -> String {
    outcome.err().unwrap_or_default()
}

#[tonic::async_trait]
impl Storage for StorageService {
    async fn list(&self, request: Request<pb::StorageListArgs>) -> Result<Response<pb::StorageListReply>, Status> {
        let args = request.into_inner();
        let outcome = self.0.run("List", &args.txn, |view| Ok(view.list(&args.prefix))).await?;
        let reply = match outcome {
            Ok(keys) => pb::StorageListReply { keys, err: String::new() },
            Err(err) => pb::StorageListReply { keys: Vec::new(), err },
        };
        Ok(Response::new(reply))
    }

    async fn list_page(
        &self,
        request: Request<pb::StorageListPageArgs>,
    ) -> Result<Response<pb::StorageListReply>, Status> {
        let args = request.into_inner();
        let limit = usize::try_from(args.limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let page = |keys: Vec<String>| keys.into_iter().filter(|key| *key > args.after).take(limit).collect();
        let outcome = self.0.run("ListPage", &args.txn, |view| Ok(page(view.list(&args.prefix)))).await?;
        let reply = match outcome {
            Ok(keys) => pb::StorageListReply { keys, err: String::new() },
            Err(err) => pb::StorageListReply { keys: Vec::new(), err },
        };
        Ok(Response::new(reply))
    }

    async fn get(&self, request: Request<pb::StorageGetArgs>) -> Result<Response<pb::StorageGetReply>, Status> {
        let args = request.into_inner();
        let mut outcome = self.0.run("Get", &args.txn, |view| Ok(view.get(&args.key))).await?;
        if let (true, Ok(Some(entry))) = (self.0.is_lying(), &mut outcome) {
            entry.key.push_str("-other");
        }
        let reply = match outcome {
            Ok(entry) => pb::StorageGetReply { entry: entry.map(translate::storage_entry_into_pb), err: String::new() },
            Err(err) => pb::StorageGetReply { entry: None, err },
        };
        Ok(Response::new(reply))
    }

    async fn put(&self, request: Request<pb::StoragePutArgs>) -> Result<Response<pb::StoragePutReply>, Status> {
        let args = request.into_inner();
        let entry = translate::storage_entry_from_pb(args.entry.unwrap_or_default());
        let outcome = self.0.run("Put", &args.txn, |view| view.change(&entry.key.clone(), Some(entry))).await?;
        Ok(Response::new(pb::StoragePutReply { err: text(outcome) }))
    }

    async fn delete(
        &self,
        request: Request<pb::StorageDeleteArgs>,
    ) -> Result<Response<pb::StorageDeleteReply>, Status> {
        let args = request.into_inner();
        let outcome = self.0.run("Delete", &args.txn, |view| view.change(&args.key, None)).await?;
        Ok(Response::new(pb::StorageDeleteReply { err: text(outcome) }))
    }

    async fn is_transactional(
        &self,
        _request: Request<pb::Empty>,
    ) -> Result<Response<pb::StorageIsTransactionalReply>, Status> {
        let _call = self.0.enter("IsTransactional").await?;
        let transactional = self.0.is_transactional();
        Ok(Response::new(pb::StorageIsTransactionalReply { transactional }))
    }

    async fn begin_tx(&self, _request: Request<pb::Empty>) -> Result<Response<pb::StorageBeginTxReply>, Status> {
        let _call = self.0.enter("BeginTx").await?;
        let txn = self.0.begin();
        Ok(Response::new(pb::StorageBeginTxReply { txn, err: String::new() }))
    }

    async fn commit(
        &self,
        request: Request<pb::StorageCommitTxArgs>,
    ) -> Result<Response<pb::StorageCommitTxReply>, Status> {
        let _call = self.0.enter("Commit").await?;
        let open = self.0.finish(&request.get_ref().txn)?;
        let outcome = self.0.commit(open);
        Ok(Response::new(pb::StorageCommitTxReply { err: text(outcome) }))
    }

    async fn rollback(
        &self,
        request: Request<pb::StorageRollbackTxArgs>,
    ) -> Result<Response<pb::StorageRollbackTxReply>, Status> {
        let _call = self.0.enter("Rollback").await?;
        self.0.finish(&request.get_ref().txn)?;
        Ok(Response::new(pb::StorageRollbackTxReply { err: String::new() }))
    }
}
