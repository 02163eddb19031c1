//! The OpenAPI document for the server's own document.

use std::collections::BTreeSet;

use harness::Stage;
use serde_json::Value;

scenarios! { all:
    the_roots_document_has_every_path_with_schemas,
    references_lead_somewhere,
}

pub(crate) const PATHS: [&str; 25] = [
    "/config",
    "/configs/",
    "/role",
    "/roles/",
    "/org/token",
    "/org/tokens/",
    "/config/{org}",
    "/config/{org}/check",
    "/config/{org}/rotate-root",
    "/config/{org}/sync-roles",
    "/sync-roles",
    "/roles/{org}/",
    "/roles/{org}/{role}",
    "/creds/{org}/{role}",
    "/tokens/{org}/",
    "/tokens/{org}/{client_id}",
    "/static-roles/{org}/",
    "/static-roles/{org}/{name}",
    "/static-creds/{org}/{name}",
    "/rotate-role/{org}/{name}",
    "/tidy",
    "/report",
    "/report/{org}",
    "/metrics",
    "/info",
];

fn document(stage: &Stage) -> Value {
    stage.help("").expect(200).data["openapi"].clone()
}

fn the_roots_document_has_every_path_with_schemas(stage: &Stage) {
    let document = document(stage);
    assert_eq!(document["openapi"], "3.0.2");
    let paths = document["paths"].as_object().unwrap();
    let known: BTreeSet<&str> = paths.keys().map(|path| path.trim_end_matches('/')).collect();
    for path in PATHS {
        assert!(known.contains(path.trim_end_matches('/')), "no `{path}` in {known:?}");
    }
    for (path, item) in paths {
        assert_described(path, item, &document["components"]["schemas"]);
    }
}

/// Each operation describes its purpose, its parameters and its answer.
pub(crate) fn assert_described(path: &str, item: &Value, schemas: &Value) {
    let mut operations = 0;
    for verb in ["get", "post", "delete"] {
        let Some(operation) = item.get(verb) else { continue };
        operations += 1;
        for name in ["summary", "operationId"] {
            assert!(operation[name].as_str().is_some_and(|text| !text.is_empty()), "{verb} {path} has no {name}");
        }
        let responses = operation["responses"].as_object().unwrap();
        match responses.get("200") {
            Some(response) => assert_schema(&format!("{verb} {path}'s answer"), response, schemas),
            // An operation without an answer, such as a delete.
            None => assert!(verb != "get" && responses.contains_key("204"), "{verb} {path} answers {responses:?}"),
        }
        // An operation without fields beside its path has no body.
        let takes_nothing = ["rotate-root", "rotate-role", "module/reload"].iter().any(|name| path.contains(name));
        if verb == "post" && !takes_nothing {
            assert_schema(&format!("{path}'s request"), &operation["requestBody"], schemas);
        }
    }
    assert!(operations > 0, "{path} has no operation");
}

fn assert_schema(what: &str, part: &Value, schemas: &Value) {
    let reference = part["content"]["application/json"]["schema"]["$ref"].as_str();
    let name = reference.and_then(|reference| reference.strip_prefix("#/components/schemas/"));
    let schema = name.map(|name| &schemas[name]);
    let fields = schema.and_then(|schema| schema["properties"].as_object());
    assert!(fields.is_some_and(|fields| !fields.is_empty()), "{what} has no schema: {part}");
}

fn references_lead_somewhere(stage: &Stage) {
    let document = document(stage);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let name = reference.strip_prefix("#/components/schemas/").unwrap();
        assert!(schemas.contains_key(name), "{reference} leads nowhere");
    }
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                found.push(reference.to_owned());
            }
            object.values().for_each(|value| collect(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}
