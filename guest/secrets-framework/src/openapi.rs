//! The OpenAPI 3.0.2 document of a backend, in the form that the server merges
//! into its own. The output is the same in each run: all objects are sorted.

use serde_json::{Map, Value, json};

use crate::field::FieldValue;
use crate::{Backend, Field, FieldType, Operation, OperationSpec, Path};

/// The document of these paths; `prefix` begins each operation ID.
pub(crate) fn document<'a>(backend: &Backend, paths: impl Iterator<Item = &'a Path>, prefix: &str) -> Value {
    let mut items = Map::new();
    let mut schemas = Map::new();
    for path in paths {
        let item = path_item(backend, path, prefix, &mut schemas);
        items.insert(format!("/{}", path.template()), item);
    }
    json!({
        "openapi": "3.0.2",
        "info": {
            "title": format!("{} secrets engine", backend.name),
            "description": clean(backend.help),
            "version": backend.version,
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "paths": items,
        "components": { "schemas": schemas },
    })
}

fn path_item(backend: &Backend, path: &Path, prefix: &str, schemas: &mut Map<String, Value>) -> Value {
    let template = path.template();
    let mut item = Map::new();
    insert_text(&mut item, "description", clean(path.synopsis));
    let parameters = parameters(path);
    if !parameters.is_empty() {
        item.insert("parameters".to_owned(), parameters.into());
    }
    let has = |operation| path.operations.iter().any(|spec| spec.operation == operation);
    let marks = [
        ("x-vault-sudo", is_special(&template, backend.special_paths.root)),
        ("x-vault-unauthenticated", is_special(&template, backend.special_paths.unauthenticated)),
        ("x-vault-createSupported", has(Operation::Create)),
    ];
    for (name, _) in marks.into_iter().filter(|(_, set)| *set) {
        item.insert(name.to_owned(), true.into());
    }
    for spec in path.operations {
        let Some(method) = method(spec.operation) else {
            continue;
        };
        // Create shares its method with update, list with read: the latter are described.
        let hidden = match spec.operation {
            Operation::Create => has(Operation::Update),
            Operation::List => has(Operation::Read),
            _ => false,
        };
        if !hidden {
            item.insert(method.to_owned(), operation(path, spec, prefix, has(Operation::List), schemas));
        }
    }
    item.into()
}

fn method(operation: Operation) -> Option<&'static str> {
    match operation {
        Operation::Create | Operation::Update => Some("post"),
        Operation::Read | Operation::List => Some("get"),
        Operation::Patch => Some("patch"),
        Operation::Delete => Some("delete"),
        Operation::Help | Operation::Renew | Operation::Revoke | Operation::Rollback => None,
    }
}

fn operation(path: &Path, spec: &OperationSpec, prefix: &str, lists: bool, schemas: &mut Map<String, Value>) -> Value {
    let id = operation_id(path, spec, prefix);
    let mut operation = Map::new();
    insert_text(&mut operation, "summary", spec.summary.trim().to_owned());
    operation.insert("operationId".to_owned(), id.as_str().into());
    operation.insert("tags".to_owned(), json!(["secrets"]));
    let list = match spec.operation {
        Operation::List => Some(json!({
            "name": "list",
            "description": "Must be set to `true`",
            "in": "query",
            "required": true,
            "schema": { "type": "string", "enum": ["true"] },
        })),
        Operation::Read if lists => Some(json!({
            "name": "list",
            "description": "Return a list if `true`",
            "in": "query",
            "schema": { "type": "string" },
        })),
        _ => None,
    };
    if let Some(list) = list {
        let of_lists = path.fields.iter().filter(|field| field.of_lists);
        let all: Vec<Value> = [list].into_iter().chain(of_lists.map(|field| parameter(path, field))).collect();
        operation.insert("parameters".to_owned(), all.into());
    }
    let body_fields = || path.fields.iter().filter(|field| !path.is_capture(field.name) && !field.of_lists);
    if takes_body(spec.operation) && body_fields().next().is_some() {
        let content = add_schema(schemas, format!("{}Request", title_case(&id)), body_fields());
        operation.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    let responses = if spec.response.is_empty() {
        json!({ "204": { "description": "empty body" } })
    } else {
        let content = add_schema(schemas, format!("{}Response", title_case(&id)), spec.response.iter());
        json!({ "200": { "description": "OK", "content": content } })
    };
    operation.insert("responses".to_owned(), responses);
    operation.into()
}

/// Captures, and where a path has no body to put them in, all other fields as query parameters.
fn parameters(path: &Path) -> Vec<Value> {
    let has_body = path.operations.iter().any(|spec| takes_body(spec.operation));
    let is_parameter = |field: &&Field| path.is_capture(field.name) || (!has_body && !field.of_lists);
    let mut fields: Vec<&Field> = path.fields.iter().filter(is_parameter).collect();
    fields.sort_by_key(|field| field.name.to_lowercase());
    fields.into_iter().map(|field| parameter(path, field)).collect()
}

fn parameter(path: &Path, field: &Field) -> Value {
    let in_path = path.is_capture(field.name);
    let mut schema = schema(field);
    schema.remove("description");
    let mut parameter = Map::new();
    parameter.insert("name".to_owned(), field.name.into());
    insert_text(&mut parameter, "description", clean(field.description));
    parameter.insert("in".to_owned(), if in_path { "path" } else { "query" }.into());
    parameter.insert("schema".to_owned(), schema.into());
    if in_path {
        parameter.insert("required".to_owned(), true.into());
    }
    parameter.into()
}

fn takes_body(operation: Operation) -> bool {
    matches!(operation, Operation::Create | Operation::Update | Operation::Patch)
}

/// Adds an object schema and answers the content that refers to it.
fn add_schema<'a>(
    schemas: &mut Map<String, Value>,
    name: String,
    fields: impl Iterator<Item = &'a Field> + Clone,
) -> Value {
    let properties: Map<String, Value> =
        fields.clone().map(|field| (field.name.to_owned(), schema(field).into())).collect();
    let mut required: Vec<&str> = fields.filter(|field| field.required).map(|field| field.name).collect();
    required.sort_unstable();
    let mut object = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        object["required"] = required.into();
    }
    let reference = format!("#/components/schemas/{name}");
    schemas.insert(name, object);
    // The server reads a plugin's document by the names of its own Go fields, and drops a `$ref`, which it names `Ref`
    // (`NewOASDocumentFromMap` of `sdk/framework/openapi.go`). Readers of JSON references ignore what stands beside one.
    json!({ "application/json": { "schema": { "$ref": reference, "ref": reference } } })
}

fn schema(field: &Field) -> Map<String, Value> {
    let (kind, format) = match field.kind {
        FieldType::String => ("string", ""),
        FieldType::LowerCaseString => ("string", "lowercase"),
        FieldType::Int64 => ("integer", "int64"),
        FieldType::Bool => ("boolean", ""),
        FieldType::DurationSecond | FieldType::SignedDurationSecond => ("integer", "seconds"),
        FieldType::CommaStringSlice | FieldType::Slice => ("array", ""),
        FieldType::KvPairs => ("object", "kvpairs"),
        FieldType::Map => ("object", "map"),
    };
    let mut schema = Map::new();
    insert_text(&mut schema, "type", kind.to_owned());
    insert_text(&mut schema, "format", format.to_owned());
    insert_text(&mut schema, "description", clean(field.description));
    if kind == "array" {
        let item = if field.kind == FieldType::Slice { "object" } else { "string" };
        schema.insert("items".to_owned(), json!({ "type": item }));
    }
    let default = match field.default_value() {
        Some(FieldValue::String(text)) => Some(Value::from(text)),
        Some(FieldValue::Int(number) | FieldValue::Seconds(number)) => Some(number.into()),
        Some(FieldValue::Bool(value)) => Some(value.into()),
        _ => None,
    };
    schema.extend(default.map(|default| ("default".to_owned(), default)));
    schema
}

/// `<prefix>-<verb>-<suffix>`, lower case, parts of its own where the table gives them.
fn operation_id(path: &Path, spec: &OperationSpec, prefix: &str) -> String {
    let verb = match (spec.display.verb, spec.operation) {
        ("", Operation::Update) => "write",
        ("", operation) => operation.name(),
        (verb, _) => verb,
    };
    let template = path.template();
    let derived: Vec<&str> =
        template.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
    let suffix = if spec.display.suffix.is_empty() { derived.join("-") } else { spec.display.suffix.to_owned() };
    [prefix, verb, &suffix].join("-").to_lowercase()
}

/// Does a path match one of the server's special paths? `+` stands for one
/// segment, a trailing `*` for any rest.
fn is_special(template: &str, specials: &[&str]) -> bool {
    specials.iter().any(|special| {
        let (special, open) = match special.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (*special, false),
        };
        let mut parts = template.split('/');
        let mut wanted = special.split('/').peekable();
        while let Some(want) = wanted.next() {
            let Some(part) = parts.next() else {
                return false;
            };
            let is_last = wanted.peek().is_none();
            let matches = want == "+" || want == part || open && is_last && part.starts_with(want);
            if !matches {
                return false;
            }
        }
        open || parts.next().is_none()
    })
}

/// One line, without double blanks.
fn clean(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `astra-write-config` becomes `AstraWriteConfig`.
fn title_case(hyphenated: &str) -> String {
    let mut title = String::new();
    for word in hyphenated.split('-') {
        let mut characters = word.chars();
        title.extend(characters.next().into_iter().flat_map(char::to_uppercase));
        title.push_str(characters.as_str());
    }
    title
}

fn insert_text(object: &mut Map<String, Value>, name: &str, text: String) {
    if !text.is_empty() {
        object.insert(name.to_owned(), text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_paths_know_wildcards() {
        let check = |template: &str, special: &str, expected: bool| {
            assert_eq!(is_special(template, &[special]), expected, "{template} {special}");
        };
        check("config", "config", true);
        check("config/{org}", "config", false);
        check("config/{org}", "config/+", true);
        check("config/{org}/check", "config/+", false);
        check("config/{org}/check", "config/*", true);
        check("configs", "config*", true);
        check("config", "config/*", false);
        check("config/{org}/rotate-root", "config/+/rotate*", true);
        check("config/{org}/check", "config/+/rotate*", false);
    }

    #[test]
    fn names_of_schemas_are_in_title_case() {
        assert_eq!(title_case("astra-write-config-org"), "AstraWriteConfigOrg");
    }
}
