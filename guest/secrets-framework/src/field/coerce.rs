//! Coercion: how a JSON value becomes the type of its field. What is accepted,
//! and the sentence for what is not, are those of the server's framework; no
//! sentence shows a value, but for durations and pairs, which are no secrets.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::duration;
use crate::field::{FieldType, FieldValue};
use crate::number::{NumberError, parse_bool, parse_int, parse_whole};

/// Coerces one value. `Ok(None)`: it counts as not sent.
pub(crate) fn coerce(kind: FieldType, value: &Value) -> Result<Option<FieldValue>, String> {
    match kind {
        FieldType::String => text("", value).map(FieldValue::String),
        FieldType::LowerCaseString => text("", value).map(|text| FieldValue::String(text.to_lowercase())),
        FieldType::Int64 => int(value).map(FieldValue::Int),
        FieldType::Bool => boolean(value).map(FieldValue::Bool),
        FieldType::DurationSecond | FieldType::SignedDurationSecond if value.is_null() => return Ok(None),
        FieldType::DurationSecond => match seconds(value)? {
            negative @ ..0 => Err(format!("cannot provide negative value '{negative}'")),
            seconds => Ok(FieldValue::Seconds(seconds)),
        },
        FieldType::SignedDurationSecond => seconds(value).map(FieldValue::Seconds),
        FieldType::CommaStringSlice => comma_strings(value).map(FieldValue::Strings),
        FieldType::Slice => Ok(FieldValue::List(list(value))),
        FieldType::KvPairs => pairs(value).map(FieldValue::Pairs),
        FieldType::Map => map("", value).map(FieldValue::Map),
    }
    .map(Some)
}

/// `at` names the place within a list or object, as in `[0]`.
fn text(at: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::Bool(value) => Ok(if *value { "1" } else { "0" }.to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text.clone()),
        Value::Array(_) | Value::Object(_) => Err(unconvertible(at, "string", value)),
    }
}

fn int(value: &Value) -> Result<i64, String> {
    let syntax = |error: NumberError| format!("'' cannot parse value as 'int64': strconv.ParseInt: {error}");
    match value {
        Value::Null => Ok(0),
        Value::Bool(value) => Ok(i64::from(*value)),
        // A number is judged by its text, so that 1.5 and 1e30 are refused, not rounded.
        Value::Number(number) => parse_whole(&number.to_string()).map_err(syntax),
        Value::String(text) if text.is_empty() => Ok(0),
        Value::String(text) => parse_int(text, 0).or_else(|error| parse_whole(text).or(Err(error))).map_err(syntax),
        Value::Array(_) | Value::Object(_) => Err(unconvertible("", "int64", value)),
    }
}

fn boolean(value: &Value) -> Result<bool, String> {
    match value {
        Value::Null => Ok(false),
        Value::Bool(value) => Ok(*value),
        Value::Number(number) => Ok(number.as_f64() != Some(0.0)),
        Value::String(text) if text.is_empty() => Ok(false),
        Value::String(text) => parse_bool(text)
            .ok_or_else(|| "'' cannot parse value as 'bool': strconv.ParseBool: invalid syntax".to_owned()),
        Value::Array(_) | Value::Object(_) => Err(unconvertible("", "bool", value)),
    }
}

/// Whole seconds. A duration with a fraction is truncated towards zero, as in the server's framework, but one that is
/// shorter than a second is refused: as 0 it would mean the default, or never.
fn seconds(value: &Value) -> Result<i64, String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.is_empty() => return Ok(0),
        Value::String(text) => text.clone(),
        _ => return Err("could not parse duration from input".to_owned()),
    };
    // The server would wrap around beyond 64 bits of nanoseconds; we refuse.
    let in_range = |seconds: i64, scale: i64| {
        let seconds = seconds.checked_mul(scale).filter(|seconds| seconds.checked_mul(NANOS_PER_SECOND).is_some());
        seconds.ok_or_else(|| duration::DurationError::Invalid(text.clone()).to_string())
    };
    if let Ok(seconds) = parse_whole(&text) {
        return in_range(seconds, 1);
    }
    if let Some(days) = text.strip_suffix('d') {
        let days = parse_int(days, 10).map_err(|error| format!("strconv.ParseInt: parsing {days:?}: {error}"))?;
        return in_range(days, 24 * 3600);
    }
    match duration::parse(&text).map_err(|error| error.to_string())? {
        nanos if nanos != 0 && nanos.abs() < NANOS_PER_SECOND => {
            Err(format!("duration {text:?} is shorter than one second: give whole seconds"))
        }
        nanos => Ok(nanos / NANOS_PER_SECOND),
    }
}

fn comma_strings(value: &Value) -> Result<Vec<String>, String> {
    let items = match value {
        Value::String(text) if text.is_empty() => Vec::new(),
        Value::String(text) => text.split(',').map(str::to_owned).collect(),
        _ => string_list(value)?,
    };
    Ok(items.iter().map(|item| item.trim().to_owned()).collect())
}

/// A list of texts; anything else stands for a list of one.
fn string_list(value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| text(&format!("[{index}]"), item)).collect()
        }
        Value::Object(map) if map.is_empty() => Ok(Vec::new()),
        scalar => text("[0]", scalar).map(|item| vec![item]),
    }
}

/// A list; anything else stands for a list of one.
fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.clone(),
        Value::Object(map) if map.is_empty() => Vec::new(),
        one => vec![one.clone()],
    }
}

fn pairs(value: &Value) -> Result<BTreeMap<String, String>, String> {
    if let Some(pairs) = scalar_map(value) {
        return Ok(pairs);
    }
    let items = string_list(value)?;
    let split = items.into_iter().map(|item| match item.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("invalid key pair {item:?}")),
    });
    split.collect()
}

/// An object of scalars, or a list of such objects, later ones winning.
fn scalar_map(value: &Value) -> Option<BTreeMap<String, String>> {
    match value {
        Value::Null => Some(BTreeMap::new()),
        Value::Object(map) => map.iter().map(|(key, value)| Some((key.clone(), text("", value).ok()?))).collect(),
        Value::Array(items) => {
            let maps: Option<Vec<_>> = items.iter().filter(|item| !item.is_null()).map(scalar_map_item).collect();
            Some(maps?.into_iter().flatten().collect())
        }
        _ => None,
    }
}

fn scalar_map_item(item: &Value) -> Option<BTreeMap<String, String>> {
    if item.is_object() { scalar_map(item) } else { None }
}

fn map(at: &str, value: &Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(map) => Ok(map.clone()),
        Value::Array(items) if at.is_empty() => {
            let mut merged = Map::new();
            for (index, item) in items.iter().enumerate() {
                merged.extend(map(&format!("[{index}]"), item)?);
            }
            Ok(merged)
        }
        other => Err(format!("'{at}' expected a map, got '{}'", kind_name(other))),
    }
}

fn unconvertible(at: &str, expected: &str, value: &Value) -> String {
    let found = if value.is_array() { "[]interface {}" } else { "map[string]interface {}" };
    format!("'{at}' expected type '{expected}', got unconvertible type '{found}'")
}

/// Go's word for the kind of a decoded value; a number is a text there.
fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Array(_) => "slice",
        Value::Object(_) | Value::Null => "map",
        Value::Number(_) | Value::String(_) => "string",
    }
}

const NANOS_PER_SECOND: i64 = 1_000_000_000;
