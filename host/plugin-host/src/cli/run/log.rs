//! Log lines of modules and of their sandbox, on stderr.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::cli::output::printable;

/// Targets whose lines are shown from the level on. From the rest of the program only warnings are shown.
const SOURCES: [&str; 2] = ["guest", "component_runtime"];

/// Shows lines from this level on.
pub(super) fn install(level: LevelFilter) {
    let lines = tracing_subscriber::registry().with(Lines { level });
    // Fails if a test has installed a subscriber before.
    let _ = tracing::subscriber::set_global_default(lines);
}

struct Lines {
    level: LevelFilter,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let is_ours = SOURCES.iter().any(|source| metadata.target().starts_with(source));
        let most = if is_ours { self.level } else { self.level.min(LevelFilter::WARN) };
        *metadata.level() <= most
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let text = format!("[{}] {}{}", event.metadata().level(), line.message, line.fields);
        // An error on stderr has no other place to go.
        let _ = writeln!(std::io::stderr(), "{}", printable(&text).replace('\n', " "));
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            // There is one mount, one module and one request.
            "mount" | "request_id" | "source" => Ok(()),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}
