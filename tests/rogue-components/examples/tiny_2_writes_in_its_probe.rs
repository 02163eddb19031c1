//! A next version that writes when its version is read, and goes on when it may not.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::storage::{Entry, delete, put};

rogue_components::engine! {
    version: "2.0.0",
    storage: (1, 1),
    secret_kinds: ["token"],
    root: [],
    before: crate::write
}

fn write(request: &Request) {
    if request.path == "version" {
        let _ = put(&Entry { key: "note".to_owned(), value: b"probe".to_vec(), seal_wrap: false });
        let _ = delete("kept");
    }
}
