//! Writes to storage when it is only read: the probe's storage must not take it.

use rogue_components::Answer;
use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::storage;
use toy_engines::{TOY, Toy};

toy_engines::toy!(Toy { first: crate::first, ..TOY });

fn first(request: &Request) -> Option<Answer> {
    if request.path == "version" {
        let _ = storage::put(&storage::Entry { key: "touched".to_owned(), value: b"{}".to_vec(), seal_wrap: false });
    }
    None
}
