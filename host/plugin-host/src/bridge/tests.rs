#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::*;
use crate::host_paths::tests::mount;

/// Keeps the lines of this crate.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("plugin_host") {
            let mut text = Text(String::new());
            event.record(&mut text);
            self.0.lock().unwrap().push(text.0);
        }
    }
}

#[test]
fn failed_requests_of_a_mount_have_a_rate_and_their_paths_a_length() {
    let lines = Lines::default();
    let _scope = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    // Three lines, which do not come back within the test.
    let limits = Limits { host_log_bytes_per_second: 0, host_log_burst_bytes: 4_000, ..Limits::default() };
    let (_runtime, mount) = mount(limits);
    let request = Request::new(Operation::Read, "ü".repeat(4_000), "{}");
    for _ in 0..10 {
        let failed: Result<(), _> = Err(ServeError::Invoke(InvokeError::Trap("unreachable".to_owned())));
        RequestLine::new(&request, "handle-request").log(failed, &mount).unwrap_err();
    }
    let lines = lines.0.lock().unwrap();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("ü… (cut)") && line.len() < 1_500), "{lines:?}");
}
