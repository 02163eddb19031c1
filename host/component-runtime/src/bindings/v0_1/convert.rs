//! Converts requests and responses to the WIT and back, and checks that a guest keeps its contract.
//!
//! No answer of a guest is trusted: JSON must parse, codes and durations must be in range, sizes within limits.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use envelope::{Error, Lease, Operation, Request, Response, Secret, SpecialPaths};
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroize;

use super::generated::exports::secrets_engine::backend::backend::Description as WitDescription;
use super::generated::secrets_engine::backend::types as wit;
use crate::limits::{Limits, bytes_text};
use crate::memory_account::Held;
use crate::weight::response_weight;
use crate::{Description, InvokeError, METRICS_PATH, RESERVED_PATH, StorageVersions};

/// JSON for "nothing", as a request without data has it.
const NO_DATA: &str = "null";
/// The server keeps durations as signed nanoseconds.
const DURATION_NS_MAX: u64 = i64::MAX as u64;
/// Bytes of name, version and each path of a description.
const DESCRIPTION_TEXT_BYTES_MAX: usize = 1_024;
/// Entries of each list of a description.
const DESCRIPTION_ENTRIES_MAX: usize = 1_000;

/// A request for a guest. The drop clears the memory of fields that may be secret.
pub(crate) struct WitRequest(pub(crate) wit::Request);

impl Drop for WitRequest {
    fn drop(&mut self) {
        self.0.data.zeroize();
        if let Some(lease) = &mut self.0.lease {
            lease.internal_data.zeroize();
        }
    }
}

/// Moves the fields, so that no copy of a secret stays behind.
pub(crate) fn into_wit(mut request: Request) -> WitRequest {
    drop_lease_data(&mut request);
    WitRequest(wit::Request {
        id: request.id.unwrap_or_default(),
        operation: operation(request.operation),
        path: request.path,
        data: request.data,
        mount_point: request.mount_point,
        identity: wit::Identity {
            display_name: request.identity.display_name,
            entity_id: request.identity.entity_id,
            token_accessor: request.identity.token_accessor,
            remote_address: request.identity.remote_address,
        },
        lease: request.lease.map(lease),
        headers: request.headers.into_iter().collect(),
    })
}

/// On renew and revoke the server sends the data that it stored with the lease: the answer that made the lease, with its
/// secrets in clear. No guest gets them, whatever its engine declares: `lease.internal-data` is what an engine keeps.
fn drop_lease_data(request: &mut Request) {
    if request.lease.is_some() || matches!(request.operation, Operation::Renew | Operation::Revoke) {
        request.data.zeroize();
        request.data.push_str(NO_DATA);
    }
}

fn operation(operation: Operation) -> wit::Operation {
    match operation {
        Operation::Create => wit::Operation::Create,
        Operation::Read => wit::Operation::Read,
        Operation::Update => wit::Operation::Update,
        Operation::Patch => wit::Operation::Patch,
        Operation::Delete => wit::Operation::Delete,
        Operation::List => wit::Operation::List,
        Operation::Help => wit::Operation::Help,
        Operation::Renew => wit::Operation::Renew,
        Operation::Revoke => wit::Operation::Revoke,
        Operation::Rollback => wit::Operation::Rollback,
    }
}

fn lease(lease: Lease) -> wit::Lease {
    wit::Lease {
        id: lease.id.unwrap_or_default(),
        issue_time: unix_seconds(lease.issue_time),
        ttl: nanoseconds(lease.ttl),
        max_ttl: nanoseconds(lease.max_ttl.unwrap_or_default()),
        increment: nanoseconds(lease.increment.unwrap_or_default()),
        renewable: lease.renewable,
        internal_data: lease.internal_data,
    }
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(DURATION_NS_MAX).min(DURATION_NS_MAX)
}

/// A guest's answer to `handle-request`, checked. `held` becomes its memory.
///
/// # Errors
/// The guest's own error, `Contract`, or the limit of memory.
pub(crate) fn check_response(
    answer: Result<Option<wit::Response>, wit::Error>,
    held: &mut Held,
    limits: &Limits,
) -> Result<Option<Response>, InvokeError> {
    let answer = answer.map_err(|error| check_error(error, limits))?;
    let Some(mut response) = answer.map(from_wit) else { return Ok(None) };
    let checked = check(&response, held, limits);
    if checked.is_err() {
        wipe(&mut response);
    }
    checked.map(|()| Some(response))
}

/// A guest's answer to `check-existence`, checked.
///
/// # Errors
/// The guest's own error, or `Contract`.
pub(crate) fn check_existence(
    answer: Result<Option<bool>, wit::Error>,
    limits: &Limits,
) -> Result<Option<bool>, InvokeError> {
    answer.map_err(|error| check_error(error, limits))
}

fn check(response: &Response, held: &mut Held, limits: &Limits) -> Result<(), InvokeError> {
    let bytes = response_weight(response);
    // Twice: the guest's text, and the checked value that is sent.
    held.resize(2 * bytes)?;
    if bytes > limits.response_bytes_max {
        let max = bytes_text(limits.response_bytes_max);
        return Err(InvokeError::Contract(format!("a response of {bytes} bytes; at most {max}")));
    }
    check_content(response).map_err(InvokeError::Contract)
}

fn check_content(response: &Response) -> Result<(), String> {
    if let Some(data) = &response.data {
        check_object::<IgnoredAny>(data, "data")?;
    }
    let Some(secret) = &response.secret else { return Ok(()) };
    check_object::<SecretKind<'_>>(&secret.internal_data, "secret.internal-data")?;
    for (duration, name) in [(secret.ttl, "secret.ttl"), (secret.max_ttl, "secret.max-ttl")] {
        let nanoseconds = duration.unwrap_or_default().as_nanos();
        if nanoseconds > DURATION_NS_MAX.into() {
            return Err(format!("`{name}` is {nanoseconds} ns; at most {DURATION_NS_MAX}"));
        }
    }
    Ok(())
}

/// The required field of internal data.
#[derive(Deserialize)]
struct SecretKind<'a> {
    #[serde(borrow, rename = "secret_type")]
    _secret_type: Cow<'a, str>,
}

/// Checks JSON without a copy, so that no secret remains in memory. Drops the parser's error text, which may quote the
/// data.
fn check_object<'a, T: Deserialize<'a>>(text: &'a str, name: &str) -> Result<(), String> {
    if !text.trim_ascii_start().starts_with('{') {
        return Err(format!("`{name}` is no JSON object"));
    }
    serde_json::from_str::<T>(text).map(drop).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => format!("`{name}` is a JSON object without a text `secret_type`"),
        _ => format!("`{name}` is no JSON"),
    })
}

fn wipe(response: &mut Response) {
    response.data.zeroize();
    if let Some(secret) = &mut response.secret {
        secret.internal_data.zeroize();
    }
}

fn from_wit(response: wit::Response) -> Response {
    Response {
        data: response.data,
        warnings: response.warnings,
        secret: response.secret.map(|secret| Secret {
            ttl: some_nanoseconds(secret.ttl),
            max_ttl: some_nanoseconds(secret.max_ttl),
            renewable: secret.renewable,
            internal_data: secret.internal_data,
        }),
        headers: response.headers.into_iter().collect(),
    }
}

/// A time of the WIT, in which 0 means none.
fn some_nanoseconds(nanoseconds: u64) -> Option<Duration> {
    (nanoseconds > 0).then(|| Duration::from_nanos(nanoseconds))
}

fn check_error(error: wit::Error, limits: &Limits) -> InvokeError {
    let error = match error {
        wit::Error::Plain(text) => Error::Plain(text),
        wit::Error::User(text) => Error::User(text),
        wit::Error::Internal(text) => Error::Internal(text),
        wit::Error::Coded(coded) if !(400..600).contains(&coded.code) => {
            return InvokeError::Contract(format!("an error with code {}; 400 to 599 are errors", coded.code));
        }
        wit::Error::Coded(coded) => Error::Coded { code: coded.code, message: coded.message },
        wit::Error::BadRequest(text) => Error::BadRequest(text),
        wit::Error::UnsupportedOperation => Error::UnsupportedOperation,
        wit::Error::UnsupportedPath => Error::UnsupportedPath,
        wit::Error::InvalidRequest => Error::InvalidRequest,
        wit::Error::PermissionDenied => Error::PermissionDenied,
        wit::Error::MultiAuthzPending => Error::MultiAuthzPending,
        wit::Error::Unrecoverable => Error::Unrecoverable,
    };
    let bytes = error.to_string().len();
    if bytes > limits.error_bytes_max {
        return InvokeError::Contract(format!(
            "an error of {bytes} bytes; at most {}",
            bytes_text(limits.error_bytes_max)
        ));
    }
    InvokeError::Guest(error)
}

/// The description of a guest, checked.
///
/// # Errors
/// `Contract`.
pub(crate) fn check_description(description: WitDescription) -> Result<Description, InvokeError> {
    let description = Description {
        name: description.name,
        version: description.version,
        special_paths: SpecialPaths {
            root: description.special_paths.root,
            unauthenticated: description.special_paths.unauthenticated,
            local_storage: description.special_paths.local_storage,
            seal_wrap_storage: description.special_paths.seal_wrap_storage,
        },
        secret_kinds: description.secret_kinds,
        storage_versions: StorageVersions {
            written: description.storage_versions.written,
            readable_from: description.storage_versions.readable_from,
        },
    };
    let paths = &description.special_paths;
    let lists = [&paths.root, &paths.unauthenticated, &paths.local_storage, &paths.seal_wrap_storage];
    let lists = lists.into_iter().chain([&description.secret_kinds]);
    let too_long = |text: &String| text.len() > DESCRIPTION_TEXT_BYTES_MAX;
    let opens_the_hosts = |pattern: &&String| opens_host_path(pattern);
    let broken = if description.name.is_empty() || too_long(&description.name) {
        "`name` is empty or too long"
    } else if !is_version(&description.version) {
        "`version` is not `MAJOR.MINOR.PATCH` without a leading `v`"
    } else if lists.into_iter().any(|list| list.len() > DESCRIPTION_ENTRIES_MAX || list.iter().any(too_long)) {
        "a list of `description` is too long"
    } else if description.storage_versions.readable_from > description.storage_versions.written {
        "`storage-versions.readable-from` is above `written`"
    } else if let Some(pattern) = paths.unauthenticated.iter().find(opens_the_hosts) {
        let text = format!(
            "`special-paths.unauthenticated` has `{pattern}`, which opens `{RESERVED_PATH}` or `{METRICS_PATH}`, paths of \
             the host"
        );
        return Err(InvokeError::Contract(text));
    } else {
        return Ok(description);
    };
    Err(InvokeError::Contract(broken.into()))
}

/// Does the pattern match a path of the host? In the server's patterns a final `*` matches any end, and a segment `+`
/// matches any segment.
fn opens_host_path(pattern: &str) -> bool {
    let (first, is_prefix) = match pattern.split_once('/') {
        Some((first, _)) => (first, false),
        None => pattern.strip_suffix('*').map_or((pattern, false), |prefix| (prefix, true)),
    };
    let opens = |path: &str| first == path || (is_prefix && path.starts_with(first));
    first == "+" || opens(RESERVED_PATH) || opens(METRICS_PATH)
}

fn is_version(text: &str) -> bool {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<_> = core.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= DESCRIPTION_TEXT_BYTES_MAX && numbers.len() == 3 && numbers.iter().all(is_number)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::super::generated::exports::secrets_engine::backend::backend::{
        SpecialPaths as WitSpecialPaths, StorageVersions as WitStorageVersions,
    };
    use super::*;
    use crate::memory_account::Account;

    fn response(data: &str) -> wit::Response {
        wit::Response { data: Some(data.into()), warnings: vec![], secret: None, headers: vec![] }
    }

    fn leased(internal_data: &str, ttl: u64) -> wit::Response {
        let secret = wit::Secret { ttl, max_ttl: 0, renewable: true, internal_data: internal_data.into() };
        wit::Response { secret: Some(secret), ..response("{}") }
    }

    fn checked(response: wit::Response) -> Result<Option<Response>, InvokeError> {
        checked_by(Ok(Some(response)), &Limits::default())
    }

    fn checked_by(
        answer: Result<Option<wit::Response>, wit::Error>,
        limits: &Limits,
    ) -> Result<Option<Response>, InvokeError> {
        check_response(answer, &mut Account::for_tests().nothing(), limits)
    }

    #[test]
    fn no_pattern_opens_the_hosts_paths() {
        for pattern in
            ["module", "module/*", "module/use", "*", "mod*", "module*", "+", "+/use", "+/*", "metrics", "met*"]
        {
            assert!(opens_host_path(pattern), "{pattern}");
        }
        for pattern in ["modules", "modules*", "modul", "ca/+", "login/*", "a*", "issuer/+/pem", "x/module"] {
            assert!(!opens_host_path(pattern), "{pattern}");
        }
    }

    #[test]
    fn valid_responses_pass_unchanged() {
        let answer = checked(leased(r#"{"secret_type":"astra\u005ftoken","n":1}"#, 5)).unwrap().unwrap();
        assert_eq!(answer.data.as_deref(), Some("{}"));
        assert_eq!(answer.secret.unwrap().ttl, Some(Duration::from_nanos(5)));
        assert!(checked(response(" {\"a\": [1, null]} ")).is_ok());
        assert!(checked_by(Ok(None), &Limits::default()).unwrap().is_none());
    }

    #[test]
    fn broken_contracts_are_named_without_quoting_the_data() {
        let rows = [
            (response("hunter2"), "`data` is no JSON object"),
            (response("[1]"), "`data` is no JSON object"),
            (response("{\"a\": hunter2}"), "`data` is no JSON"),
            (response("{} hunter2"), "`data` is no JSON"),
            (response(&format!("{{\"a\":{}", "[".repeat(1000))), "`data` is no JSON"),
            (leased("null", 0), "`secret.internal-data` is no JSON object"),
            (leased("{}", 0), "`secret.internal-data` is a JSON object without a text `secret_type`"),
            (leased(r#"{"secret_type":7}"#, 0), "`secret.internal-data` is a JSON object without a text `secret_type`"),
            (
                leased(r#"{"secret_type":"t"}"#, u64::MAX),
                "`secret.ttl` is 18446744073709551615 ns; at most 9223372036854775807",
            ),
        ];
        for (response, expected) in rows {
            assert_eq!(checked(response).err(), Some(InvokeError::Contract(expected.into())));
        }
    }

    #[test]
    fn a_response_and_an_error_have_a_largest_size() {
        let limits = Limits { response_bytes_max: 10, error_bytes_max: 3, ..Limits::default() };
        let refused = checked_by(Ok(Some(response("{\"a\": 12345}"))), &limits).err();
        assert_eq!(refused, Some(InvokeError::Contract("a response of 12 bytes; at most 10 bytes".into())));
        let warned = wit::Response { warnings: vec![String::new()], ..response("{}") };
        let refused = checked_by(Ok(Some(warned)), &limits).err();
        assert_eq!(refused, Some(InvokeError::Contract("a response of 130 bytes; at most 10 bytes".into())));
        let refused = checked_by(Err(wit::Error::Internal("long".into())), &limits).err();
        assert_eq!(refused, Some(InvokeError::Contract("an error of 4 bytes; at most 3 bytes".into())));
    }

    #[test]
    fn an_error_needs_a_code_from_400_to_599() {
        let coded = |code| Err(wit::Error::Coded(wit::CodedError { code, message: "m".into() }));
        for code in [400, 409, 599] {
            let expected = Error::Coded { code, message: "m".into() };
            assert_eq!(checked_by(coded(code), &Limits::default()).err(), Some(InvokeError::Guest(expected)));
        }
        for code in [0, 200, 399, 600, u16::MAX] {
            assert!(matches!(check_existence(coded_bool(code), &Limits::default()), Err(InvokeError::Contract(_))));
        }
    }

    fn coded_bool(code: u16) -> Result<Option<bool>, wit::Error> {
        Err(wit::Error::Coded(wit::CodedError { code, message: "m".into() }))
    }

    fn description(written: u32, readable_from: u32) -> WitDescription {
        WitDescription {
            name: "toy".into(),
            version: "1.2.3".into(),
            special_paths: WitSpecialPaths {
                root: vec![],
                unauthenticated: vec![],
                local_storage: vec![],
                seal_wrap_storage: vec![],
            },
            secret_kinds: vec![],
            storage_versions: WitStorageVersions { written, readable_from },
        }
    }

    #[test]
    fn an_engine_reads_what_it_writes() {
        for (written, readable_from) in [(0, 0), (3, 0), (u32::MAX, u32::MAX)] {
            let checked = check_description(description(written, readable_from)).unwrap();
            assert_eq!(checked.storage_versions, StorageVersions { written, readable_from });
        }
        for (written, readable_from) in [(0, 1), (3, 4)] {
            let expected = InvokeError::Contract("`storage-versions.readable-from` is above `written`".into());
            assert_eq!(check_description(description(written, readable_from)).err(), Some(expected));
        }
    }

    #[test]
    fn versions_are_semantic_and_bare() {
        for good in ["3.0.0", "1.2.3-rc.1", "0.1.0+build"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "v3.0.0", "3.0", "3.0.0.0", "3..0", "a.b.c"] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
