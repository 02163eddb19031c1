//! Tries a module before it serves: with a read-only view of the mount, and without HTTP. The module may answer with an
//! error, but it must answer.

use std::sync::Arc;

use component_runtime::{InvokeError, Module, Mount};
use envelope::{Operation, Request};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::Rejection;
use crate::limits::{PROBE_DEADLINE, PROBE_PATHS_MAX};

/// Asks for the help of all paths, then reads and lists those without parameters.
pub(super) async fn probe(module: &Module, scratch: &Arc<Mount>) -> Result<(), Rejection> {
    let until = Instant::now() + PROBE_DEADLINE;
    let help = call(module, scratch, Operation::Help, "", until).await?;
    let Some(help) = help else { return Ok(()) };
    let document = document(&help).map_err(Rejection::Permanent)?;
    for (operation, path) in readable(&document) {
        call(module, scratch, operation, &path, until).await?;
    }
    Ok(())
}

/// The data of the answer; `None` if the guest refused.
async fn call(
    module: &Module,
    scratch: &Arc<Mount>,
    operation: Operation,
    path: &str,
    until: Instant,
) -> Result<Option<String>, Rejection> {
    let failed = |what: String| format!("its probe failed at {operation:?} of `{path}`: {what}");
    match timeout_at(until, module.handle_request(scratch, request(operation, path))).await {
        Ok(Ok(answer)) => Ok(answer.and_then(|answer| answer.data)),
        Ok(Err(InvokeError::Guest(_))) => Ok(None),
        // A guest that loops reaches its limit of processor time. This timeout therefore means that the machine was
        // short of time or memory.
        Ok(Err(
            error @ (InvokeError::Busy(_) | InvokeError::Memory(_) | InvokeError::Deadline(_) | InvokeError::Host(_)),
        )) => Err(Rejection::Transient(failed(error.to_string()))),
        Ok(Err(error)) => Err(Rejection::Permanent(failed(error.to_string()))),
        Err(_) => Err(Rejection::Transient(failed(format!("the probe took longer than {PROBE_DEADLINE:?}")))),
    }
}

fn request(operation: Operation, path: &str) -> Request {
    Request {
        id: Some("module-probe".to_owned()),
        timeout: Some(PROBE_DEADLINE),
        ..Request::new(operation, path, "{}")
    }
}

/// The OpenAPI document in a help answer; null if the engine has none.
fn document(help: &str) -> Result<Value, String> {
    let mut help: Value = serde_json::from_str(help).map_err(|error| format!("its help is no JSON: {error}"))?;
    let document = help.get_mut("openapi").map(Value::take).unwrap_or_default();
    let has_paths = document.get("paths").is_some_and(Value::is_object);
    if document.is_null() || has_paths {
        return Ok(document);
    }
    Err("the OpenAPI document in its help has no `paths`".to_owned())
}

/// The operations that need no parameter.
fn readable(document: &Value) -> Vec<(Operation, String)> {
    let Some(paths) = document.get("paths").and_then(Value::as_object) else { return Vec::new() };
    let plain = paths.iter().filter(|(path, item)| !path.contains('{') && item.get("get").is_some());
    let call = |(path, item): (&String, &Value)| {
        let operation = if must_list(item) { Operation::List } else { Operation::Read };
        (operation, path.trim_start_matches('/').to_owned())
    };
    plain.map(call).take(PROBE_PATHS_MAX).collect()
}

/// Does the path only list on GET? The server's framework says so by a required parameter.
fn must_list(item: &Value) -> bool {
    let parameters = item["get"]["parameters"].as_array();
    let is_list = |parameter: &Value| parameter["name"] == "list" && parameter["required"] == true;
    parameters.is_some_and(|parameters| parameters.iter().any(is_list))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_probe_reads_the_paths_without_parameters() {
        let list = json!([{ "name": "list", "required": true }]);
        let document = json!({ "paths": {
            "/config": { "get": {}, "post": {} },
            "/creds/{role}": { "get": {} },
            "/roles/": { "get": { "parameters": list } },
            "/rotate": { "post": {} },
        }});
        let expected = [(Operation::Read, "config".to_owned()), (Operation::List, "roles/".to_owned())];
        assert_eq!(readable(&document), expected);
        assert_eq!(readable(&Value::Null), []);
        let many: serde_json::Map<_, _> = (0..100).map(|n| (format!("/p{n}"), json!({ "get": {} }))).collect();
        assert_eq!(readable(&json!({ "paths": many })).len(), PROBE_PATHS_MAX);
    }

    #[test]
    fn a_malformed_openapi_document_is_refused_and_a_missing_one_is_not() {
        assert_eq!(document(r#"{"help":"x"}"#).unwrap(), Value::Null);
        assert!(document(r#"{"openapi":{"paths":{}}}"#).is_ok());
        for wrong in [r#"{"openapi":7}"#, r#"{"openapi":{}}"#, r#"{"openapi":{"paths":[]}}"#, "[", "{"] {
            assert!(document(wrong).is_err(), "{wrong}");
        }
    }
}
