//! Lists again and again, keeping all names.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::storage::list;
use rogue_components::{Answer, result};

rogue_components::guest!(crate::handle);

fn handle(_: Request) -> Answer {
    let mut names = 0;
    loop {
        match list("many/") {
            Ok(listed) => names += listed.len(),
            Err(error) => return result((names, error)),
        }
    }
}
