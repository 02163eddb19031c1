//! The server's side of the translation: requests go out, answers come in.

use std::time::SystemTime;

use envelope::{Error, Lease, Operation, Request, Response, Secret, SpecialPaths};
use prost_types::Timestamp;

use crate::translate::{duration_from_nanos, nanos_from_duration};
use crate::wire::pb;

/// The form in which a server sends a request.
pub(crate) fn request_into_pb(request: Request) -> pb::Request {
    let connection = pb::Connection { remote_addr: request.identity.remote_address, ..pb::Connection::default() };
    pb::Request {
        id: request.id.unwrap_or_default(),
        operation: operation_name(request.operation).to_owned(),
        path: request.path,
        data: request.data,
        secret: request.lease.map(lease_into_pb),
        headers: request.headers.into_iter().map(|(name, header)| (name, pb::Header { header })).collect(),
        client_token_accessor: request.identity.token_accessor,
        display_name: request.identity.display_name,
        mount_point: request.mount_point,
        entity_id: request.identity.entity_id,
        connection: Some(connection),
        ..pb::Request::default()
    }
}

pub(crate) fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "create",
        Operation::Read => "read",
        Operation::Update => "update",
        Operation::Patch => "patch",
        Operation::Delete => "delete",
        Operation::List => "list",
        Operation::Help => "help",
        Operation::Renew => "renew",
        Operation::Revoke => "revoke",
        Operation::Rollback => "rollback",
    }
}

fn lease_into_pb(lease: Lease) -> pb::Secret {
    let options = pb::LeaseOptions {
        ttl: nanos_from_duration(lease.ttl),
        renewable: lease.renewable,
        increment: nanos_from_duration(lease.increment.unwrap_or_default()),
        issue_time: Some(time_into_pb(lease.issue_time)),
        max_ttl: nanos_from_duration(lease.max_ttl.unwrap_or_default()),
    };
    pb::Secret {
        lease_options: Some(options),
        internal_data: lease.internal_data,
        lease_id: lease.id.unwrap_or_default(),
    }
}

/// The response that a server sees.
pub(crate) fn response_from_pb(response: pb::Response) -> Response {
    let secret_from_pb = |secret: pb::Secret| {
        let options = secret.lease_options.unwrap_or_default();
        Secret {
            ttl: duration_from_nanos(options.ttl),
            max_ttl: duration_from_nanos(options.max_ttl),
            renewable: options.renewable,
            internal_data: secret.internal_data,
        }
    };
    Response {
        data: Some(response.data).filter(|data| data != "null"),
        warnings: response.warnings,
        secret: response.secret.map(secret_from_pb),
        headers: response.headers.into_iter().map(|(name, values)| (name, values.header)).collect(),
    }
}

/// The error that a server sees; `None` for a type that the server does not know: then it sees no error at all.
pub(crate) fn error_from_pb(error: pb::ProtoError) -> Option<Error> {
    Some(match error.err_type {
        0 => Error::Plain(error.err_msg),
        1 => Error::User(error.err_msg),
        2 => Error::Internal(error.err_msg),
        3 => Error::Coded { code: u16::try_from(error.err_code).unwrap_or(500), message: error.err_msg },
        4 => Error::BadRequest(error.err_msg),
        5 => Error::UnsupportedOperation,
        6 => Error::UnsupportedPath,
        7 => Error::InvalidRequest,
        8 => Error::PermissionDenied,
        9 => Error::MultiAuthzPending,
        10 => Error::Unrecoverable,
        _ => return None,
    })
}

pub(crate) fn special_paths_from_pb(paths: pb::Paths) -> SpecialPaths {
    SpecialPaths {
        root: paths.root,
        unauthenticated: paths.unauthenticated,
        local_storage: paths.local_storage,
        seal_wrap_storage: paths.seal_wrap_storage,
    }
}

fn time_into_pb(time: SystemTime) -> Timestamp {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since_epoch.subsec_nanos()).unwrap_or_default(),
    }
}
