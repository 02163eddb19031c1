//! Responses.

use envelope::{Error, Response, Secret};

use super::time::{YEAR_ONE, nanos_from_duration};
use crate::wire::pb;

/// JSON for "nothing", as Go writes it.
const NULL: &str = "null";

/// The wire's form. Data that is no JSON object is a bug of the backend, and an error here as far as the ends of the text
/// show it: the server would fail with a message that does not help. The backend has parsed the text, and a second time
/// would take milliseconds of a large one.
pub(crate) fn response_into_pb(response: Response) -> Result<pb::Response, Error> {
    let data = response.data.unwrap_or_else(|| NULL.to_owned());
    check_object(&data, "response data")?;
    Ok(pb::Response {
        secret: response.secret.map(secret_into_pb).transpose()?,
        data,
        warnings: response.warnings,
        headers: response.headers.into_iter().map(|(name, header)| (name, pb::Header { header })).collect(),
        ..pb::Response::default()
    })
}

/// The server does not use the issue time, but fails without one.
fn secret_into_pb(secret: Secret) -> Result<pb::Secret, Error> {
    check_object(&secret.internal_data, "the lease's internal data")?;
    let options = pb::LeaseOptions {
        ttl: nanos_from_duration(secret.ttl.unwrap_or_default()),
        renewable: secret.renewable,
        increment: 0,
        issue_time: Some(YEAR_ONE),
        max_ttl: nanos_from_duration(secret.max_ttl.unwrap_or_default()),
    };
    Ok(pb::Secret { lease_options: Some(options), internal_data: secret.internal_data, lease_id: String::new() })
}

/// Fails if the text has neither the ends of a JSON object nor is null. The error does not quote the text, which may be
/// secret.
fn check_object(text: &str, what: &str) -> Result<(), Error> {
    let trimmed = text.trim();
    if (trimmed.starts_with('{') && trimmed.ends_with('}')) || text == NULL {
        return Ok(());
    }
    tracing::error!(what, bytes = text.len(), "the engine's answer is no JSON object");
    Err(Error::Internal(format!("the engine's answer cannot be sent: {what} is not a JSON object; report the fault")))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::translate::response_from_pb;

    #[test]
    fn an_empty_response_is_valid_on_the_wire() {
        let wire = response_into_pb(Response::default()).unwrap();
        assert_eq!(wire.data, "null");
        assert!(wire.secret.is_none() && wire.auth.is_none() && wire.wrap_info.is_none());
    }

    #[test]
    fn a_secret_has_an_issue_time_and_no_lease_id() {
        let secret = Secret {
            ttl: Some(Duration::from_secs(60)),
            max_ttl: Some(Duration::MAX),
            renewable: true,
            internal_data: r#"{"secret_type":"token"}"#.into(),
        };
        let wire = response_into_pb(Response { secret: Some(secret), ..Response::default() }).unwrap();
        let secret = wire.secret.unwrap();
        let options = secret.lease_options.unwrap();
        assert_eq!((options.ttl, options.max_ttl, options.increment), (60_000_000_000, i64::MAX, 0));
        assert_eq!(options.issue_time.unwrap().seconds, -62_135_596_800);
        assert_eq!((secret.internal_data.as_str(), secret.lease_id.as_str()), (r#"{"secret_type":"token"}"#, ""));
    }

    #[test]
    fn only_json_objects_go_out_and_the_error_does_not_quote_the_text() {
        let with_data = |data: &str| response_into_pb(Response { data: Some(data.into()), ..Response::default() });
        for good in ["{}", "null", r#" {"a": [1.50, 12345678901234567890]} "#] {
            assert!(with_data(good).is_ok(), "{good}");
        }
        for bad in ["", "canary", "[1]", "1", "{", "}", r#"{"a":1"#] {
            let error = with_data(bad).map(|_| ()).unwrap_err();
            assert_eq!(
                error,
                Error::Internal(
                    "the engine's answer cannot be sent: response data is not a JSON object; report the fault".into()
                ),
                "{bad}"
            );
        }
        let secret = Secret { ttl: None, max_ttl: None, renewable: false, internal_data: "canary".into() };
        let error = response_into_pb(Response { secret: Some(secret), ..Response::default() }).map(|_| ()).unwrap_err();
        assert_eq!(
            error,
            Error::Internal(
                "the engine's answer cannot be sent: the lease's internal data is not a JSON object; report the fault"
                    .into()
            )
        );
    }

    proptest! {
        #[test]
        fn responses_survive_the_wire(
            key in "[a-z]{1,9}", text in ".*", warnings in proptest::collection::vec(".*", 0..3),
            ttl in proptest::option::of(1..i64::MAX as u64), max_ttl in proptest::option::of(1..i64::MAX as u64), renewable: bool, leased: bool,
        ) {
            let data = serde_json::json!({ key.clone(): text.clone() }).to_string();
            let secret = Secret {
                ttl: ttl.map(Duration::from_nanos),
                max_ttl: max_ttl.map(Duration::from_nanos),
                renewable,
                internal_data: data.clone(),
            };
            let make = || Response {
                data: Some(data.clone()),
                warnings: warnings.clone(),
                secret: leased.then(|| secret.clone()),
                headers: [(key.clone(), vec![text.clone()])].into(),
            };
            prop_assert!(response_from_pb(response_into_pb(make()).unwrap()) == make());
        }
    }
}
