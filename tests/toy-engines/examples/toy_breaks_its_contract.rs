//! Answers some requests, none of which a probe makes, with what is no JSON.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::{Answer, data};
use toy_engines::{TOY, Toy};

toy_engines::toy!(Toy { first: crate::first, ..TOY });

fn first(request: &Request) -> Option<Answer> {
    request.path.starts_with("wait/").then(|| data("no JSON"))
}
