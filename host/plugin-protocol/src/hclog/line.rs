//! Encodes one log line as hclog's JSON (go-plugin `log_entry.go`).
//!
//! The server panics on a line whose `@message`, `@level` or `@timestamp` is no string, so the encoder writes these
//! keys and lets no field replace them.

use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::Level;

use crate::limits::{LOG_LINE_BYTES_MAX, LOG_TEXT_BYTES_MAX};

/// Encodes a line, with its newline. A line that is too long is cut, and has the field `truncated`.
pub(crate) fn encode(
    level: Level,
    module: &str,
    message: &str,
    fields: impl IntoIterator<Item = (String, Value)>,
) -> Vec<u8> {
    let now = SystemTime::now();
    let line = encode_at(now, level, module, message, fields);
    if line.len() <= LOG_LINE_BYTES_MAX {
        return line;
    }
    let cut = [("truncated".to_owned(), Value::Bool(true))];
    encode_at(now, level, cut_text(module), cut_text(message), cut)
}

fn encode_at(
    time: SystemTime,
    level: Level,
    module: &str,
    message: &str,
    fields: impl IntoIterator<Item = (String, Value)>,
) -> Vec<u8> {
    let mut line = Map::new();
    for (name, value) in fields {
        // The server's own keys start with `@`.
        line.insert(name.trim_start_matches('@').to_owned(), value);
    }
    line.insert("@level".into(), level_name(level).into());
    line.insert("@message".into(), message.into());
    line.insert("@module".into(), module.into());
    line.insert("@timestamp".into(), timestamp(time).into());
    let mut text = Value::Object(line).to_string().into_bytes();
    text.push(b'\n');
    text
}

/// The start of a text, up to the limit for one text.
pub(super) fn cut_text(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LOG_TEXT_BYTES_MAX)).unwrap_or_default()
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::TRACE => "trace",
        Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warn",
        Level::ERROR => "error",
    }
}

/// Exactly six digits of a second: otherwise the server takes the line for plain text.
fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_micros(time.max(SystemTime::UNIX_EPOCH)).to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn timestamps_have_six_digits() {
        let at = |seconds, nanos| timestamp(SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos));
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(at(1_709_210_096, 7_999), "2024-02-29T12:34:56.000007Z");
        assert_eq!(at(1_798_761_599, 999_999_999), "2026-12-31T23:59:59.999999Z");
    }

    #[test]
    fn fields_cannot_replace_the_servers_own() {
        let fields = [("@message".to_owned(), 5.into()), ("@@level".to_owned(), Value::Null)];
        let line = encode(Level::INFO, "module", "text\nwith \"quotes\"", fields);
        let line: Map<String, Value> = serde_json::from_slice(&line).unwrap();
        assert_eq!(line["@message"], "text\nwith \"quotes\"");
        assert_eq!((&line["@level"], &line["message"], &line["level"]), (&"info".into(), &5.into(), &Value::Null));
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_marked() {
        // Control characters grow sixfold.
        for text in ["x".repeat(LOG_LINE_BYTES_MAX), "\u{1}".repeat(1 << 20), "é".repeat(1 << 16)] {
            for (message, field) in [(&*text, ""), ("short", &*text), (&*text, &*text)] {
                let line = encode(Level::WARN, "m", message, [("field".to_owned(), field.into())]);
                assert!(line.len() <= LOG_LINE_BYTES_MAX, "{}", line.len());
                let line: Map<String, Value> = serde_json::from_slice(&line).unwrap();
                assert_eq!(line["truncated"], true);
                assert!(message.starts_with(line["@message"].as_str().unwrap()));
            }
        }
    }

    proptest! {
        #[test]
        fn every_line_is_one_object_with_string_keys(message in ".*", name in ".*", value in ".*") {
            let line = encode(Level::ERROR, "m", &message, [(name, Value::from(value))]);
            prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            let line: Map<String, Value> = serde_json::from_slice(&line).unwrap();
            for key in ["@level", "@message", "@module", "@timestamp"] {
                prop_assert!(line[key].is_string(), "{}", key);
            }
        }
    }
}
