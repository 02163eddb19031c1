//! What a client sends to one of the host's paths, checked in the way and the words of the server's framework.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The type of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bool,
    /// Texts, or one text split at commas.
    List,
    /// In answers only.
    Map,
}

/// A field of a path.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) description: &'static str,
}

/// What is wrong with a field.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FieldError(pub(super) String);

/// The fields of one request.
#[derive(Debug, Default)]
pub(super) struct Fields {
    texts: BTreeMap<&'static str, String>,
    flags: BTreeMap<&'static str, bool>,
    lists: BTreeMap<&'static str, Vec<String>>,
    unknown: Vec<String>,
}

impl Fields {
    /// Data is a JSON object or `null`.
    pub(super) fn parse(known: &'static [Field], data: &str) -> Result<Self, FieldError> {
        let data: Option<Map<String, Value>> =
            serde_json::from_str(data).map_err(|_| FieldError("the data is no JSON object".to_owned()))?;
        let mut fields = Self::default();
        for (name, value) in data.unwrap_or_default() {
            match known.iter().find(|field| field.name == name) {
                Some(field) => fields.insert(field, &value).map_err(|text| wrong(field.name, &text))?,
                None => fields.unknown.push(name),
            }
        }
        Ok(fields)
    }

    fn insert(&mut self, field: &'static Field, value: &Value) -> Result<(), String> {
        match field.kind {
            Kind::Text => drop(self.texts.insert(field.name, text("", value)?)),
            Kind::Bool => drop(self.flags.insert(field.name, flag(value)?)),
            Kind::List | Kind::Map => drop(self.lists.insert(field.name, list(value)?)),
        }
        Ok(())
    }

    /// Empty = not sent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.texts.get(name).map(|text| text.trim()).unwrap_or_default()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.flags.get(name).copied().unwrap_or_default()
    }

    pub(super) fn list(&self, name: &str) -> &[String] {
        self.lists.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// What the client sent in vain, in the server's words.
    pub(super) fn warning(&self) -> Option<String> {
        let names = self.unknown.join(" ");
        (!names.is_empty()).then(|| format!("Endpoint ignored these unrecognized parameters: [{names}]"))
    }
}

fn wrong(name: &str, text: &str) -> FieldError {
    FieldError(format!("error converting input for field \"{name}\": {text}"))
}

fn text(at: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::Bool(value) => Ok(if *value { "1" } else { "0" }.to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text.clone()),
        Value::Array(_) | Value::Object(_) => Err(unconvertible(at, "string", value)),
    }
}

fn flag(value: &Value) -> Result<bool, String> {
    let no_bool = || "'' cannot parse value as 'bool': strconv.ParseBool: invalid syntax".to_owned();
    match value {
        Value::Null => Ok(false),
        Value::Bool(value) => Ok(*value),
        Value::Number(number) => Ok(number.as_f64() != Some(0.0)),
        Value::String(text) => match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err(no_bool()),
        },
        Value::Array(_) | Value::Object(_) => Err(unconvertible("", "bool", value)),
    }
}

fn list(value: &Value) -> Result<Vec<String>, String> {
    let items = match value {
        Value::Null => Vec::new(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, item)| text(&format!("[{at}]"), item)).collect::<Result<_, _>>()?
        }
        one => text("[0]", one)?.split(',').map(str::to_owned).collect(),
    };
    Ok(items.iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect())
}

fn unconvertible(at: &str, expected: &str, value: &Value) -> String {
    let found = if value.is_array() { "[]interface {}" } else { "map[string]interface {}" };
    format!("'{at}' expected type '{expected}', got unconvertible type '{found}'")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::super::table::find;
    use super::*;

    fn parse(data: &str) -> Result<Fields, FieldError> {
        Fields::parse(find("module/use").unwrap().fields, data)
    }

    #[test]
    fn fields_come_as_text_numbers_and_lists() {
        let data =
            r#"{"version":" 3.1.0 ","force":"true","accept_capabilities":"clock, outbound-http","zeta":1,"a":2}"#;
        let fields = parse(data).unwrap();
        assert_eq!((fields.text("version"), fields.text("digest"), fields.flag("force")), ("3.1.0", "", true));
        assert_eq!(fields.list("accept_capabilities"), ["clock", "outbound-http"]);
        assert_eq!(fields.warning().as_deref(), Some("Endpoint ignored these unrecognized parameters: [a zeta]"));
        let fields = parse(r#"{"force":1,"accept_capabilities":["clock"],"version":null}"#).unwrap();
        assert!(fields.flag("force") && fields.list("accept_capabilities") == ["clock"]);
        assert!(parse("null").unwrap().warning().is_none());
    }

    #[test]
    fn what_does_not_fit_is_refused_in_the_frameworks_words() {
        let rows = [
            (
                r#"{"version":[1]}"#,
                r#"field "version": '' expected type 'string', got unconvertible type '[]interface {}'"#,
            ),
            (
                r#"{"force":"maybe"}"#,
                r#"field "force": '' cannot parse value as 'bool': strconv.ParseBool: invalid syntax"#,
            ),
            (
                r#"{"accept_capabilities":[{}]}"#,
                r#"field "accept_capabilities": '[0]' expected type 'string', got unconvertible type 'map[string]interface {}'"#,
            ),
        ];
        for (data, expected) in rows {
            assert_eq!(parse(data).unwrap_err().0, format!("error converting input for {expected}"));
        }
        assert_eq!(parse("[]").unwrap_err().0, "the data is no JSON object");
    }
}
