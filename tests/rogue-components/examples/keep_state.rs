//! Keeps what it saw for the next request.

use std::sync::Mutex;

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::{Answer, result};

rogue_components::guest!(crate::handle);

static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn handle(request: Request) -> Answer {
    let Ok(mut seen) = SEEN.lock() else { return result("poisoned") };
    seen.push(request.data);
    result(&*seen)
}
