//! Writes without end. Told that it met a limit, it passes that on, or (path `deaf`) goes on.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::storage::{Entry, put};
use rogue_components::{Answer, argument, result};

rogue_components::guest!(crate::handle);

fn handle(request: Request) -> Answer {
    let bytes = if argument(&request) == "large" { 1024 * 1024 } else { 16 };
    let entry = Entry { key: "flood".to_owned(), value: vec![0; bytes], seal_wrap: false };
    loop {
        if let Err(error) = put(&entry)
            && argument(&request) != "deaf"
        {
            return result(error);
        }
    }
}
