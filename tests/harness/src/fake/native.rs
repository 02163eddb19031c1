//! The native driver: the engine in this process.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use envelope::Secret;
use secrets_framework as framework;
use serde_json::{Map, Value};

use super::native_host::{NativeHost, Outside};
use super::server::{EngineCalls, FakeServer};
use super::{Fake, FakeOptions};
use crate::{Driver, DriverKind};

/// Makes native drivers.
pub struct NativeDriver;

impl NativeDriver {
    /// A fresh mount.
    pub fn mount(options: FakeOptions, backend_uuid: &str) -> Arc<dyn Driver> {
        let engine = NativeEngine { outside: Outside::new(&options, backend_uuid) };
        Arc::new(FakeServer { fake: Fake::new(options, backend_uuid.to_owned()), engine })
    }
}

struct NativeEngine {
    outside: Outside,
}

impl EngineCalls for NativeEngine {
    const KIND: DriverKind = DriverKind::Native;

    fn handle(&self, fake: &Fake, request: envelope::Request) -> Result<Option<envelope::Response>, envelope::Error> {
        self.outside.system_view.set_upstream_read_only(fake.is_upstream_read_only());
        self.outside.system_view.set_tainted(fake.tainted().load(Ordering::SeqCst));
        let host = NativeHost { outside: &self.outside, fake };
        let answer = astra_secrets::BACKEND.handle(&host, &into_framework(request));
        answer.map(|response| response.map(from_framework)).map_err(error)
    }

    fn check_existence(&self, fake: &Fake, request: envelope::Request) -> Option<bool> {
        let host = NativeHost { outside: &self.outside, fake };
        astra_secrets::BACKEND.check_existence(&host, &into_framework(request))
    }

    fn logs(&self) -> String {
        self.outside.log.text()
    }
}

fn into_framework(request: envelope::Request) -> framework::Request {
    let envelope::Identity { display_name, entity_id, token_accessor, remote_address } = request.identity;
    framework::Request {
        id: request.id.unwrap_or_default(),
        operation: operation(request.operation),
        path: request.path,
        data: object(&request.data),
        mount_point: request.mount_point,
        identity: framework::Identity { display_name, entity_id, token_accessor, remote_address },
        lease: request.lease.map(|lease| framework::Lease {
            id: lease.id.unwrap_or_default(),
            issue_time: lease.issue_time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            ttl: lease.ttl,
            max_ttl: lease.max_ttl.unwrap_or_default(),
            increment: lease.increment.unwrap_or_default(),
            renewable: lease.renewable,
            internal_data: object(&lease.internal_data),
        }),
    }
}

fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

fn operation(operation: envelope::Operation) -> framework::Operation {
    match operation {
        envelope::Operation::Create => framework::Operation::Create,
        envelope::Operation::Read => framework::Operation::Read,
        envelope::Operation::Update => framework::Operation::Update,
        envelope::Operation::Patch => framework::Operation::Patch,
        envelope::Operation::Delete => framework::Operation::Delete,
        envelope::Operation::List => framework::Operation::List,
        envelope::Operation::Help => framework::Operation::Help,
        envelope::Operation::Renew => framework::Operation::Renew,
        envelope::Operation::Revoke => framework::Operation::Revoke,
        envelope::Operation::Rollback => framework::Operation::Rollback,
    }
}

fn from_framework(response: framework::Response) -> envelope::Response {
    let secret = response.secret.map(|secret| Secret {
        ttl: Some(secret.ttl).filter(|ttl| !ttl.is_zero()),
        max_ttl: Some(secret.max_ttl).filter(|max_ttl| !max_ttl.is_zero()),
        renewable: secret.renewable,
        internal_data: Value::Object(secret.internal_data).to_string(),
    });
    let framework::Response { data, warnings, .. } = response;
    envelope::Response { data, warnings, secret, ..envelope::Response::default() }
}

fn error(error: framework::Error) -> envelope::Error {
    match error {
        framework::Error::Plain(text) => envelope::Error::Plain(text),
        framework::Error::User(text) => envelope::Error::User(text),
        framework::Error::Internal(text) => envelope::Error::Internal(text),
        framework::Error::Coded { code, message } => envelope::Error::Coded { code, message },
        framework::Error::BadRequest(text) => envelope::Error::BadRequest(text),
        framework::Error::UnsupportedOperation => envelope::Error::UnsupportedOperation,
        framework::Error::UnsupportedPath => envelope::Error::UnsupportedPath,
        framework::Error::InvalidRequest => envelope::Error::InvalidRequest,
        framework::Error::PermissionDenied => envelope::Error::PermissionDenied,
    }
}
