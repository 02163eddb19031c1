//! Fields: what a table says about them, and what handlers read of a request.
//! How a client's values become typed ones is in [`coerce`].

mod coerce;
#[cfg(test)]
mod coerce_tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

/// The type of a field. What each accepts is the behaviour of the server's
/// framework (`sdk/framework/field_data.go`); the tests of `field/coerce.rs` list it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text.
    String,
    /// Text, folded to lower case.
    LowerCaseString,
    /// A whole number.
    Int64,
    /// True or false.
    Bool,
    /// Seconds, or Go text such as `1h30m`; not negative.
    DurationSecond,
    /// As `DurationSecond`, negative too, so that the handler can say why not.
    SignedDurationSecond,
    /// A list of texts, or one text split at commas.
    CommaStringSlice,
    /// A list of objects, or of anything.
    Slice,
    /// Pairs of text.
    KvPairs,
    /// An object.
    Map,
}

/// A field of a path.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: FieldType,
    /// For help and OpenAPI.
    pub description: &'static str,
    /// For OpenAPI and help only: handlers check themselves, as in the server's framework.
    pub required: bool,
    /// What getters answer when the field is not sent, written as a client
    /// would send it on a command line: `standard`, `true`, `10m`. Not for
    /// lists, pairs and objects.
    pub default: Option<&'static str>,
    /// Only a list reads the field, on a path that also has other operations.
    pub of_lists: bool,
    /// Pairs that may also come one by one, each as a parameter `<name>.<key>` of its own: a client of GET sends no object.
    pub by_key: bool,
}

impl Field {
    /// An optional field without a default.
    pub const fn new(name: &'static str, kind: FieldType, description: &'static str) -> Self {
        Self { name, kind, description, required: false, default: None, of_lists: false, by_key: false }
    }

    /// The same, shown as required.
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// The same with a default, written as a client would send it: `standard`, `true`, `10m`.
    pub const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// The same for lists only: on any other operation the server warns that the field does nothing.
    pub const fn of_lists(self) -> Self {
        Self { of_lists: true, ..self }
    }

    /// The same for pairs that may also come one by one: `metadata.team=payments`.
    pub const fn by_key(self) -> Self {
        Self { by_key: true, ..self }
    }

    /// Is this the name of a parameter that the field takes?
    pub(crate) fn takes(&self, name: &str) -> bool {
        self.name == name || self.key_in(name).is_some()
    }

    /// The key of a pair that comes as a parameter of this name.
    fn key_in<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(self.name)?.strip_prefix('.').filter(|_| self.by_key)
    }

    /// The default as a typed value.
    pub(crate) fn default_value(&self) -> Option<FieldValue> {
        coerce::coerce(self.kind, &Value::from(self.default?)).ok().flatten()
    }
}

/// A coerced value.
#[derive(Clone, PartialEq)]
pub(crate) enum FieldValue {
    String(String),
    Int(i64),
    Bool(bool),
    /// Whole seconds, signed.
    Seconds(i64),
    Strings(Vec<String>),
    List(Vec<Value>),
    Pairs(BTreeMap<String, String>),
    Map(Map<String, Value>),
}

/// The coerced fields of one request.
///
/// Each getter answers the sent value, else the field's default, else none.
/// A field sent as `null` is sent: text is empty, a number zero, a list
/// empty; only a duration counts as not sent. Asking for a field that the
/// path does not have, or as another type, answers none.
#[derive(Default)]
pub struct FieldData {
    /// In the order of the table: a request has few fields.
    values: Vec<(&'static str, FieldValue)>,
    fields: &'static [Field],
}

impl FieldData {
    /// Coerces what was sent; captures win over data of the same name. The
    /// error names the first field, in the order of the table, that will not do.
    pub(crate) fn new(
        fields: &'static [Field],
        data: &Map<String, Value>,
        captures: &[(&'static str, &str)],
    ) -> Result<Self, String> {
        let mut values = Vec::new();
        for field in fields {
            let captured = captures.iter().find(|(name, _)| *name == field.name);
            let coerced = match captured {
                Some((_, text)) => coerce::coerce(field.kind, &Value::from(*text)),
                None => data.get(field.name).map_or(Ok(None), |sent| coerce::coerce(field.kind, sent)),
            };
            let coerced = coerced.map_err(|error| unconvertible(field.name, &error))?;
            let coerced = if field.by_key { with_single_pairs(field, coerced, data)? } else { coerced };
            values.extend(coerced.map(|value| (field.name, value)));
        }
        Ok(Self { values, fields })
    }

    /// Was the field sent?
    pub fn is_set(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// A text field.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Some(FieldValue::String(text)) => Some(text),
            Some(_) => None,
            None => self.field(name)?.default,
        }
    }

    /// A number field.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.value_or_default(name)? {
            FieldValue::Int(number) => Some(number),
            _ => None,
        }
    }

    /// A boolean field.
    pub fn bool(&self, name: &str) -> Option<bool> {
        match self.value_or_default(name)? {
            FieldValue::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A duration field in seconds, signed.
    pub fn seconds(&self, name: &str) -> Option<i64> {
        match self.value_or_default(name)? {
            FieldValue::Seconds(seconds) => Some(seconds),
            _ => None,
        }
    }

    /// A duration field that is not negative; none for a negative one.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        u64::try_from(self.seconds(name)?).ok().map(Duration::from_secs)
    }

    /// A list field.
    pub fn strings(&self, name: &str) -> Option<&[String]> {
        match self.value(name)? {
            FieldValue::Strings(items) => Some(items),
            _ => None,
        }
    }

    /// A field that lists objects, or anything.
    pub fn list(&self, name: &str) -> Option<&[Value]> {
        match self.value(name)? {
            FieldValue::List(items) => Some(items),
            _ => None,
        }
    }

    /// A field of pairs.
    pub fn pairs(&self, name: &str) -> Option<&BTreeMap<String, String>> {
        match self.value(name)? {
            FieldValue::Pairs(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// An object field.
    pub fn map(&self, name: &str) -> Option<&Map<String, Value>> {
        match self.value(name)? {
            FieldValue::Map(map) => Some(map),
            _ => None,
        }
    }

    fn value(&self, name: &str) -> Option<&FieldValue> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn field(&self, name: &str) -> Option<&'static Field> {
        let field = self.fields.iter().find(|field| field.name == name);
        debug_assert!(field.is_some(), "the path has no field `{name}`");
        field
    }

    fn value_or_default(&self, name: &str) -> Option<FieldValue> {
        self.value(name).cloned().or_else(|| self.field(name)?.default_value())
    }
}

/// Adds the pairs that came one by one to those that came together.
fn with_single_pairs(
    field: &Field,
    coerced: Option<FieldValue>,
    data: &Map<String, Value>,
) -> Result<Option<FieldValue>, String> {
    let mut single = BTreeMap::new();
    for (name, sent) in data {
        let Some(key) = field.key_in(name) else { continue };
        let coerced = coerce::coerce(FieldType::String, sent).map_err(|error| unconvertible(name, &error))?;
        if let Some(FieldValue::String(text)) = coerced {
            single.insert(key.to_owned(), text);
        }
    }
    Ok(match coerced {
        coerced if single.is_empty() => coerced,
        Some(FieldValue::Pairs(mut pairs)) => {
            pairs.append(&mut single);
            Some(FieldValue::Pairs(pairs))
        }
        _ => Some(FieldValue::Pairs(single)),
    })
}

fn unconvertible(name: &str, error: &str) -> String {
    format!("error converting input for field \"{name}\": {error}")
}

impl std::fmt::Debug for FieldData {
    /// Names only: any value may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    const FIELDS: &[Field] = &[
        Field::new("name", FieldType::String, "A name."),
        Field::new("mode", FieldType::String, "A mode.").or("standard"),
        Field::new("verify", FieldType::Bool, "A switch.").or("true"),
        Field::new("ttl", FieldType::SignedDurationSecond, "A duration."),
        Field::new("grace", FieldType::DurationSecond, "A duration.").or("10m"),
        Field::new("retries", FieldType::Int64, "A number.").or("2"),
        Field::new("ids", FieldType::CommaStringSlice, "A list."),
        Field::new("events", FieldType::Slice, "A list of objects."),
        Field::new("metadata", FieldType::KvPairs, "Pairs."),
        Field::new("extra", FieldType::Map, "An object."),
    ];

    fn data(sent: Value, captures: &[(&'static str, &str)]) -> FieldData {
        FieldData::new(FIELDS, sent.as_object().unwrap(), captures).unwrap()
    }

    #[test]
    fn getters_answer_sent_values() {
        let data = data(
            json!({
                "name": 5, "mode": "sidecar", "verify": "false", "ttl": "-1h", "grace": 90, "retries": "0x10",
                "ids": "a, b", "events": [{"a": 1}], "metadata": {"k": 1}, "extra": {"deep": []}, "unknown": 1,
            }),
            &[],
        );
        assert_eq!(data.text("name"), Some("5"));
        assert_eq!(data.text("mode"), Some("sidecar"));
        assert_eq!(data.bool("verify"), Some(false));
        assert_eq!(data.seconds("ttl"), Some(-3600));
        assert_eq!(data.duration("ttl"), None);
        assert_eq!(data.duration("grace"), Some(Duration::from_secs(90)));
        assert_eq!(data.int("retries"), Some(16));
        assert_eq!(data.strings("ids").unwrap(), ["a", "b"]);
        assert_eq!(data.list("events").unwrap(), [json!({"a": 1})]);
        assert_eq!(data.pairs("metadata").unwrap()["k"], "1");
        assert_eq!(data.map("extra").unwrap()["deep"], json!([]));
        assert!(!data.is_set("unknown"));
    }

    #[test]
    fn getters_answer_defaults_for_what_was_not_sent() {
        let data = data(json!({}), &[]);
        assert!(!data.is_set("mode"));
        assert_eq!(data.text("name"), None);
        assert_eq!(data.text("mode"), Some("standard"));
        assert_eq!(data.bool("verify"), Some(true));
        assert_eq!(data.seconds("ttl"), None);
        assert_eq!(data.duration("grace"), Some(Duration::from_secs(600)));
        assert_eq!(data.int("retries"), Some(2));
        assert_eq!(data.strings("ids"), None);
    }

    #[test]
    fn null_is_the_zero_value_but_for_durations() {
        let data = data(json!({"mode": null, "verify": null, "grace": null, "retries": null, "ids": null}), &[]);
        assert_eq!(data.text("mode"), Some(""));
        assert_eq!(data.bool("verify"), Some(false));
        assert_eq!(data.int("retries"), Some(0));
        assert!(data.strings("ids").unwrap().is_empty());
        assert!(!data.is_set("grace"));
        assert_eq!(data.duration("grace"), Some(Duration::from_secs(600)));
    }

    #[test]
    fn captures_win() {
        let data = data(json!({"name": ["not even text"]}), &[("name", "reader")]);
        assert_eq!(data.text("name"), Some("reader"));
    }

    #[test]
    fn the_error_names_the_field() {
        let sent = json!({"retries": "many"});
        let error = FieldData::new(FIELDS, sent.as_object().unwrap(), &[]).unwrap_err();
        assert_eq!(
            error,
            "error converting input for field \"retries\": '' cannot parse value as 'int64': \
             strconv.ParseInt: invalid syntax"
        );
    }

    #[test]
    fn pairs_of_a_query_come_one_by_one() {
        const BY_KEY: &[Field] = &[Field::new("metadata", FieldType::KvPairs, "Pairs.").by_key()];
        let pairs = |sent: Value| {
            FieldData::new(BY_KEY, sent.as_object().unwrap(), &[]).map(|data| data.pairs("metadata").cloned())
        };
        let expected = BTreeMap::from([("a.b", "2"), ("team", "pay=ments")].map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(pairs(json!({ "metadata.team": "pay=ments", "metadata.a.b": 2 })), Ok(Some(expected.clone())));
        assert_eq!(pairs(json!({ "metadata": "team=pay=ments", "metadata.a.b": "2" })), Ok(Some(expected)));
        assert_eq!(pairs(json!({ "metadatas.team": "x", "other": 1 })), Ok(None));
        let error = pairs(json!({ "metadata.team": ["a", "b"] })).unwrap_err();
        assert!(error.contains("\"metadata.team\""), "{error}");
        assert!(BY_KEY[0].takes("metadata.team") && BY_KEY[0].takes("metadata"));
        assert!(!BY_KEY[0].takes("metadatas") && !FIELDS[8].takes("metadata.team"));
    }

    #[test]
    fn debug_shows_names_only() {
        assert_eq!(format!("{:?}", data(json!({"name": "AstraCS:canary"}), &[])), r#"{"name"}"#);
    }
}
