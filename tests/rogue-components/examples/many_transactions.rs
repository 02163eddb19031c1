//! Opens transactions and closes none.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::storage::begin;
use rogue_components::{Answer, result};

rogue_components::guest!(crate::handle);

fn handle(_: Request) -> Answer {
    let mut open = Vec::new();
    loop {
        match begin() {
            Ok(transaction) => open.push(transaction),
            Err(error) => return result((open.len(), error)),
        }
    }
}
