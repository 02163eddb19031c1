//! Guests that exceed limits of the host, or whose answers break the contract.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use component_runtime::{InvokeError, Limits};

use crate::support::{
    MemoryStorage, answer, beside_a_neighbour, call, limits, load, mount, on_each_scheduler, runtime,
};

/// Checks the outcome of a rogue's request beside a neighbour, on each scheduler.
fn check(name: &str, path: &str, limits: &Limits, expected: &Result<String, InvokeError>) {
    on_each_scheduler(|| async {
        let runtime = runtime(limits.clone(), &[]);
        assert_eq!(&beside_a_neighbour(&runtime, name, path).await, expected, "{name} {path}");
    });
}

fn limit(text: &str) -> Result<String, InvokeError> {
    Err(InvokeError::Limit { limit: text.to_owned() })
}

fn contract(text: &str) -> Result<String, InvokeError> {
    Err(InvokeError::Contract(text.to_owned()))
}

/// Enough time for requests that reach another limit.
fn patient() -> Limits {
    Limits { processor_time: Duration::from_secs(30), ..limits() }
}

#[test]
fn storage_calls_are_counted() {
    let limits = Limits { storage_calls_max: 50, ..patient() };
    let told = "Error::Limit(\"limit of 50 storage calls reached\")";
    check("flood_storage", "x/small", &limits, &Ok(told.to_owned()));
}

#[test]
fn bytes_written_are_counted() {
    let limits = Limits { storage_bytes_max: 3 * 1024 * 1024, ..patient() };
    let told = "Error::Limit(\"limit of 3 MiB read from and written to storage reached\")";
    check("flood_storage", "x/large", &limits, &Ok(told.to_owned()));
}

#[test]
fn a_guest_that_is_deaf_to_its_limit_is_stopped() {
    let limits = Limits { storage_calls_max: 5, ..patient() };
    check("flood_storage", "x/deaf", &limits, &limit("5 storage calls"));
}

#[test]
fn names_and_keys_that_the_host_keeps_or_sends_to_the_server_have_a_length() {
    let name = "limit of 256 bytes for a name that the system view is asked for reached";
    let key = "limit of 4 KiB for a storage key reached";
    for (path, error, reason) in [
        ("x/entity", "Failed", name),
        ("x/policy", "Failed", name),
        ("x/after", "Limit", key),
        ("x/after_in_transaction", "Limit", key),
    ] {
        check("hoard", path, &patient(), &Ok(format!("Err(Error::{error}(\"{reason}\"))")));
    }
}

#[test]
fn names_listed_are_counted() {
    on_each_scheduler(|| async {
        let runtime = runtime(Limits { storage_keys_listed_max: 250, ..patient() }, &[]);
        let storage = Arc::new(MemoryStorage::default());
        storage.entries.lock().unwrap().extend((0..100).map(|number| (format!("many/{number}"), vec![])));
        let mount = mount(&runtime, "m", &storage);
        let module = load(&runtime, "list_everything").await;
        let told = answer(&module, &mount, "").await.unwrap();
        assert_eq!(told, "(200, Error::Limit(\"limit of 250 storage keys listed reached\"))");
    });
}

/// The ticking thread sleeps while no guest runs.
#[test]
fn a_guest_that_spins_after_a_rest_is_stopped_like_any() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let (spin, mount) = (load(&runtime, "spin").await, mount(&runtime, "m", &Arc::default()));
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(matches!(answer(&spin, &mount, "").await, Err(InvokeError::ProcessorTime(_))));
        }
    });
}

#[test]
fn handles_are_counted() {
    check("many_handles", "", &patient(), &limit("1024 resource handles"));
}

#[test]
fn open_transactions_are_counted() {
    let told = "(4, Error::Limit(\"limit of 4 open transactions reached\"))";
    check("many_transactions", "", &patient(), &Ok(told.to_owned()));
}

#[test]
fn the_bytes_that_a_host_call_copies_are_limited() {
    check("log_flood", "x/huge", &patient(), &limit("32 MiB copied in one host call"));
}

#[test]
fn http_fields_are_bounded() {
    check("giant_headers", "", &patient(), &limit("64 KiB of HTTP fields"));
}

#[test]
fn randomness_comes_in_small_pieces() {
    on_each_scheduler(|| async {
        let error = call(&runtime(patient(), &[]), "much_randomness", "").await.unwrap_err();
        assert!(matches!(&error, InvokeError::Trap(text) if text.contains("4096")), "{error:?}");
    });
}

#[test]
fn strings_beyond_the_guests_memory_are_refused() {
    for path in ["x/argument", "x/answer"] {
        on_each_scheduler(|| async {
            let error = beside_a_neighbour(&runtime(patient(), &[]), "forged_lengths", path).await.unwrap_err();
            let is_bounded = matches!(&error, InvokeError::Trap(_) | InvokeError::Limit { .. });
            assert!(is_bounded, "{path}: {error:?}");
            assert!(!error.to_string().contains("short"), "{error}");
        });
    }
}

#[test]
fn a_response_has_a_size() {
    let said = "a response of 9437192 bytes; at most 8 MiB";
    check("huge_answer", "", &patient(), &contract(said));
}

#[test]
fn a_response_that_is_not_json_is_refused_without_quoting_it() {
    check("invalid_json", "", &limits(), &contract("`data` is no JSON"));
}

#[test]
fn an_error_has_an_errors_code() {
    check("bad_code", "", &limits(), &contract("an error with code 200; 400 to 599 are errors"));
}

#[test]
fn headers_of_the_connection_are_not_the_guests() {
    check("forbidden_headers", "", &limits(), &Ok("(10, true)".to_owned()));
}
