//! Fields: their types, and the coercion of what clients send.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

/// The type of a field; what each accepts is in the server's framework
/// (`sdk/framework/field_data.go`) and in the tests beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text.
    String,
    /// Text, folded to lower case.
    LowerCaseString,
    /// Text that matches the server's name pattern.
    NameString,
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
    /// Shown in OpenAPI, and what a getter answers when the field is unset: JSON text, or none.
    pub default: Option<&'static str>,
}

impl Field {
    /// An optional field without a default.
    pub const fn new(name: &'static str, kind: FieldType, description: &'static str) -> Self {
        Self { name, kind, description, required: false, default: None }
    }

    /// The same, shown as required.
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// The same with a default: JSON text, for example `true` or `"standard"` with its quotes.
    pub const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }
}

/// A coerced value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FieldValue {
    String(String),
    Int(i64),
    Bool(bool),
    /// Whole seconds, signed.
    Seconds(i64),
    Strings(Vec<String>),
    Pairs(BTreeMap<String, String>),
    Map(Map<String, Value>),
}

/// The coerced fields of one request: only those that were sent.
///
/// Each getter answers the sent value, else the field's default, else none.
#[derive(Debug, Default)]
pub struct FieldData {
    pub(crate) values: BTreeMap<&'static str, FieldValue>,
    pub(crate) fields: &'static [Field],
}

impl FieldData {
    /// Was the field sent?
    pub fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }
    /// A text field; `null` counts as empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        let _ = name;
        unimplemented!()
    }
    /// A number field.
    pub fn int(&self, name: &str) -> Option<i64> {
        let _ = name;
        unimplemented!()
    }
    /// A boolean field.
    pub fn bool(&self, name: &str) -> Option<bool> {
        let _ = name;
        unimplemented!()
    }
    /// A duration field that is not negative.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        let _ = name;
        unimplemented!()
    }
    /// A duration field in seconds, signed.
    pub fn seconds(&self, name: &str) -> Option<i64> {
        let _ = name;
        unimplemented!()
    }
    /// A list field.
    pub fn strings(&self, name: &str) -> Option<&[String]> {
        let _ = name;
        unimplemented!()
    }
    /// A field of pairs.
    pub fn pairs(&self, name: &str) -> Option<&BTreeMap<String, String>> {
        let _ = name;
        unimplemented!()
    }
}
