//! Tries a module before it serves: with a read-only view of the mount, and without HTTP. The module may answer with an
//! error, but it must answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use component_runtime::{InvokeError, Module, Mount};
use envelope::{Operation, Request};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::{Instant, timeout_at};

use crate::Rejection;
use crate::limits::{HELP_BYTES_MAX, PROBE_DEADLINE, PROBE_PATHS_MAX};

/// Asks for the help of all paths, then reads and lists those without parameters.
pub(super) async fn probe(module: &Module, scratch: &Arc<Mount>) -> Result<(), Rejection> {
    let until = Instant::now() + PROBE_DEADLINE;
    let help = call(module, scratch, Operation::Help, "", until).await?;
    let Some(help) = help else { return Ok(()) };
    let calls = readable(&help).map_err(Rejection::Permanent)?;
    // Not kept while the module reads.
    drop(help);
    for (operation, path) in calls {
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

/// What a probe needs of a help answer. Nothing else is kept, because parsed JSON takes many times its bytes.
#[derive(Deserialize)]
struct Help {
    /// `None` if the engine has no OpenAPI document.
    openapi: Option<Document>,
}

#[derive(Deserialize)]
struct Document {
    paths: BTreeMap<String, PathEntry>,
}

/// A path, or an extension (`x-…`), which may be anything.
#[derive(Deserialize)]
#[serde(untagged)]
enum PathEntry {
    Path(Item),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct Item {
    get: Option<Get>,
}

#[derive(Deserialize)]
struct Get {
    parameters: Option<Vec<Parameter>>,
}

#[derive(Deserialize)]
struct Parameter {
    name: Option<String>,
    required: Option<bool>,
}

/// The operations in a help answer that need no parameter.
fn readable(help: &str) -> Result<Vec<(Operation, String)>, String> {
    if help.len() > HELP_BYTES_MAX {
        return Err(format!("its help has {} bytes; at most {HELP_BYTES_MAX}", help.len()));
    }
    let help: Help = serde_json::from_str(help).map_err(|error| format!("its help cannot be read: {error}"))?;
    let paths = help.openapi.into_iter().flat_map(|document| document.paths);
    let get_of = |entry| match entry {
        PathEntry::Path(item) => item.get,
        PathEntry::Other(_) => None,
    };
    let plain = paths.filter(|(path, _)| !path.contains('{')).filter_map(|(path, entry)| Some((path, get_of(entry)?)));
    let call = |(path, get): (String, Get)| {
        let operation = if get.only_lists() { Operation::List } else { Operation::Read };
        (operation, path.trim_start_matches('/').to_owned())
    };
    Ok(plain.map(call).take(PROBE_PATHS_MAX).collect())
}

impl Get {
    /// Does the path only list on GET? The server's framework says so by a required parameter.
    fn only_lists(&self) -> bool {
        let is_list =
            |parameter: &Parameter| parameter.name.as_deref() == Some("list") && parameter.required == Some(true);
        self.parameters.iter().flatten().any(is_list)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::{Map, json};

    use super::*;

    fn readable_of(paths: serde_json::Value) -> Vec<(Operation, String)> {
        readable(&json!({ "help": "x", "openapi": { "openapi": "3.0.2", "paths": paths } }).to_string()).unwrap()
    }

    #[test]
    fn a_probe_reads_the_paths_without_parameters() {
        let list = json!([{ "name": "list", "in": "query", "required": true }]);
        let paths = json!({
            "/config": { "description": "x", "get": { "parameters": [{ "name": "list" }] }, "post": {} },
            "/creds/{role}": { "get": {} },
            "/roles/": { "get": { "parameters": list } },
            "/rotate": { "post": {} },
            "x-made-by": "a tool",
        });
        let expected = [(Operation::Read, "config".to_owned()), (Operation::List, "roles/".to_owned())];
        assert_eq!(readable_of(paths), expected);
        let many: Map<_, _> = (0..100).map(|n| (format!("/p{n}"), json!({ "get": {} }))).collect();
        assert_eq!(readable_of(many.into()).len(), PROBE_PATHS_MAX);
    }

    #[test]
    fn a_malformed_openapi_document_is_refused_and_a_missing_one_is_not() {
        for without in [r#"{"help":"x"}"#, r#"{"openapi":null}"#, r#"{"openapi":{"paths":{}}}"#] {
            assert_eq!(readable(without).unwrap(), []);
        }
        for wrong in [r#"{"openapi":7}"#, r#"{"openapi":{}}"#, r#"{"openapi":{"paths":[]}}"#, "[", "{"] {
            assert!(readable(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn help_has_a_largest_size() {
        let help = |bytes: usize| format!("{{\"help\":\"{}\"}}", "x".repeat(bytes - r#"{"help":""}"#.len()));
        assert_eq!(readable(&help(HELP_BYTES_MAX)).unwrap(), []);
        let refused = readable(&help(HELP_BYTES_MAX + 1)).unwrap_err();
        assert_eq!(refused, "its help has 1048577 bytes; at most 1048576");
    }
}
