//! Conversions between the WIT types and the framework's: all in one place,
//! total, one exhaustive `match` for each direction.

use std::time::Duration;

use secrets_framework as framework;
use serde_json::{Map, Value};

use crate::bindings::secrets_engine::backend::types as wit;

/// The request, with its JSON parsed.
pub(crate) fn request_from_wit(request: wit::Request) -> Result<framework::Request, framework::Error> {
    let data = object("data", &request.data)?;
    let lease = request.lease.map(lease_from_wit).transpose()?;
    let wit::Identity { display_name, entity_id, token_accessor, remote_address } = request.identity;
    Ok(framework::Request {
        id: request.id,
        operation: operation_from_wit(request.operation),
        path: request.path,
        data,
        mount_point: request.mount_point,
        identity: framework::Identity { display_name, entity_id, token_accessor, remote_address },
        lease,
    })
}

/// The response; a lease's internal data become JSON text.
pub(crate) fn response_into_wit(response: framework::Response) -> wit::Response {
    let secret = response.secret.map(secret_into_wit);
    wit::Response { data: response.data, warnings: response.warnings, secret, headers: Vec::new() }
}

/// The error, case by case.
pub(crate) fn error_into_wit(error: framework::Error) -> wit::Error {
    match error {
        framework::Error::Plain(text) => wit::Error::Plain(text),
        framework::Error::User(text) => wit::Error::User(text),
        framework::Error::Internal(text) => wit::Error::Internal(text),
        framework::Error::Coded { code, message } => wit::Error::Coded(wit::CodedError { code, message }),
        framework::Error::BadRequest(text) => wit::Error::BadRequest(text),
        framework::Error::UnsupportedOperation => wit::Error::UnsupportedOperation,
        framework::Error::UnsupportedPath => wit::Error::UnsupportedPath,
        framework::Error::InvalidRequest => wit::Error::InvalidRequest,
        framework::Error::PermissionDenied => wit::Error::PermissionDenied,
    }
}

fn operation_from_wit(operation: wit::Operation) -> framework::Operation {
    match operation {
        wit::Operation::Create => framework::Operation::Create,
        wit::Operation::Read => framework::Operation::Read,
        wit::Operation::Update => framework::Operation::Update,
        wit::Operation::Patch => framework::Operation::Patch,
        wit::Operation::Delete => framework::Operation::Delete,
        wit::Operation::List => framework::Operation::List,
        wit::Operation::Help => framework::Operation::Help,
        wit::Operation::Renew => framework::Operation::Renew,
        wit::Operation::Revoke => framework::Operation::Revoke,
        wit::Operation::Rollback => framework::Operation::Rollback,
    }
}

fn lease_from_wit(lease: wit::Lease) -> Result<framework::Lease, framework::Error> {
    Ok(framework::Lease {
        internal_data: object("internal data of the lease", &lease.internal_data)?,
        id: lease.id,
        issue_time: Duration::from_secs(lease.issue_time),
        ttl: Duration::from_nanos(lease.ttl),
        max_ttl: Duration::from_nanos(lease.max_ttl),
        increment: Duration::from_nanos(lease.increment),
        renewable: lease.renewable,
    })
}

fn secret_into_wit(secret: framework::Secret) -> wit::Secret {
    wit::Secret {
        ttl: nanos(secret.ttl),
        max_ttl: nanos(secret.max_ttl),
        renewable: secret.renewable,
        internal_data: Value::Object(secret.internal_data).to_string(),
    }
}

/// A JSON object, or `null` for an empty one. The error names no content: it may be secret.
fn object(what: &str, json: &str) -> Result<Map<String, Value>, framework::Error> {
    match serde_json::from_str(json) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(framework::Error::BadRequest(format!("the {what} must be a JSON object"))),
        Err(_) => Err(framework::Error::BadRequest(format!("the {what} cannot be parsed as JSON"))),
    }
}

/// The server's durations have 64 bits: 292 years, which no time to live exceeds.
fn nanos(duration: Duration) -> u64 {
    const MAX: u64 = i64::MAX as u64;
    u64::try_from(duration.as_nanos()).unwrap_or(MAX).min(MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn request(operation: wit::Operation, data: &str, lease: Option<wit::Lease>) -> wit::Request {
        wit::Request {
            id: "id".to_owned(),
            operation,
            path: "config".to_owned(),
            data: data.to_owned(),
            mount_point: "astra/".to_owned(),
            identity: wit::Identity {
                display_name: "alice".to_owned(),
                entity_id: "entity".to_owned(),
                token_accessor: "accessor".to_owned(),
                remote_address: "127.0.0.1".to_owned(),
            },
            lease,
            headers: Vec::new(),
        }
    }

    #[test]
    fn requests_keep_all_that_the_server_said() {
        let lease = wit::Lease {
            id: "lease".to_owned(),
            issue_time: 5,
            ttl: 1_500_000_000,
            max_ttl: 2_000_000_000,
            increment: 0,
            renewable: true,
            internal_data: r#"{"secret_type":"astra_token"}"#.to_owned(),
        };
        let request = request_from_wit(request(wit::Operation::Renew, r#"{"a":1}"#, Some(lease))).unwrap();
        assert_eq!(request.operation, framework::Operation::Renew);
        assert_eq!((request.id.as_str(), request.path.as_str()), ("id", "config"));
        assert_eq!((request.data["a"].as_i64(), request.mount_point.as_str()), (Some(1), "astra/"));
        assert_eq!(request.identity.token_accessor, "accessor");
        let lease = request.lease.unwrap();
        assert_eq!(lease.internal_data["secret_type"], "astra_token");
        assert_eq!(lease.issue_time, Duration::from_secs(5));
        assert_eq!((lease.ttl, lease.max_ttl), (Duration::from_millis(1500), Duration::from_secs(2)));
        assert!(lease.renewable);
    }

    #[test]
    fn data_are_an_object_or_nothing() {
        assert!(request_from_wit(request(wit::Operation::Read, "null", None)).unwrap().data.is_empty());
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for data in ["[]", "5", "", "{", "\"AstraCS:canary\"", "{\"a\":1e400}", &deep] {
            let error = request_from_wit(request(wit::Operation::Read, data, None)).unwrap_err();
            assert!(matches!(&error, framework::Error::BadRequest(text) if !text.contains("canary")), "{error:?}");
        }
    }

    #[test]
    fn leases_go_out_in_nanoseconds_that_the_server_can_hold() {
        let secret = framework::Secret {
            ttl: Duration::from_secs(1),
            max_ttl: Duration::MAX,
            renewable: true,
            internal_data: Map::from_iter([("secret_type".to_owned(), Value::from("x"))]),
        };
        let response = framework::Response::default().warn("careful").leased(secret);
        let response = response_into_wit(response);
        assert_eq!(response.warnings, ["careful"]);
        let secret = response.secret.unwrap();
        assert_eq!((secret.ttl, secret.max_ttl), (1_000_000_000, 9_223_372_036_854_775_807));
        assert_eq!(secret.internal_data, r#"{"secret_type":"x"}"#);
    }

    #[test]
    fn errors_keep_their_kind() {
        let coded = error_into_wit(framework::Error::coded(409, "there already"));
        assert!(
            matches!(coded, wit::Error::Coded(wit::CodedError { code: 409, message }) if message == "there already")
        );
        let read_only = error_into_wit(framework::Error::Plain("cannot write to readonly storage".to_owned()));
        assert!(matches!(read_only, wit::Error::Plain(text) if text == "cannot write to readonly storage"));
        assert!(matches!(error_into_wit(framework::Error::UnsupportedPath), wit::Error::UnsupportedPath));
    }
}
