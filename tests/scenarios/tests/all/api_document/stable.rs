//! Makes recorded values the same in every run: times, addresses, secrets, random IDs.

use serde_json::{Map, Value};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// Start of the recorded time.
const BEGIN: &str = "2026-01-01T12:00:00Z";

/// Times are rounded to multiples of this; a recording takes much less.
const STEP: Duration = Duration::minutes(10);

/// Length of `2026-01-01T12:00:00`.
const SECONDS_LENGTH: usize = 19;

/// Replacement of the server's random lease IDs.
const LEASE: &str = "h4sKq8RzXb2Lw7TfNc9VmYd1";
const ACCESSOR: &str = "Pq7Zt3UeWn5Gx1KhRv6JcBd0";
const REQUEST_ID: &str = "6f1c2a9e-4b7d-4c58-9e03-d2a8b5f71c64";

/// Replaces the values that differ between runs.
pub(super) struct Stable {
    began: OffsetDateTime,
    words: Vec<(String, String)>,
}

impl Stable {
    /// The recorded time begins now. Each word is replaced by its partner.
    pub(super) fn new(words: Vec<(String, String)>) -> Self {
        Self { began: OffsetDateTime::now_utc(), words }
    }

    /// A value with all replacements.
    pub(super) fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect::<Vec<_>>().into(),
            Value::Object(object) => object
                .iter()
                .map(|(name, value)| (self.text(name), self.field(name, value)))
                .collect::<Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }

    /// Rounds seconds that run down, such as those until the next rotation. Replaces random names of the server, and
    /// removes secrets.
    fn field(&self, name: &str, value: &Value) -> Value {
        match (name, value) {
            ("ttl", Value::Number(seconds)) => {
                rounded(Duration::seconds(seconds.as_i64().unwrap_or_default())).whole_seconds().into()
            }
            ("lease_id", Value::String(id)) => self.text(&lease_id_replaced(id)).into(),
            ("accessor", Value::String(_)) => ACCESSOR.into(),
            ("request_id", Value::String(_)) => REQUEST_ID.into(),
            ("secret", Value::String(_)) => "…".into(),
            _ => self.value(value),
        }
    }

    /// A text with all replacements.
    pub(super) fn text(&self, text: &str) -> String {
        let known = self.words.iter().fold(text.to_owned(), |text, (word, other)| text.replace(word, other));
        skew_replaced(&hex_replaced(&self.times_replaced(&known)))
    }

    fn times_replaced(&self, text: &str) -> String {
        let mut replaced = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = time_length(rest);
            let time =
                length.and_then(|length| OffsetDateTime::parse(&rest[..length], &Rfc3339).ok().zip(Some(length)));
            if let Some((time, length)) = time {
                replaced.push_str(&self.shown(time, length - SECONDS_LENGTH - 1));
                rest = &rest[length..];
            } else {
                replaced.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        replaced
    }

    /// The recorded time, with as many characters of a fraction as the real one has.
    fn shown(&self, time: OffsetDateTime, fraction: usize) -> String {
        let begin = OffsetDateTime::parse(BEGIN, &Rfc3339).unwrap();
        let mut text = (begin + rounded(time - self.began)).format(&Rfc3339).unwrap();
        if fraction > 0 {
            text.insert_str(SECONDS_LENGTH, &format!(".{}", "0".repeat(fraction - 1)));
        }
        text
    }
}

fn rounded(duration: Duration) -> Duration {
    let (seconds, step) = (duration.whole_seconds(), STEP.whole_seconds());
    Duration::seconds((seconds + step / 2).div_euclid(step) * step)
}

/// The length of the time at the begin of a text, if there is one.
fn time_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if bytes.len() <= SECONDS_LENGTH || bytes[4] != b'-' || bytes[10] != b'T' || bytes[13] != b':' {
        return None;
    }
    let fraction = bytes[SECONDS_LENGTH..].iter().take_while(|byte| **byte == b'.' || byte.is_ascii_digit()).count();
    (bytes.get(SECONDS_LENGTH + fraction) == Some(&b'Z')).then_some(SECONDS_LENGTH + fraction + 1)
}

/// A lease ID with the mount `astra/` and a fixed last part.
fn lease_id_replaced(id: &str) -> String {
    let path = id.split_once('/').map_or(id, |(_, path)| path);
    let path = path.rsplit_once('/').map_or(path, |(path, _)| path);
    format!("astra/{path}/{LEASE}")
}

/// The clocks may be read a second apart although they agree.
fn skew_replaced(text: &str) -> String {
    let skew =
        text.split_once("Astra's clock is ").and_then(|(before, rest)| Some((before, rest.split_once(" ours")?)));
    match skew {
        Some((before, (_, after))) => format!("{before}Astra's clock is 0 s ahead of ours{after}"),
        None => text.to_owned(),
    }
}

/// Secrets and digests, of 64 digits, are cut. The random ends of marks and entries, of 32 digits, become zeros.
fn hex_replaced(text: &str) -> String {
    let mut replaced = String::new();
    let mut digits = String::new();
    for character in text.chars().chain([' ']) {
        if character.is_ascii_hexdigit() {
            digits.push(character);
            continue;
        }
        match digits.len() {
            64 => replaced.push_str("0123456789abcdef…"),
            32 => replaced.push_str(&"0".repeat(32)),
            _ => replaced.push_str(&digits),
        }
        digits.clear();
        replaced.push(character);
    }
    replaced.pop();
    replaced
}
