//! Keeps all that the runtime and its guests log in this process, at every
//! level, to be looked through for secrets.

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

/// Begins; further calls do nothing.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Capture);
        // Somebody else's subscriber would mean that nothing is looked through.
        assert!(tracing::subscriber::set_global_default(subscriber).is_ok(), "there is another log subscriber");
    });
}

/// One mount of this process. Mounts of other tests run side by side and log to the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source(u32);

impl Source {
    /// One that no other mount has.
    pub(super) fn new() -> Self {
        static SOURCES: AtomicU32 = AtomicU32::new(0);
        Self(SOURCES.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs a call whose lines are this source's. A guest runs, and logs, on the thread that waits for its answer.
    pub(super) fn run<T>(self, call: impl FnOnce() -> T) -> T {
        CURRENT.set(Some(self));
        let answer = call();
        CURRENT.set(None);
        answer
    }

    /// This source's lines so far, and those of no certain source.
    pub(super) fn text(self) -> String {
        let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|(source, _)| source.is_none_or(|of| of == self)).map(|(_, line)| line.as_str()).collect()
    }
}

struct Capture;

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Of the libraries below only ours is known to be worth its lines.
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
