//! Requests.

use std::collections::BTreeMap;
use std::time::Duration;

use envelope::{Error, Identity, Lease, Operation, Request};

use super::time::{duration_from_nanos, time_from_pb};
use crate::wire::pb;

/// JSON for "nothing", as Go writes it.
const NULL: &str = "null";
const EMPTY_OBJECT: &str = "{}";

/// A request with an operation that backends have.
///
/// Other operations are refused before a backend could act on them: OpenBao sends `resolve-path` with the data of a
/// write before the write itself, even without a valid token.
pub(crate) fn request_from_pb(request: Option<pb::Request>, timeout: Option<Duration>) -> Result<Request, Error> {
    let request = request.ok_or(Error::InvalidRequest)?;
    Ok(Request {
        operation: operation_from_pb(&request.operation).ok_or(Error::UnsupportedOperation)?,
        id: Some(request.id).filter(|id| !id.is_empty()),
        path: request.path,
        data: json_or(request.data, NULL),
        mount_point: request.mount_point,
        identity: Identity {
            display_name: request.display_name,
            entity_id: request.entity_id,
            token_accessor: request.client_token_accessor,
            remote_address: request.connection.map(|connection| connection.remote_addr).unwrap_or_default(),
        },
        lease: request.secret.map(lease_from_pb),
        headers: headers_from_pb(request.headers),
        timeout,
    })
}

/// `None` for an operation that no secrets engine gets, or that this crate does not offer.
fn operation_from_pb(name: &str) -> Option<Operation> {
    Some(match name {
        "create" => Operation::Create,
        "read" => Operation::Read,
        "update" => Operation::Update,
        "patch" => Operation::Patch,
        "delete" => Operation::Delete,
        "list" => Operation::List,
        "help" => Operation::Help,
        "renew" => Operation::Renew,
        "revoke" => Operation::Revoke,
        "rollback" => Operation::Rollback,
        _ => return None,
    })
}

fn lease_from_pb(secret: pb::Secret) -> Lease {
    let options = secret.lease_options.unwrap_or_default();
    Lease {
        id: Some(secret.lease_id).filter(|id| !id.is_empty()),
        issue_time: time_from_pb(options.issue_time),
        ttl: duration_from_nanos(options.ttl).unwrap_or_default(),
        max_ttl: duration_from_nanos(options.max_ttl),
        increment: duration_from_nanos(options.increment),
        renewable: options.renewable,
        internal_data: match secret.internal_data {
            data if data == NULL => EMPTY_OBJECT.to_owned(),
            data => json_or(data, EMPTY_OBJECT),
        },
    }
}

/// Headers by lower-case name. Go changes the case of names.
fn headers_from_pb(headers: BTreeMap<String, pb::Header>) -> BTreeMap<String, Vec<String>> {
    let mut lower = BTreeMap::<String, Vec<String>>::new();
    for (name, values) in headers {
        lower.entry(name.to_ascii_lowercase()).or_default().extend(values.header);
    }
    lower
}

/// An empty text is not JSON.
fn json_or(text: String, default: &str) -> String {
    if text.is_empty() { default.to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::translate::{operation_name, request_into_pb};

    fn operation(name: &str) -> Result<Operation, Error> {
        let request = pb::Request { operation: name.into(), ..pb::Request::default() };
        request_from_pb(Some(request), None).map(|request| request.operation)
    }

    #[test]
    fn every_operation_has_its_name() {
        let all = [
            Operation::Create,
            Operation::Read,
            Operation::Update,
            Operation::Patch,
            Operation::Delete,
            Operation::List,
            Operation::Help,
            Operation::Renew,
            Operation::Revoke,
            Operation::Rollback,
        ];
        for known in all {
            assert_eq!(operation(operation_name(known)), Ok(known));
        }
        for other in ["resolve-path", "alias-lookahead", "resolve-role", "header", "scan", "recover", "", "Read"] {
            assert_eq!(operation(other), Err(Error::UnsupportedOperation), "{other}");
        }
    }

    #[test]
    fn a_missing_field_has_its_default() {
        assert_eq!(request_from_pb(None, None).map(|_| ()), Err(Error::InvalidRequest));
        let empty = pb::Request { operation: "read".into(), ..pb::Request::default() };
        let request = request_from_pb(Some(empty), None).unwrap();
        assert_eq!((request.data.as_str(), request.identity), ("null", Identity::default()));
        assert!(request.lease.is_none() && request.headers.is_empty() && request.timeout.is_none());
        for text in ["", "null"] {
            let secret = pb::Secret { internal_data: text.into(), ..pb::Secret::default() };
            let lease = lease_from_pb(secret);
            assert_eq!((lease.internal_data.as_str(), lease.issue_time), ("{}", SystemTime::UNIX_EPOCH));
        }
    }

    #[test]
    fn header_names_become_lower_case() {
        let header = |value: &str| pb::Header { header: vec![value.into()] };
        let headers = BTreeMap::from([("X-A".to_owned(), header("1")), ("x-a".to_owned(), header("2"))]);
        assert_eq!(headers_from_pb(headers), BTreeMap::from([("x-a".into(), vec!["1".into(), "2".into()])]));
    }

    prop_compose! {
        fn lease()(
            id in proptest::option::of(".+"), issued in 0..1_u64 << 40, nanos in 0..1_000_000_000_u32, ttl in 0..i64::MAX as u64,
            max_ttl in proptest::option::of(1..i64::MAX as u64), increment in proptest::option::of(1..i64::MAX as u64), renewable: bool, data in "\\{.*\\}",
        ) -> Lease {
            Lease {
                id,
                issue_time: SystemTime::UNIX_EPOCH + Duration::new(issued, nanos),
                ttl: Duration::from_nanos(ttl),
                max_ttl: max_ttl.map(Duration::from_nanos),
                increment: increment.map(Duration::from_nanos),
                renewable,
                internal_data: data,
            }
        }
    }

    proptest! {
        #[test]
        fn requests_survive_the_wire(
            texts in proptest::collection::vec(".*", 7), data in ".+", lease in proptest::option::of(lease()),
            headers in proptest::collection::btree_map("[a-z-]{1,9}", proptest::collection::vec(".*", 1..3), 0..3),
        ) {
            let [id, path, mount_point, display_name, entity_id, token_accessor, remote_address] =
                <[String; 7]>::try_from(texts).unwrap();
            let make = || Request {
                id: Some(id.clone()).filter(|id| !id.is_empty()),
                operation: Operation::Renew,
                path: path.clone(),
                data: data.clone(),
                mount_point: mount_point.clone(),
                identity: Identity {
                    display_name: display_name.clone(),
                    entity_id: entity_id.clone(),
                    token_accessor: token_accessor.clone(),
                    remote_address: remote_address.clone(),
                },
                lease: lease.clone(),
                headers: headers.clone(),
                timeout: Some(Duration::from_secs(90)),
            };
            let back = request_from_pb(Some(request_into_pb(make())), Some(Duration::from_secs(90))).unwrap();
            prop_assert!(back == make());
        }
    }
}
