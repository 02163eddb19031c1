//! Requests, responses and errors between protocol and runtime. Moves, never copies:
//! data stays the JSON text that came over the wire.

use component_runtime as runtime;
use modules::controller::ServeError;
use plugin_protocol as protocol;
use runtime::{GuestError, InvokeError};

/// The protocol's request as the runtime takes it.
pub(crate) fn request(request: protocol::Request) -> runtime::Request {
    runtime::Request {
        id: request.id,
        operation: operation(request.operation),
        path: request.path,
        data: request.data,
        mount_point: request.mount_point,
        identity: runtime::Identity {
            display_name: request.identity.display_name,
            entity_id: request.identity.entity_id,
            token_accessor: request.identity.token_accessor,
            remote_address: request.identity.remote_address,
        },
        lease: request.lease.map(lease),
        headers: request.headers.into_iter().collect(),
        timeout: request.timeout,
    }
}

/// The runtime's answer as the protocol takes it.
pub(crate) fn response(response: runtime::Response) -> protocol::Response {
    protocol::Response {
        data: response.data,
        warnings: response.warnings,
        secret: response.secret.map(|secret| protocol::Secret {
            ttl: secret.ttl,
            max_ttl: secret.max_ttl,
            renewable: secret.renewable,
            internal_data: secret.internal_data,
        }),
        headers: response.headers.into_iter().collect(),
    }
}

/// What the server is told of a failure. Only the guest's own errors keep
/// their kind; of all others the client learns the short text, no more.
pub(crate) fn error(error: InvokeError, request_id: &str) -> protocol::Error {
    match error {
        InvokeError::Guest(error) => guest_error(error),
        busy @ InvokeError::Busy(_) => protocol::Error::Coded { code: 503, message: busy.to_caller(request_id) },
        other => protocol::Error::Internal(other.to_caller(request_id)),
    }
}

/// As `error`; a mount without a module is one to come back to.
pub(crate) fn serve_error(error: ServeError, request_id: &str) -> protocol::Error {
    match error {
        ServeError::Invoke(failure) => self::error(failure, request_id),
        ServeError::NoModule(rejection) => protocol::Error::Coded { code: 503, message: rejection.to_string() },
    }
}

pub(crate) fn special_paths(paths: &runtime::SpecialPaths) -> protocol::SpecialPaths {
    protocol::SpecialPaths {
        root: paths.root.clone(),
        unauthenticated: paths.unauthenticated.clone(),
        local_storage: paths.local_storage.clone(),
        seal_wrap_storage: paths.seal_wrap_storage.clone(),
    }
}

fn operation(operation: protocol::Operation) -> runtime::Operation {
    match operation {
        protocol::Operation::Create => runtime::Operation::Create,
        protocol::Operation::Read => runtime::Operation::Read,
        protocol::Operation::Update => runtime::Operation::Update,
        protocol::Operation::Patch => runtime::Operation::Patch,
        protocol::Operation::Delete => runtime::Operation::Delete,
        protocol::Operation::List => runtime::Operation::List,
        protocol::Operation::Help => runtime::Operation::Help,
        protocol::Operation::Renew => runtime::Operation::Renew,
        protocol::Operation::Revoke => runtime::Operation::Revoke,
        protocol::Operation::Rollback => runtime::Operation::Rollback,
    }
}

fn lease(lease: protocol::Lease) -> runtime::Lease {
    runtime::Lease {
        id: lease.id,
        issue_time: lease.issue_time,
        ttl: lease.ttl,
        max_ttl: lease.max_ttl,
        increment: lease.increment,
        renewable: lease.renewable,
        internal_data: lease.internal_data,
    }
}

fn guest_error(error: GuestError) -> protocol::Error {
    match error {
        GuestError::Plain(text) => protocol::Error::Plain(text),
        GuestError::User(text) => protocol::Error::User(text),
        GuestError::Internal(text) => protocol::Error::Internal(text),
        GuestError::Coded { code, message } => protocol::Error::Coded { code, message },
        GuestError::BadRequest(text) => protocol::Error::BadRequest(text),
        GuestError::UnsupportedOperation => protocol::Error::UnsupportedOperation,
        GuestError::UnsupportedPath => protocol::Error::UnsupportedPath,
        GuestError::InvalidRequest => protocol::Error::InvalidRequest,
        GuestError::PermissionDenied => protocol::Error::PermissionDenied,
        GuestError::MultiAuthzPending => protocol::Error::MultiAuthzPending,
        GuestError::Unrecoverable => protocol::Error::Unrecoverable,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_failure_has_its_kind_on_the_wire() {
        let coded = GuestError::Coded { code: 409, message: "taken".to_owned() };
        let rows = [
            (InvokeError::Guest(GuestError::UnsupportedPath), protocol::Error::UnsupportedPath),
            (InvokeError::Guest(GuestError::Plain("text".to_owned())), protocol::Error::Plain("text".to_owned())),
            (InvokeError::Guest(coded), protocol::Error::Coded { code: 409, message: "taken".to_owned() }),
        ];
        for (from, to) in rows {
            assert_eq!(error(from, "r1"), to);
        }
        assert!(matches!(error(InvokeError::Busy("mount"), "r1"), protocol::Error::Coded { code: 503, .. }));
        let ours = [
            InvokeError::Limit { limit: "64 MiB of memory".to_owned() },
            InvokeError::ProcessorTime(Duration::from_secs(1)),
            InvokeError::Deadline(Duration::from_secs(90)),
            InvokeError::Trap("wasm unreachable at astra_secrets::mint".to_owned()),
            InvokeError::Contract("data is not JSON".to_owned()),
            InvokeError::Host("pool".to_owned()),
        ];
        for failure in ours {
            let protocol::Error::Internal(text) = error(failure, "request-1") else { panic!("not an internal error") };
            assert!(text.contains("request-1"), "{text}");
            assert!(!text.contains("astra_secrets"), "function names are for the log only: {text}");
        }
    }
}
