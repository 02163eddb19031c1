//! The table as a whole: sound, seal-wrapped where it must be, and what it
//! says to operators and to tools, which is changed only on purpose.

#![expect(clippy::unwrap_used, reason = "tests")]

mod terraform;

use secrets_framework::testing::{TestHost, check_table, request};
use secrets_framework::{Operation, Segment};
use serde_json::Value;

use super::*;

fn help(path: &str) -> Value {
    let response = BACKEND.handle(&TestHost::new(), &request(Operation::Help, path, Value::Null)).unwrap().unwrap();
    serde_json::from_str(&response.data.unwrap()).unwrap()
}

#[test]
fn the_table_is_sound() {
    assert_eq!(check_table(&BACKEND), Vec::<String>::new());
}

#[test]
fn what_holds_secrets_is_seal_wrapped() {
    let wrapped = BACKEND.special_paths.seal_wrap_storage;
    for prefix in ["config/", "retired-config/", "token/", "static-role/", "wal/"] {
        assert!(wrapped.contains(&prefix), "{prefix}");
    }
    assert!(BACKEND.special_paths.local_storage.is_empty());
}

#[test]
fn the_help_of_every_path_is_as_reviewed() {
    let mut text = help("")["help"].as_str().unwrap().to_owned();
    for path in BACKEND.paths {
        let segments = path.pattern.iter().map(|segment| match segment {
            Segment::Literal(text) | Segment::Capture(text) => *text,
        });
        let path = segments.collect::<Vec<_>>().join("/");
        text.push_str("\n\n================\n\n");
        text.push_str(help(&path)["help"].as_str().unwrap());
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_openapi_document_is_as_reviewed() {
    let mut document = help("")["openapi"].clone();
    // The version changes with each release.
    document["info"]["version"] = Value::Null;
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
}
