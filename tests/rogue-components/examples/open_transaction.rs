//! Writes in a transaction and leaves it open: by a trap, or by forgetting it.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::storage::{Entry, begin};
use rogue_components::{Answer, argument, result};

rogue_components::guest!(crate::handle);

fn handle(request: Request) -> Answer {
    let Ok(Some(transaction)) = begin() else { return result("no transaction") };
    let entry = Entry { key: "left/open".to_owned(), value: b"1".to_vec(), seal_wrap: false };
    if transaction.put(&entry).is_err() {
        return result("not written");
    }
    match argument(&request) {
        "trap" => std::process::abort(),
        "finished" => {
            let committed = transaction.commit();
            result((committed, transaction.put(&entry)))
        }
        _ => {
            std::mem::forget(transaction);
            result("left open")
        }
    }
}
