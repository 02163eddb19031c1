//! Says of itself what a good version says, and answers with something else: nobody trusts it.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::{Answer, data};
use toy_engines::{TOY, Toy};

toy_engines::toy!(Toy { first: crate::first, ..TOY });

fn first(request: &Request) -> Option<Answer> {
    (request.path == "version").then(|| data(r#"{"version":"of an impostor"}"#))
}
