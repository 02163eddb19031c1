//! Fields of stored JSON objects: each is read leniently, because an entry of the Go plugin or of a damaged mount must
//! not stop the engine.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::names::AstraRoleId;

/// Takes a text out of stored JSON; empty where there is none.
pub(crate) fn take_text(map: &mut Map<String, Value>, name: &str) -> String {
    match map.remove(name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}

/// Takes Astra role IDs out of stored JSON.
pub(crate) fn take_role_ids(map: &mut Map<String, Value>, name: &str) -> Vec<AstraRoleId> {
    let Some(Value::Array(values)) = map.remove(name) else { return Vec::new() };
    values.iter().filter_map(Value::as_str).map(AstraRoleId::stored).collect()
}

/// Takes a number of things out of stored JSON; none where there is none, or 0.
pub(crate) fn take_count(map: &mut Map<String, Value>, name: &str) -> Option<u32> {
    map.remove(name).and_then(|value| u32::try_from(value.as_u64()?).ok()).filter(|count| *count > 0)
}

/// Takes a duration out of stored JSON: Go writes whole nanoseconds.
pub(crate) fn take_duration(map: &mut Map<String, Value>, name: &str) -> Option<Duration> {
    map.remove(name).and_then(|value| value.as_u64()).map(Duration::from_nanos)
}

/// Sets a duration that is not zero.
pub(crate) fn set_duration(map: &mut Map<String, Value>, name: &str, duration: Duration) {
    if !duration.is_zero() {
        map.insert(name.to_owned(), nanoseconds(duration).into());
    }
}

/// A duration as Go stores it; longer than Go can hold = Go's longest, 292 years.
pub(crate) fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Bytes that are not JSON, as JSON from which the bytes can be had back.
pub(crate) fn undecoded(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().copied().collect(),
    }
}
