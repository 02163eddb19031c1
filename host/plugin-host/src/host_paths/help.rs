//! The help of the host's paths within the help of a whole mount.

use envelope::{Operation, Request, Response};
use modules::limits::HELP_BYTES_MAX;
use secrets_framework::Error;
use serde_json::{Value, json};

use super::table::TABLE;
use super::to_framework;

/// Adds the host's paths to the help of all paths, which a guest answered. What is no such help, or is longer than the help
/// of any engine, passes unchanged: to parse it would take memory that is on no account.
pub(crate) fn merge(answer: Response, asked: &str) -> Response {
    let text = answer.data.as_deref().filter(|data| data.len() <= HELP_BYTES_MAX);
    let Some(mut help) = text.and_then(|data| serde_json::from_str::<Value>(data).ok()) else {
        return answer;
    };
    let Ok(own) = document(asked) else { return answer };
    let own_paths = own.pointer("/paths").and_then(Value::as_object).into_iter().flatten();
    if let Some(Value::String(text)) = help.get_mut("help") {
        text.push_str(&format!("\n\n{}\n", TABLE.help));
        for (path, item) in own_paths.clone() {
            let synopsis = item.get("description").and_then(Value::as_str).unwrap_or_default();
            text.push_str(&format!("\n    ^{}$\n        {synopsis}\n", path.trim_start_matches('/')));
        }
    }
    if let Some(document) = help.get_mut("openapi").filter(|document| document.is_object()) {
        let own_schemas = own.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten();
        own_paths.for_each(|(path, item)| insert(document, &["paths"], path, item));
        own_schemas.for_each(|(name, schema)| insert(document, &["components", "schemas"], name, schema));
    }
    Response { data: Some(help.to_string()), ..answer }
}

/// The OpenAPI document of the host's paths; the request's data has the prefix of the names in it.
fn document(asked: &str) -> Result<Value, Error> {
    let help = TABLE.help(&to_framework(&Request::new(Operation::Help, "", asked))?)?;
    let mut help: Value = serde_json::from_str(help.data.as_deref().unwrap_or_default()).unwrap_or_default();
    Ok(help["openapi"].take())
}

/// Inserts into an object within objects; an object that is missing is made.
fn insert(document: &mut Value, at: &[&str], name: &str, value: &Value) {
    let mut place = document;
    for step in at {
        let Some(object) = place.as_object_mut() else { return };
        place = object.entry(*step).or_insert_with(|| json!({}));
    }
    if let Some(object) = place.as_object_mut() {
        object.insert(name.to_owned(), value.clone());
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

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
        assert_eq!(paths, ["/config", "/metrics", "/module", "/module/reload", "/module/rollback", "/module/use"]);
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
    fn help_that_is_too_long_passes_unchanged() {
        for (bytes, is_merged) in [(HELP_BYTES_MAX, true), (HELP_BYTES_MAX + 1, false)] {
            let help = format!("{{\"help\":\"{}\"}}", "x".repeat(bytes - r#"{"help":""}"#.len()));
            let answer = Response { data: Some(help.clone()), ..Response::default() };
            assert_eq!(merge(answer, "{}").data.unwrap() != help, is_merged, "{bytes}");
        }
    }
}
