//! The OpenAPI document that the server merges.

use std::collections::BTreeSet;

use harness::Stage;
use serde_json::Value;

scenarios! { all:
    the_roots_document_has_every_path_with_schemas,
    references_lead_somewhere,
}

const PATHS: [&str; 15] = [
    "/config",
    "/configs/",
    "/role",
    "/roles/",
    "/org/token",
    "/org/tokens/",
    "/config/{org}",
    "/config/{org}/sync-roles",
    "/sync-roles",
    "/roles/{org}/",
    "/roles/{org}/{role}",
    "/creds/{org}/{role}",
    "/tokens/{org}/",
    "/tokens/{org}/{client_id}",
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
        for verb in ["get", "post", "delete"] {
            let Some(operation) = item.get(verb) else { continue };
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{verb} {path}");
            assert!(operation["operationId"].as_str().is_some_and(|text| !text.is_empty()), "{verb} {path}");
            assert!(operation["responses"].as_object().is_some_and(|all| !all.is_empty()), "{verb} {path}");
            if verb == "post" {
                assert!(operation.get("requestBody").is_some(), "{path} has no request schema");
            }
        }
    }
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
