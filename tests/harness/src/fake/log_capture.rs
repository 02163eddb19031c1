//! Keeps all log lines of the runtime and its guests in this process, at every level, so that tests can search them for
//! secrets.

use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

static LINES: Mutex<Vec<(Option<Source>, String)>> = Mutex::new(Vec::new());

thread_local! {
    static CURRENT: Cell<Option<Source>> = const { Cell::new(None) };
}

/// Begins the capture. Further calls do nothing.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Capture);
        // With another subscriber, nothing would be searched.
        assert!(tracing::subscriber::set_global_default(subscriber).is_ok(), "there is another log subscriber");
    });
}

/// The source of lines: one mount of this process. Mounts of other tests run at the same time and log to the same
/// place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source(u32);

impl Source {
    /// A source that no other mount has.
    pub(super) fn new() -> Self {
        static SOURCES: AtomicU32 = AtomicU32::new(0);
        Self(SOURCES.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs a call whose lines belong to this source. A guest runs, and logs, on the thread that waits for its answer.
    pub(super) fn run<T>(self, call: impl FnOnce() -> T) -> T {
        CURRENT.set(Some(self));
        let answer = call();
        CURRENT.set(None);
        answer
    }

    /// This source's lines so far, and those without a known source.
    pub(super) fn text(self) -> String {
        let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|(source, _)| source.is_none_or(|of| of == self)).map(|(_, line)| line.as_str()).collect()
    }
}

struct Capture;

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Among the libraries, only ours has lines worth searching.
        if !["component_runtime", "guest"].iter().any(|prefix| event.metadata().target().starts_with(prefix)) {
            return;
        }
        let mut line = Line(format!("{} ", event.metadata().level()));
        event.record(&mut line);
        line.0.push('\n');
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push((CURRENT.get(), line.0));
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}
