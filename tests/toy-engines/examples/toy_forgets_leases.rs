//! Leases at another path than the engine of before, and knows nothing of what that one leased: no probe can see it.

use rogue_components::Answer;
use rogue_components::bindings::secrets_engine::backend::types::{Error, Request};
use toy_engines::{TOY, Toy};

toy_engines::toy!(Toy { first: crate::first, ..TOY });

fn first(request: &Request) -> Option<Answer> {
    match request.path.as_str() {
        "lease" => Some(Err(Error::UnsupportedPath)),
        "loan" => Some(toy_engines::lease(request)),
        _ => None,
    }
}
