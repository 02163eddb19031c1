//! A module with a mount of its own, and the part of the server around it that one request needs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use component_runtime::{InvokeError, Module, Mount, MountSettings, Runtime};
use envelope::{Identity, Lease as EngineLease, Operation as EngineOperation, Request, Response, StorageError};
use serde_json::{Map, Value};

use super::arguments::Operation;
use super::lease::{Lease, Leased};
use super::outcome::{Outcome, outcome};
use super::storage::FileStorage;
use super::system_view::NoServer;
use crate::cli::Failure;

/// An engine without a server.
pub(super) struct Engine {
    module: Arc<Module>,
    mount: Arc<Mount>,
    mount_point: String,
    storage: FileStorage,
}

impl Engine {
    /// Gives the module a mount, named as its engine.
    pub(super) fn new(runtime: &Runtime, module: Arc<Module>, storage: FileStorage) -> Self {
        let mount_point = format!("{}/", module.description().name);
        let mount = runtime.mount(MountSettings {
            name: mount_point.clone(),
            backend_uuid: storage.backend_uuid().to_owned(),
            options: BTreeMap::new(),
            storage: Arc::new(storage.clone()),
            system_view: Arc::new(NoServer),
        });
        Self { module, mount, mount_point, storage }
    }

    /// Does what a client asks of a path.
    pub(super) async fn ask(
        &self,
        operation: Operation,
        path: &str,
        data: Map<String, Value>,
    ) -> Result<Outcome, Failure> {
        let data = Value::Object(data);
        let operation = match operation {
            Operation::Read => EngineOperation::Read,
            Operation::List => EngineOperation::List,
            Operation::Delete => EngineOperation::Delete,
            Operation::Patch => EngineOperation::Patch,
            Operation::Help => EngineOperation::Help,
            Operation::Rollback => EngineOperation::Rollback,
            Operation::Renew => EngineOperation::Renew,
            Operation::Revoke => EngineOperation::Revoke,
            Operation::Write => self.kind_of_write(path, &data).await,
        };
        let listed = if path.is_empty() { String::new() } else { format!("{path}/") };
        let path = if operation == EngineOperation::List { &listed } else { path };
        let answer = self.handle(operation, path, &data, None).await;
        let outcome = outcome(operation, &answer);
        self.with_lease(path, outcome, answer.ok().flatten())
    }

    /// A write is a create where the existence check says that nothing is there (`checkToken` in
    /// `internal/vault/request_handling.go` of OpenBao).
    async fn kind_of_write(&self, path: &str, data: &Value) -> EngineOperation {
        let request = self.request(EngineOperation::Update, path, data, None);
        match self.module.check_existence(&self.mount, request).await {
            Ok(Some(false)) => EngineOperation::Create,
            // What keeps the check from an answer is told by the write itself.
            Ok(_) | Err(_) => EngineOperation::Update,
        }
    }

    /// Registers the lease that an answer asks for.
    fn with_lease(&self, path: &str, mut outcome: Outcome, answer: Option<Response>) -> Result<Outcome, Failure> {
        let Some(secret) = answer.and_then(|response| response.secret).filter(|_| outcome.status == 200) else {
            return Ok(outcome);
        };
        let id = self.storage.new_lease_id(&format!("{}{path}", self.mount_point)).map_err(|error| not_kept(&error))?;
        let (lease, warning) = Lease::new(id, path, &secret);
        outcome.warnings.extend(warning);
        self.keep(lease, outcome)
    }

    fn keep(&self, lease: Lease, outcome: Outcome) -> Result<Outcome, Failure> {
        let leased = Leased { lease, data: outcome.data.clone() };
        self.storage.put_lease(&leased).map_err(|error| not_kept(&error))?;
        Ok(Outcome { lease: Some(leased.lease), ..outcome })
    }

    /// Renews a lease, by its ID or as it was given.
    pub(super) async fn renew(&self, id: &str, lease: Option<Leased>, increment: Duration) -> Result<Outcome, Failure> {
        let Some(leased) = self.find(id, lease)? else { return Ok(Outcome::refused(400, "lease not found")) };
        if !leased.lease.renewable {
            return Ok(Outcome::refused(400, "lease is not renewable"));
        }
        let for_engine = leased.lease.for_engine(false, increment);
        let answer = self.handle(EngineOperation::Renew, &leased.lease.path, &leased.data, Some(for_engine)).await;
        let mut outcome = outcome(EngineOperation::Renew, &answer);
        if outcome.is_error() {
            return Ok(Outcome { status: 400, ..outcome });
        }
        let Some(secret) = answer.ok().flatten().and_then(|response| response.secret) else {
            return Ok(Outcome { status: 204, ..outcome });
        };
        let (lease, warning) = leased.lease.renewed(&secret, increment);
        outcome.warnings.extend(warning);
        self.keep(lease, outcome)
    }

    /// Revokes a lease, and forgets it where that worked.
    pub(super) async fn revoke(&self, id: &str, lease: Option<Leased>) -> Result<Outcome, Failure> {
        let Some(leased) = self.find(id, lease)? else { return Ok(Outcome::refused(400, "lease not found")) };
        let for_engine = leased.lease.for_engine(true, Duration::ZERO);
        let answer = self.handle(EngineOperation::Revoke, &leased.lease.path, &leased.data, Some(for_engine)).await;
        let outcome = outcome(EngineOperation::Revoke, &answer);
        if outcome.is_error() {
            return Ok(Outcome { status: 400, ..outcome });
        }
        self.storage.remove_lease(&leased.lease.id).map_err(|error| not_kept(&error))?;
        Ok(Outcome { status: 204, ..Outcome::default() })
    }

    fn find(&self, id: &str, given: Option<Leased>) -> Result<Option<Leased>, Failure> {
        if given.is_some() {
            return Ok(given);
        }
        self.storage.lease(id).map_err(|error| Failure::Not(error.to_string()))
    }

    async fn handle(
        &self,
        operation: EngineOperation,
        path: &str,
        data: &Value,
        lease: Option<EngineLease>,
    ) -> Result<Option<Response>, InvokeError> {
        self.module.handle_request(&self.mount, self.request(operation, path, data, lease)).await
    }

    fn request(&self, operation: EngineOperation, path: &str, data: &Value, lease: Option<EngineLease>) -> Request {
        let by_server =
            matches!(operation, EngineOperation::Renew | EngineOperation::Revoke | EngineOperation::Rollback);
        let display_name = if by_server { String::new() } else { "command-line".to_owned() };
        Request {
            mount_point: self.mount_point.clone(),
            identity: Identity { display_name, ..Identity::default() },
            lease,
            ..Request::new(operation, path, data.to_string())
        }
    }
}

/// The module did its work, and what it leased cannot be kept: the user must know.
fn not_kept(error: &StorageError) -> Failure {
    Failure::Not(format!("the module answered, but its lease could not be kept: {error}"))
}
