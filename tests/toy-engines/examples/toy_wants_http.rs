//! Reaches outside, which the engine of before could not.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::{Answer, argument, get, result};
use toy_engines::{TOY, Toy};

toy_engines::toy!(Toy { first: crate::first, ..TOY });

fn first(request: &Request) -> Option<Answer> {
    request.path.starts_with("get/").then(|| match get(argument(request)) {
        Ok(answer) => result(answer.status()),
        Err(code) => result(code),
    })
}
