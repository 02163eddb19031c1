//! A mount's requests, from what a client asks to what it sees.

use std::time::{Duration, SystemTime};

use envelope::{Error, Operation, Request, Response, StorageError};
use serde_json::{Map, Value};

use crate::{Lease, Leased, MountSettings, Outcome};

/// An engine that serves one mount.
pub trait Engine: Sync {
    /// Serves one request.
    fn handle(&self, request: Request) -> impl Future<Output = Result<Option<Response>, Error>> + Send;
    /// Says whether the object that a write names exists; `None` if the path has no check, or if the check failed.
    fn check_existence(&self, request: Request) -> impl Future<Output = Option<bool>> + Send;
}

/// The stored leases of one mount, and the clock by which they end.
pub trait Leases: Sync {
    /// The time.
    fn now(&self) -> SystemTime;
    /// A new ID below a path.
    ///
    /// # Errors
    /// If the storage fails.
    fn new_id(&self, path: &str) -> Result<String, StorageError>;
    /// The lease with this ID.
    ///
    /// # Errors
    /// If the storage fails.
    fn get(&self, id: &str) -> Result<Option<Leased>, StorageError>;
    /// Stores a lease, in the place of the one with the same ID.
    ///
    /// # Errors
    /// If the storage fails.
    fn put(&self, leased: Leased) -> Result<(), StorageError>;
    /// Deletes a lease.
    ///
    /// # Errors
    /// If the storage fails.
    fn remove(&self, id: &str) -> Result<(), StorageError>;
}

/// What a client does to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// GET.
    Read,
    /// POST: a create if the existence check says that nothing is there, else an update.
    Write,
    /// LIST.
    List,
    /// DELETE.
    Delete,
    /// PATCH.
    Patch,
    /// GET with `help=1`.
    Help,
}

/// A server with one mount.
pub struct Server<'a, E, L> {
    /// The engine of the mount.
    pub engine: &'a E,
    /// The leases of the mount.
    pub leases: &'a L,
    /// The settings of the mount.
    pub mount: MountSettings,
}

impl<E: Engine, L: Leases> Server<'_, E, L> {
    /// Does what a client asks.
    ///
    /// # Errors
    /// If the lease of the answer could not be stored.
    pub async fn ask(&self, verb: Verb, path: &str, data: Map<String, Value>) -> Result<Outcome, StorageError> {
        let path = path.trim_matches('/');
        let data = if matches!(verb, Verb::Write | Verb::Patch) { data } else { as_query(data) };
        let operation = match verb {
            Verb::Read => Operation::Read,
            Verb::List if !path.is_empty() => return self.serve(Operation::List, &format!("{path}/"), data).await,
            Verb::List => Operation::List,
            Verb::Delete => Operation::Delete,
            Verb::Patch => Operation::Patch,
            Verb::Help => Operation::Help,
            Verb::Write => self.kind_of_write(path, &data).await,
        };
        self.serve(operation, path, data).await
    }

    /// The server's periodic call; `immediate` as an engine is called when its mount is disabled.
    ///
    /// # Errors
    /// None in practice: the call is never leased.
    pub async fn rollback(&self, data: Map<String, Value>) -> Result<Outcome, StorageError> {
        self.serve(Operation::Rollback, "", data).await
    }

    /// The server looks first whether the object of a write exists (`checkToken` in
    /// `internal/vault/request_handling.go` of OpenBao).
    async fn kind_of_write(&self, path: &str, data: &Map<String, Value>) -> Operation {
        let request = self.request(Operation::Update, path, Value::Object(data.clone()), None);
        match self.engine.check_existence(request).await {
            Some(false) => Operation::Create,
            // If the check failed, the write itself says why.
            Some(true) | None => Operation::Update,
        }
    }

    async fn serve(&self, operation: Operation, path: &str, data: Map<String, Value>) -> Result<Outcome, StorageError> {
        let answer = self.engine.handle(self.request(operation, path, Value::Object(data), None)).await;
        let mut outcome = Outcome::new(operation, &answer);
        let secret = answer.ok().flatten().and_then(|response| response.secret);
        let Some(secret) = secret.filter(|_| outcome.status == 200) else { return Ok(outcome) };
        let id = self.leases.new_id(&format!("{}{path}", self.mount.mount_point))?;
        let (lease, warning) = Lease::new(id, path, &secret, self.leases.now(), &self.mount);
        outcome.warnings.extend(warning);
        self.store(lease, outcome)
    }

    fn store(&self, lease: Lease, outcome: Outcome) -> Result<Outcome, StorageError> {
        self.leases.put(Leased { lease: lease.clone(), data: outcome.data.clone() })?;
        Ok(Outcome { lease: Some(lease), ..outcome })
    }

    /// Renews a lease.
    ///
    /// # Errors
    /// If the renewed lease could not be stored.
    pub async fn renew(&self, leased: Leased, increment: Option<Duration>) -> Result<Outcome, StorageError> {
        let Leased { lease, data } = leased;
        if !lease.renewable {
            return Ok(Outcome::refused(400, "lease is not renewable"));
        }
        let request = self.request(Operation::Renew, &lease.path, data, Some(lease.for_engine(None, increment)));
        let answer = self.engine.handle(request).await;
        let mut outcome = Outcome::new(Operation::Renew, &answer);
        if outcome.is_error() {
            return Ok(Outcome { status: 400, ..outcome });
        }
        let Some(secret) = answer.ok().flatten().and_then(|response| response.secret) else {
            return Ok(Outcome { status: 204, warnings: outcome.warnings, ..Outcome::default() });
        };
        let (lease, warning) = lease.renewed(&secret, increment, self.leases.now(), &self.mount);
        outcome.warnings.extend(warning);
        self.store(lease, outcome)
    }

    /// Revokes a lease, and deletes it if the engine succeeded.
    ///
    /// # Errors
    /// If the lease could not be deleted.
    pub async fn revoke(&self, leased: Leased) -> Result<Outcome, StorageError> {
        let Leased { lease, data } = leased;
        let request =
            self.request(Operation::Revoke, &lease.path, data, Some(lease.for_engine(Some(lease.id.clone()), None)));
        let outcome = Outcome::new(Operation::Revoke, &self.engine.handle(request).await);
        if outcome.is_error() {
            return Ok(Outcome { status: 400, ..outcome });
        }
        self.leases.remove(&lease.id)?;
        Ok(Outcome { status: 204, ..Outcome::default() })
    }

    fn request(&self, operation: Operation, path: &str, data: Value, lease: Option<envelope::Lease>) -> Request {
        let MountSettings { mount_point, request_id, identity, .. } = &self.mount;
        let by_client = !matches!(operation, Operation::Renew | Operation::Revoke | Operation::Rollback);
        let (id, identity) = if by_client { (request_id.clone(), identity.clone()) } else { Default::default() };
        let mount_point = mount_point.clone();
        Request { id, mount_point, identity, lease, ..Request::new(operation, path, data.to_string()) }
    }
}

/// Query parameters are text; a repeated one is a list of texts.
fn as_query(fields: Map<String, Value>) -> Map<String, Value> {
    let text = |value: Value| if value.is_string() { value } else { Value::from(value.to_string()) };
    let as_texts = |value| match value {
        Value::Array(items) => items.into_iter().map(text).collect(),
        other => text(other),
    };
    fields.into_iter().map(|(key, value)| (key, as_texts(value))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_query_is_text() {
        let Value::Object(data) = json!({"a": 1, "b": [true, "x"], "c": "t"}) else { panic!("no object") };
        assert_eq!(Value::Object(as_query(data)), json!({"a": "1", "b": ["true", "x"], "c": "t"}));
    }
}
