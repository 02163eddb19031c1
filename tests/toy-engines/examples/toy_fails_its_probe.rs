//! Traps on a path that it shows in its own OpenAPI document.

use rogue_components::Answer;
use rogue_components::bindings::secrets_engine::backend::types::Request;
use toy_engines::{TOY, Toy};

toy_engines::toy!(Toy { first: crate::first, ..TOY });

fn first(request: &Request) -> Option<Answer> {
    if request.path == "version" {
        std::process::abort();
    }
    None
}
