//! Guests that end badly: each fails its own request, with the right error, on any scheduler.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use component_runtime::{InvokeError, Limits, LoadError};
use envelope::Request;

use crate::support::{
    answer, beside_a_neighbour, first_refusal, limits, load, mount, on_each_scheduler, request, runtime, two_requests,
    wasm,
};

/// Checks the outcome of one request of a rogue on each scheduler.
fn check(name: &str, limits: &Limits, is_expected: fn(&InvokeError) -> bool) {
    on_each_scheduler(|| async {
        let runtime = runtime(limits.clone(), &[]);
        let error = beside_a_neighbour(&runtime, name, "").await.unwrap_err();
        assert!(is_expected(&error), "{name}: {error:?}");
    });
}

/// Little processor time, but enough for an honest guest.
fn impatient() -> Limits {
    Limits { processor_time: Duration::from_millis(300), ..limits() }
}

#[test]
fn a_guest_that_spins_is_stopped_by_its_processor_time() {
    check("spin", &impatient(), |error| *error == InvokeError::ProcessorTime(impatient().processor_time));
}

#[test]
fn a_guest_that_spins_in_describe_is_not_loaded() {
    on_each_scheduler(|| async {
        // A busy machine may need a multiple of the processor time.
        let limits = Limits { describe_deadline: Duration::from_secs(30), ..impatient() };
        let error = runtime(limits, &[]).load(&wasm("spin_in_describe")).await.err().unwrap();
        assert!(matches!(error, LoadError::Describe(InvokeError::ProcessorTime(_))), "{error}");
    });
}

#[test]
fn a_guest_that_sleeps_in_describe_is_not_loaded() {
    on_each_scheduler(|| async {
        let limits = Limits { describe_deadline: Duration::from_millis(300), ..limits() };
        let error = runtime(limits, &[]).load(&wasm("sleep_in_describe")).await.err().unwrap();
        let expected = InvokeError::Deadline(Duration::from_millis(300));
        assert!(matches!(&error, LoadError::Describe(late) if *late == expected), "{error}");
    });
}

#[test]
fn memory_has_a_limit_and_running_out_of_it_is_no_panic() {
    let limits = Limits { processor_time: Duration::from_secs(30), ..limits() };
    check("allocate", &limits, |error| *error == InvokeError::Limit { limit: "64 MiB of memory".into() });
}

#[test]
fn recursion_ends_with_the_stack() {
    check("recurse", &limits(), |error| match error {
        InvokeError::Limit { limit } => limit == "its call stack",
        InvokeError::Trap(text) => text.contains("out of bounds"),
        _ => false,
    });
}

#[test]
fn the_error_of_a_trap_names_functions_only() {
    check("trap", &limits(), |error| matches!(error, InvokeError::Trap(text) if text.contains("unreachable")));
}

#[test]
fn a_guest_that_sleeps_in_a_host_call_ends_at_the_deadline() {
    let limits = Limits { request_deadline: Duration::from_secs(2), ..limits() };
    check("sleep", &limits, |error| *error == InvokeError::Deadline(Duration::from_secs(2)));
}

#[test]
fn the_servers_own_deadline_counts_where_it_comes_first() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let (module, mount) = (load(&runtime, "sleep").await, mount(&runtime, "m", &Arc::default()));
        let soon = Request { timeout: Some(Duration::from_millis(50)), ..request("") };
        let error = module.handle_request(&mount, soon).await.err().unwrap();
        assert!(matches!(error, InvokeError::Deadline(allowed) if allowed == Duration::from_millis(50)), "{error:?}");
    });
}

#[test]
fn no_instance_is_made_for_a_path_without_an_existence_check() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let (module, mount) = (load(&runtime, "trap").await, mount(&runtime, "m", &Arc::default()));
        for path in ["", "checked", "checked/", "checked/a/b", "other/a"] {
            assert_eq!(module.check_existence(&mount, request(path)).await, Ok(None), "{path}");
        }
        for path in ["checked/a", "config"] {
            let error = module.check_existence(&mount, request(path)).await.err();
            assert!(matches!(error, Some(InvokeError::Trap(_))), "{path}: {error:?}");
        }
    });
}

#[test]
fn sleeping_is_not_processor_time() {
    on_each_scheduler(|| async {
        let limits =
            Limits { processor_time: Duration::from_millis(500), request_deadline: Duration::from_secs(2), ..limits() };
        let runtime = runtime(limits, &[]);
        let (module, mount) = (load(&runtime, "sleep").await, mount(&runtime, "m", &Arc::default()));
        assert!(matches!(answer(&module, &mount, "").await, Err(InvokeError::Deadline(_))));
    });
}

#[test]
fn a_flooded_mount_is_busy_and_others_are_not() {
    on_each_scheduler(|| async {
        let limits = Limits {
            requests_in_flight_max: 4,
            requests_guaranteed_per_mount: 1,
            permit_wait: Duration::from_millis(50),
            ..limits()
        };
        let runtime = runtime(limits, &[]);
        let (sleeper, good) = (load(&runtime, "sleep").await, load(&runtime, "good").await);
        let (flooded, other) = (mount(&runtime, "flooded", &Arc::default()), mount(&runtime, "other", &Arc::default()));
        let mut sleeping = two_requests(&sleeper, &flooded);
        let busy = first_refusal(&good, &flooded).await;
        assert_eq!(busy, InvokeError::Busy("requests in flight to this mount"));
        assert!(answer(&good, &other, "").await.is_ok());
        // A client that goes away ends its instance.
        sleeping.shutdown().await;
        assert!(answer(&good, &flooded, "").await.is_ok());
    });
}

#[test]
fn every_request_has_a_fresh_instance() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let (module, mount) = (load(&runtime, "keep_state").await, mount(&runtime, "m", &Arc::default()));
        for number in 0..5 {
            let data = format!("{{\"secret\":{number}}}");
            let response = module.handle_request(&mount, Request { data: data.clone(), ..request("") }).await;
            let seen = crate::support::result(response.unwrap().as_ref());
            assert_eq!(seen, format!("{:?}", [data]));
        }
    });
}

#[test]
fn memory_is_clean_when_the_next_guest_gets_it() {
    on_each_scheduler(|| async {
        // With one slot, both requests use the same memory.
        let limits = Limits { requests_in_flight_max: 1, processor_time: Duration::from_secs(30), ..limits() };
        let runtime = runtime(limits, &[]);
        let (module, mount) = (load(&runtime, "search_memory").await, mount(&runtime, "m", &Arc::default()));
        let before = answer(&module, &mount, "search").await.unwrap();
        assert_eq!(answer(&module, &mount, "fill").await.unwrap(), "(40000, 0)");
        for _ in 0..3 {
            assert_eq!(answer(&module, &mount, "search").await.unwrap(), before);
        }
        // The guest finds secrets that are there.
        let both = answer(&module, &mount, "both").await.unwrap();
        let found: usize = both.trim_matches(['(', ')']).split_once(", ").unwrap().1.parse().unwrap();
        assert!(found >= 40_000 * 32, "{both}, before {before}");
    });
}
