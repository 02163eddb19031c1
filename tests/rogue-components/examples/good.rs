//! No misbehaviour: the neighbour that must go on being served. Reads and writes one entry, reads several, or sends one GET.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::{locks, storage};
use rogue_components::{Answer, argument, get, read, result};

rogue_components::guest!(crate::handle);

fn handle(request: Request) -> Answer {
    if request.path.starts_with("get/") {
        let answer = get(argument(&request));
        return match answer {
            Ok(answer) => result((answer.status(), read(&answer))),
            Err(code) => result(code),
        };
    }
    if request.path.starts_with("lock/") {
        return result(locks::acquire(argument(&request)).map(drop));
    }
    if request.path.starts_with("many/") {
        let keys: Vec<_> = argument(&request).split(',').map(str::to_owned).collect();
        let text = |entry: storage::Entry| String::from_utf8_lossy(&entry.value).into_owned();
        return result(
            storage::get_many(&keys).map(|found| found.into_iter().map(|e| e.map(text)).collect::<Vec<_>>()),
        );
    }
    let entry = storage::Entry { key: "good".to_owned(), value: b"1".to_vec(), seal_wrap: false };
    let written = storage::put(&entry).map(|()| storage::get("good").map(|found| found.map(|entry| entry.value)));
    result(written)
}
