//! The paths of a module with operations and fields, as clients see them, from its OpenAPI document.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Paths by their template, without the names in braces, which do not matter to clients.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Surface {
    pub(super) paths: BTreeMap<String, Path>,
}

/// One path.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Path {
    /// The template with names, such as `config/{org}`.
    pub(super) template: String,
    /// Operations by their word on the server's command line.
    pub(super) operations: BTreeMap<&'static str, Operation>,
}

/// One operation of a path.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) fields: BTreeMap<String, Field>,
    pub(super) answers: BTreeMap<String, Field>,
}

/// One field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) kind: String,
    pub(super) required: bool,
    pub(super) default: Option<Value>,
}

impl Surface {
    /// Leaves out parts that are no OpenAPI: the module is not trusted.
    pub(super) fn of(document: &Value) -> Self {
        let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
        let paths = paths.map(|(template, item)| {
            let template = template.trim_start_matches('/');
            (anonymous(template), Path::of(document, template, item))
        });
        Self { paths: paths.collect() }
    }
}

/// `config/{}` of `config/{org}`.
fn anonymous(template: &str) -> String {
    let name_left_out = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    template.split('/').map(name_left_out).collect::<Vec<_>>().join("/")
}

impl Path {
    fn of(document: &Value, template: &str, item: &Value) -> Self {
        let mut operations = BTreeMap::new();
        for (method, word) in [("get", "read"), ("post", "write"), ("patch", "patch"), ("delete", "delete")] {
            let Some(spec) = item.get(method) else { continue };
            let operation = Operation::of(document, item, spec);
            // A GET that lists has a parameter `list`; if the parameter is required, the GET only lists.
            match parameters(spec).find(|parameter| text(parameter, "name") == "list") {
                Some(list) if list.get("required") == Some(&Value::Bool(true)) => {
                    operations.insert("list", operation);
                }
                Some(_) => {
                    operations.insert("list", Operation { fields: operation.fields.clone(), ..Operation::default() });
                    operations.insert(word, operation);
                }
                None => drop(operations.insert(word, operation)),
            }
        }
        Self { template: template.to_owned(), operations }
    }
}

impl Operation {
    fn of(document: &Value, item: &Value, spec: &Value) -> Self {
        let query = parameters(item).chain(parameters(spec));
        let query = query.filter(|parameter| text(parameter, "in") == "query" && text(parameter, "name") != "list");
        let mut fields: BTreeMap<String, Field> = query
            .map(|parameter| {
                let required = parameter.get("required") == Some(&Value::Bool(true));
                (text(parameter, "name").to_owned(), Field::of(parameter.get("schema"), required))
            })
            .collect();
        fields.extend(schema_fields(document, spec.pointer("/requestBody")));
        Self { fields, answers: schema_fields(document, spec.pointer("/responses/200")) }
    }
}

impl Field {
    fn of(schema: Option<&Value>, required: bool) -> Self {
        let schema = schema.unwrap_or(&Value::Null);
        let kind = match (text(schema, "type"), text(schema, "format")) {
            (kind, "") => kind.to_owned(),
            (kind, format) => format!("{kind} ({format})"),
        };
        Self { kind, required, default: schema.get("default").cloned() }
    }
}

/// The fields of a body's JSON schema, which may stand elsewhere in the document.
fn schema_fields(document: &Value, body: Option<&Value>) -> BTreeMap<String, Field> {
    let schema = body.and_then(|body| body.pointer("/content/application~1json/schema"));
    let named = schema.and_then(|schema| schema.get("$ref")).and_then(Value::as_str);
    let schema = match named.and_then(|name| name.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer),
        None => schema,
    };
    let Some(schema) = schema else { return BTreeMap::new() };
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|required| required == name));
    let nothing = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&nothing);
    properties.iter().map(|(name, schema)| (name.clone(), Field::of(Some(schema), is_required(name)))).collect()
}

fn parameters(of: &Value) -> impl Iterator<Item = &Value> {
    of.get("parameters").and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(of: &'v Value, name: &str) -> &'v str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_and_fields_are_those_of_the_document() {
        let surface = Surface::of(&json!({
            "paths": {"/config/{org}": {
                "parameters": [
                    {"name": "org", "in": "path", "required": true, "schema": {"type": "string"}},
                    {"name": "deep", "in": "query", "schema": {"type": "boolean", "default": false}},
                ],
                "get": {"parameters": [{"name": "list", "in": "query", "schema": {"type": "string"}}]},
                "post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/W"}}}}},
            }, "/all": {"get": {"parameters": [{"name": "list", "in": "query", "required": true}]}}},
            "components": {"schemas": {"W": {"properties": {"ttl": {"type": "integer", "format": "seconds"}}, "required": ["ttl"]}}},
        }));
        let path = &surface.paths["config/{}"];
        assert_eq!(path.template, "config/{org}");
        assert_eq!(path.operations.keys().copied().collect::<Vec<_>>(), ["list", "read", "write"]);
        let deep = Field { kind: "boolean".to_owned(), required: false, default: Some(json!(false)) };
        assert_eq!(path.operations["read"].fields, BTreeMap::from([("deep".to_owned(), deep)]));
        let ttl = &path.operations["write"].fields["ttl"];
        assert_eq!((ttl.kind.as_str(), ttl.required), ("integer (seconds)", true));
        assert_eq!(surface.paths["all"].operations.keys().copied().collect::<Vec<_>>(), ["list"]);
    }

    #[test]
    fn a_document_that_is_no_openapi_has_no_paths() {
        for document in [json!(null), json!({"paths": 7}), json!({"paths": {"/x": []}, "components": "none"})] {
            assert!(Surface::of(&document).paths.values().all(|path| path.operations.is_empty()), "{document}");
        }
    }
}
