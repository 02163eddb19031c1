//! A `tracing` layer that writes lines: level, message, the fields of the event and those of its spans.

use std::fmt::Debug;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::line;
use super::queue::{Log, Source};

/// Libraries whose lines below warnings would show headers and bodies of requests.
const QUIET: [&str; 16] = [
    "aws_lc",
    "cranelift",
    "h2",
    "hickory",
    "http",
    "hyper",
    "mio",
    "regalloc",
    "reqwest",
    "rustls",
    "tokio",
    "tonic",
    "tower",
    "want",
    "wasmtime",
    "webpki",
];

/// The target of lines that guests wrote.
const GUEST_TARGET: &str = "guest";

/// Writes the lines at or above a level.
pub(super) struct Layer {
    level: LevelFilter,
    log: Log,
}

impl Layer {
    pub(super) fn new(level: LevelFilter, log: Log) -> Self {
        Self { level, log }
    }
}

/// The recorded fields of a span.
struct SpanFields(Fields);

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Layer {
    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        *metadata.level() <= self.level && (*metadata.level() <= Level::WARN || !is_quiet(metadata.target()))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(SpanFields(fields)) = span.extensions_mut().get_mut() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(SpanFields(outer)) = span.extensions().get() {
                fields.values.extend(outer.values.clone());
            }
        }
        event.record(&mut fields);
        let metadata = event.metadata();
        let source = source(metadata.target(), &fields.values);
        self.log.write(source, line::encode(*metadata.level(), metadata.target(), &fields.message, fields.values));
    }
}

/// The runtime writes the lines of guests with this target, and with the name of the mount as a field.
fn source(target: &str, fields: &Map<String, Value>) -> Source {
    if target != GUEST_TARGET {
        return Source::Host;
    }
    Source::Guest(fields.get("mount").and_then(Value::as_str).unwrap_or_default().to_owned())
}

fn is_quiet(target: &str) -> bool {
    let krate = target.split("::").next().unwrap_or(target);
    QUIET
        .iter()
        .any(|quiet| krate.strip_prefix(quiet).is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '2'])))
}

/// The recorded fields of an event, and its message.
#[derive(Default)]
struct Fields {
    message: String,
    values: Map<String, Value>,
}

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        self.values.insert(field.name().to_owned(), value);
    }

    /// Takes fields whose names are known only at run time, as one JSON object. Each becomes a field of the line, but
    /// replaces no field that is there.
    fn spread(&mut self, field: &Field, value: &str) {
        match serde_json::from_str(value) {
            Ok(Value::Object(inner)) => {
                for (name, value) in inner {
                    self.values.entry(name).or_insert(value);
                }
            }
            _ => self.set(field, value.into()),
        }
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            "fields" => self.spread(field, value),
            _ => self.set(field, value.into()),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::registry;

    use super::super::queue::testing::Written;
    use super::*;

    /// The lines that `work` logs at `level`.
    fn logged(level: LevelFilter, work: impl FnOnce()) -> Vec<Map<String, Value>> {
        let written = Written::default();
        let log = Log::start({
            let written = written.clone();
            move || written
        });
        tracing::subscriber::with_default(registry().with(Layer::new(level, log.clone())), work);
        log.flush();
        written.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn fields_known_at_run_time_become_fields_of_the_line() {
        let lines = logged(LevelFilter::INFO, || {
            tracing::info!(mount = "astra/", fields = r#"{"org":"o-1","mount":"forged","@level":"error"}"#, "made");
            tracing::info!(fields = "not an object", "made");
        });
        assert_eq!((&lines[0]["org"], &lines[0]["mount"]), (&"o-1".into(), &"astra/".into()));
        assert_eq!((&lines[0]["@level"], &lines[0]["@message"]), (&"info".into(), &"made".into()));
        assert!(!lines[0].contains_key("fields"));
        assert_eq!(lines[1]["fields"], "not an object");
    }

    #[test]
    fn a_line_has_the_fields_of_its_spans_and_of_the_event() {
        let lines = logged(LevelFilter::DEBUG, || {
            let span = tracing::info_span!("request", mount = "astra/", outcome = tracing::field::Empty);
            span.record("outcome", "ok");
            let _entered = span.enter();
            tracing::debug!(elapsed_ms = 5, error = ?"x", truth = true, "{} done", 1);
            tracing::trace!("too fine");
        });
        assert_eq!(lines.len(), 1);
        let expected = [
            ("@level", Value::from("debug")),
            ("@message", "1 done".into()),
            ("mount", "astra/".into()),
            ("outcome", "ok".into()),
            ("elapsed_ms", 5.into()),
            ("error", "\"x\"".into()),
            ("truth", true.into()),
        ];
        for (key, value) in expected {
            assert_eq!(lines[0][key], value, "{key}");
        }
    }

    #[test]
    fn a_line_of_a_guest_counts_as_its_mounts() {
        let fields = |text| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        let mount = |source| match source {
            Source::Guest(mount) => Some(mount),
            Source::Host => None,
        };
        assert_eq!(mount(source("guest", &fields(r#"{"mount":"a/"}"#))), Some("a/".to_owned()));
        assert_eq!(mount(source("guest", &fields("{}"))), Some(String::new()));
        assert_eq!(mount(source("plugin_host::bridge", &fields(r#"{"mount":"a/"}"#))), None);
    }

    #[test]
    fn a_message_that_is_no_text_becomes_text() {
        let lines = logged(LevelFilter::INFO, || tracing::info!(message = 5));
        assert!(lines[0]["@message"].is_string());
    }

    #[test]
    fn lines_of_libraries_are_written_only_from_warnings_on() {
        let lines = logged(LevelFilter::TRACE, || {
            tracing::debug!(target: "h2::codec", "headers");
            tracing::info!(target: "hyper_util::client", "headers");
            tracing::warn!(target: "rustls::conn", "alert");
            tracing::trace!(target: "plugin_protocol", "own");
            tracing::trace!(target: "h2o_engine", "another's");
        });
        let messages: Vec<_> = lines.iter().map(|line| line["@message"].as_str().unwrap()).collect();
        assert_eq!(messages, ["alert", "own", "another's"]);
    }
}
