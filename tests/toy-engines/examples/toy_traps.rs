//! Traps on some requests, none of which a probe makes.

use rogue_components::Answer;
use rogue_components::bindings::secrets_engine::backend::types::Request;
use toy_engines::{TOY, Toy};

toy_engines::toy!(Toy { first: crate::first, ..TOY });

fn first(request: &Request) -> Option<Answer> {
    if request.path.starts_with("wait/") {
        std::process::abort();
    }
    None
}
