//! Leases at another path than the engine of before, and keeps to what that one leased.

use rogue_components::Answer;
use rogue_components::bindings::secrets_engine::backend::types::{Error, Operation, Request};
use toy_engines::{TOY, Toy};

toy_engines::toy!(Toy { first: crate::first, ..TOY });

fn first(request: &Request) -> Option<Answer> {
    let is_of_a_lease = matches!(request.operation, Operation::Renew | Operation::Revoke);
    match request.path.as_str() {
        "lease" if !is_of_a_lease => Some(Err(Error::UnsupportedPath)),
        "loan" => Some(toy_engines::lease(request)),
        _ => None,
    }
}
