//! A storage of the test's own, served as Vault serves one: each call on its own, without transactions and pages.

use std::fmt;
use std::sync::Arc;

use envelope::StorageView;
use tonic::{Request, Response, Status};

use crate::translate;
use crate::wire::pb;
use crate::wire::pb::storage_server::Storage;

/// The storage of one mount. Keep a clone of what is inside to look into it.
#[derive(Clone)]
pub struct PlainStorage(pub Arc<dyn StorageView>);

impl fmt::Debug for PlainStorage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PlainStorage")
    }
}

/// Vault's answer to a call that only OpenBao has.
fn unimplemented<T>(name: &str) -> Result<Response<T>, Status> {
    Err(Status::unimplemented(format!("unknown method {name} for service pb.Storage")))
}

#[tonic::async_trait]
impl Storage for PlainStorage {
    async fn list(&self, request: Request<pb::StorageListArgs>) -> Result<Response<pb::StorageListReply>, Status> {
        let reply = match self.0.list(&request.get_ref().prefix).await {
            Ok(keys) => pb::StorageListReply { keys, err: String::new() },
            Err(error) => pb::StorageListReply { keys: Vec::new(), err: error.to_string() },
        };
        Ok(Response::new(reply))
    }

    async fn get(&self, request: Request<pb::StorageGetArgs>) -> Result<Response<pb::StorageGetReply>, Status> {
        let reply = match self.0.get(&request.get_ref().key).await {
            Ok(entry) => pb::StorageGetReply { entry: entry.map(translate::storage_entry_into_pb), err: String::new() },
            Err(error) => pb::StorageGetReply { entry: None, err: error.to_string() },
        };
        Ok(Response::new(reply))
    }

    async fn put(&self, request: Request<pb::StoragePutArgs>) -> Result<Response<pb::StoragePutReply>, Status> {
        let entry = translate::storage_entry_from_pb(request.into_inner().entry.unwrap_or_default());
        let err = self.0.put(entry).await.err().map(|error| error.to_string()).unwrap_or_default();
        Ok(Response::new(pb::StoragePutReply { err }))
    }

    async fn delete(
        &self,
        request: Request<pb::StorageDeleteArgs>,
    ) -> Result<Response<pb::StorageDeleteReply>, Status> {
        let outcome = self.0.delete(&request.get_ref().key).await;
        let err = outcome.err().map(|error| error.to_string()).unwrap_or_default();
        Ok(Response::new(pb::StorageDeleteReply { err }))
    }

    async fn list_page(
        &self,
        _request: Request<pb::StorageListPageArgs>,
    ) -> Result<Response<pb::StorageListReply>, Status> {
        unimplemented("ListPage")
    }

    async fn is_transactional(
        &self,
        _request: Request<pb::Empty>,
    ) -> Result<Response<pb::StorageIsTransactionalReply>, Status> {
        unimplemented("IsTransactional")
    }

    async fn begin_tx(&self, _request: Request<pb::Empty>) -> Result<Response<pb::StorageBeginTxReply>, Status> {
        unimplemented("BeginTx")
    }

    async fn commit(
        &self,
        _request: Request<pb::StorageCommitTxArgs>,
    ) -> Result<Response<pb::StorageCommitTxReply>, Status> {
        unimplemented("Commit")
    }

    async fn rollback(
        &self,
        _request: Request<pb::StorageRollbackTxArgs>,
    ) -> Result<Response<pb::StorageRollbackTxReply>, Status> {
        unimplemented("Rollback")
    }
}
