//! Help and OpenAPI of the host's paths, in the form that the server's framework gives them, and merged into what a
//! guest answers for the whole mount.

use envelope::Response;
use serde_json::{Map, Value, json};

use super::fields::{Field, Kind};
use super::table::{HostPath, PATHS};

/// Adds the host's paths to a guest's help of all its paths; `asked` is the data of the request. What is no such
/// help passes unchanged.
pub(crate) fn merge(answer: Response, asked: &str) -> Response {
    let Some(mut help) = answer.data.as_deref().and_then(|data| serde_json::from_str::<Value>(data).ok()) else {
        return answer;
    };
    if let Some(Value::String(text)) = help.get_mut("help") {
        text.push_str(&routes());
    }
    if let Some(document) = help.get_mut("openapi").filter(|document| document.is_object()) {
        add_to(document, PATHS.iter(), &prefix(asked));
    }
    Response { data: Some(help.to_string()), ..answer }
}

/// Help of one of the host's paths.
pub(super) fn of_path(path: &HostPath, asked: &str) -> Response {
    let (name, synopsis, description) = (path.name, path.synopsis, path.description);
    let mut text = format!("Request:        {name}\nMatching Route: ^{name}$\n\n{synopsis}\n\n");
    if !path.fields.is_empty() {
        text.push_str("## PARAMETERS\n");
    }
    for Field { name, kind, description } in path.fields {
        text.push_str(&format!("\n    {name} ({})\n\n        {description}\n", kind_name(*kind)));
    }
    text.push_str(&format!("\n## DESCRIPTION\n\n{description}"));
    let mut document =
        json!({ "openapi": "3.0.2", "info": { "title": "modules of a mount", "version": crate::VERSION } });
    add_to(&mut document, std::iter::once(path), &prefix(asked));
    let data = json!({ "help": text, "see_also": null, "openapi": document });
    Response { data: Some(data.to_string()), ..Response::default() }
}

/// The server says here under which name the plugin is registered.
fn prefix(asked: &str) -> String {
    let data: Value = serde_json::from_str(asked).unwrap_or_default();
    data.get("requestResponsePrefix").and_then(Value::as_str).unwrap_or(crate::PROGRAM).to_lowercase()
}

fn routes() -> String {
    let mut text = String::from("\n\nThese are served by the plugin itself, whatever engine it runs.\n");
    for path in &PATHS {
        text.push_str(&format!("\n    ^{}$\n        {}\n", path.name, path.synopsis));
    }
    text
}

fn add_to<'a>(document: &mut Value, paths: impl Iterator<Item = &'a HostPath>, prefix: &str) {
    for path in paths {
        let mut schemas = Map::new();
        let item = path_item(path, prefix, &mut schemas);
        insert(document, &["paths"], format!("/{}", path.name), item);
        for (name, schema) in schemas {
            insert(document, &["components", "schemas"], name, schema);
        }
    }
}

/// Inserts into an object within objects; each is made where it is not there.
fn insert(document: &mut Value, at: &[&str], name: String, value: Value) {
    let mut place = document;
    for step in at {
        let Some(object) = place.as_object_mut() else { return };
        place = object.entry(*step).or_insert_with(|| json!({}));
    }
    if let Some(object) = place.as_object_mut() {
        object.insert(name, value);
    }
}

fn path_item(path: &HostPath, prefix: &str, schemas: &mut Map<String, Value>) -> Value {
    let id = format!("{prefix}-{}", path.operation_id);
    let mut operation = json!({
        "summary": path.synopsis,
        "operationId": id,
        "tags": ["secrets"],
        "responses": { "200": { "description": "OK", "content": content(schemas, &id, "Response", path.response) } },
    });
    if !path.fields.is_empty() {
        let content = content(schemas, &id, "Request", path.fields);
        insert(&mut operation, &[], "requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    let method = if path.reads { "get" } else { "post" };
    json!({ "description": path.description, method: operation })
}

/// Adds an object schema and answers the content that refers to it. The server drops `$ref`, and makes one of `ref`.
fn content(schemas: &mut Map<String, Value>, id: &str, what: &str, fields: &[Field]) -> Value {
    let name = format!("{}{what}", title_case(id));
    let properties: Map<String, Value> = fields.iter().map(|field| (field.name.to_owned(), schema(field))).collect();
    let reference = format!("#/components/schemas/{name}");
    schemas.insert(name, json!({ "type": "object", "properties": properties }));
    json!({ "application/json": { "schema": { "$ref": reference, "ref": reference } } })
}

fn schema(field: &Field) -> Value {
    let description = field.description;
    match field.kind {
        Kind::Text => json!({ "type": "string", "description": description }),
        Kind::Bool => json!({ "type": "boolean", "description": description }),
        Kind::List => json!({ "type": "array", "items": { "type": "string" }, "description": description }),
        Kind::Map => json!({ "type": "object", "format": "map", "description": description }),
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "string",
        Kind::Bool => "bool",
        Kind::List => "slice",
        Kind::Map => "map",
    }
}

/// `a-b` becomes `AB` with capitals, as the server writes names of schemas.
fn title_case(id: &str) -> String {
    let words = id.split(|c: char| !c.is_alphanumeric());
    words
        .flat_map(|word| word.chars().enumerate().map(|(at, c)| if at == 0 { c.to_ascii_uppercase() } else { c }))
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::host_paths::table::find;

    fn parsed(response: &Response) -> Value {
        serde_json::from_str(response.data.as_deref().unwrap()).unwrap()
    }

    #[test]
    fn a_guests_help_is_kept_and_the_hosts_paths_are_added() {
        let guest = json!({
            "help": "of the guest",
            "see_also": null,
            "openapi": { "paths": { "/config": { "get": {} } }, "components": { "schemas": { "Its": {} } } },
        });
        let answer = Response { data: Some(guest.to_string()), warnings: vec!["w".into()], ..Response::default() };
        let merged = merge(answer, r#"{"requestResponsePrefix":"Mine"}"#);
        assert_eq!(merged.warnings, ["w"]);
        let merged = parsed(&merged);
        let paths: Vec<_> = merged["openapi"]["paths"].as_object().unwrap().keys().collect();
        assert_eq!(paths, ["/config", "/module", "/module/reload", "/module/rollback", "/module/use"]);
        assert!(merged["help"].as_str().unwrap().starts_with("of the guest\n"));
        assert!(merged["help"].as_str().unwrap().contains("^module/use$"));
        assert_eq!(merged["openapi"]["paths"]["/module/use"]["post"]["operationId"], "mine-use-module");
        assert!(merged["openapi"]["components"]["schemas"].as_object().unwrap().contains_key("MineUseModuleRequest"));
    }

    #[test]
    fn what_is_no_help_passes_unchanged() {
        for data in [None, Some("{}"), Some(r#"{"help":7,"openapi":null}"#)] {
            let answer = Response { data: data.map(str::to_owned), ..Response::default() };
            let merged = merge(answer, "{}");
            assert_eq!(merged.data.as_deref(), data);
        }
    }

    #[test]
    fn each_path_has_help_of_its_own() {
        let help = parsed(&of_path(find("module/use").unwrap(), "{}"));
        insta::assert_snapshot!(help["help"].as_str().unwrap());
    }
}
