//! Keeps all that the runtime and its guests log in this process, at every
//! level, to be looked through for secrets.

use std::fmt::{self, Write as _};
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

static LINES: Mutex<String> = Mutex::new(String::new());

/// Begins; further calls do nothing.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Capture);
        // Somebody else's subscriber would mean that nothing is looked through.
        assert!(tracing::subscriber::set_global_default(subscriber).is_ok(), "there is another log subscriber");
    });
}

/// All lines so far.
pub(super) fn text() -> String {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push_str(&line.0);
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}
