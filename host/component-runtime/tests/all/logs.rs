//! Log lines of guests: limited, one line each, and the message of a panic only in the log.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use component_runtime::{InvokeError, Limits};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::support::{answer, call, limits, load, mount, runtime};

/// Keeps the events of the current thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl<S: tracing::Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let target = event.metadata().target();
        if target == "guest" || target.starts_with("component_runtime") {
            let mut text = Text(format!("{target} "));
            event.record(&mut text);
            self.0.lock().unwrap().push(text.0);
        }
    }
}

/// The log lines of one request, on one thread.
fn logged(limits: Limits, name: &str, path: &str) -> (Vec<String>, Result<String, InvokeError>) {
    logged_by(async { call(&runtime(limits, &[]), name, path).await })
}

/// The log lines of this work, on one thread.
fn logged_by<T>(work: impl Future<Output = T>) -> (Vec<String>, T) {
    let log = Log::default();
    let subscriber = tracing_subscriber::registry().with(log.clone());
    let _scope = tracing::subscriber::set_default(subscriber);
    let scheduler = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = scheduler.block_on(work);
    let lines = std::mem::take(&mut *log.0.lock().unwrap());
    (lines, outcome)
}

#[test]
fn a_panic_is_reported_and_its_message_stays_in_the_log() {
    let (lines, outcome) = logged(limits(), "panic", "");
    let error = outcome.unwrap_err();
    assert!(matches!(&error, InvokeError::Trap(text) if text.starts_with("panicked")), "{error:?}");
    assert!(!error.to_string().contains("canary") && !error.to_error(Some("r")).to_string().contains("canary"));
    assert!(lines.iter().any(|line| line.contains("canary-panic-message")), "{lines:?}");
}

#[test]
fn a_flood_is_cut_and_counted() {
    let limits = Limits { log_lines_max: 10, ..limits() };
    let (lines, outcome) = logged(limits, "log_flood", "");
    assert!(outcome.is_ok());
    let of_guest: Vec<_> = lines.iter().filter(|line| line.starts_with("guest ")).collect();
    assert_eq!(of_guest.len(), 10);
    for line in of_guest {
        assert!(!line.contains('\n') && line.contains("source=\"guest\"") && line.contains("request_id=\"request-1\""));
    }
    assert!(lines.iter().any(|line| line.contains("dropped=991")), "{lines:?}");
}

#[test]
fn a_flood_of_requests_that_are_cut_does_not_flood_the_log_with_lines_of_the_host() {
    // Three lines, which do not come back within the test.
    let limits = Limits { log_lines_max: 1, host_log_bytes_per_second: 0, host_log_burst_bytes: 3 * 256, ..limits() };
    let (lines, outcome) = logged_by(async {
        let runtime = runtime(limits, &[]);
        let (module, mount) = (load(&runtime, "log_flood").await, mount(&runtime, "m", &Arc::default()));
        for _ in 0..10 {
            answer(&module, &mount, "").await?;
        }
        answer(&module, &mount, "").await
    });
    assert!(outcome.is_ok());
    let of_host = lines.iter().filter(|line| line.contains("of the component beyond its limit were dropped"));
    assert_eq!(of_host.count(), 3, "{lines:?}");
}

#[test]
fn a_long_line_is_cut() {
    let limits = Limits { log_lines_max: 10_000, log_lines_per_second_max: 10_000, ..limits() };
    let max = limits.log_line_bytes_max;
    let (lines, outcome) = logged(limits, "log_flood", "");
    assert!(outcome.is_ok());
    let longest = lines.iter().map(String::len).max().unwrap();
    assert!(longest > max / 2 && longest < max + 200, "{longest}");
}

#[test]
fn inert_imports_give_nothing_and_output_is_logged() {
    let (lines, outcome) = logged(limits(), "standard_streams", "out/first\n\n  second");
    assert_eq!(outcome.unwrap(), "0", "no variable, argument, folder, file, input or terminal");
    let said: Vec<_> = lines.iter().filter(|line| line.starts_with("guest ")).collect();
    assert_eq!(said.len(), 2, "{lines:?}");
    assert!(said[0].contains("message=first ") && said[1].contains("message=  second "), "{said:?}");
    let (lines, outcome) = logged(limits(), "standard_streams", "much/");
    assert_eq!(outcome.unwrap(), "0", "a guest that writes much is no worse for it");
    assert!(
        lines.iter().any(|line| line.contains("output beyond its limit") && line.contains("dropped=753664")),
        "{lines:?}"
    );
}

#[test]
fn an_exit_is_a_trap_and_a_panic_on_standard_error_is_one() {
    let (_, outcome) = logged(limits(), "standard_streams", "exit/");
    assert!(matches!(&outcome, Err(InvokeError::Trap(text)) if text.contains("`exit` with status 1")), "{outcome:?}");
    let (lines, outcome) =
        logged(limits(), "standard_streams", "panic/thread '<unnamed>' (1) panicked at src/lib.rs:1:1:\nno");
    assert!(matches!(&outcome, Err(InvokeError::Trap(text)) if text.starts_with("panicked")), "{outcome:?}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("guest ")).count(), 2, "{lines:?}");
}
