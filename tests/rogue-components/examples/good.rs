//! No misbehaviour: the neighbour that must go on being served. Reads and writes one entry, reads several, lists pages, or
//! sends one GET.

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
    if request.path.starts_with("pages/") {
        return result(pages(argument(&request)));
    }
    let entry = storage::Entry { key: "good".to_owned(), value: b"1".to_vec(), seal_wrap: false };
    let written = storage::put(&entry).map(|()| storage::get("good").map(|found| found.map(|entry| entry.value)));
    result(written)
}

/// Lists `a/` name by name. Each letter is a step: the `f`irst or the `n`ext name, a `w`rite below the folder, a `d`elete
/// there, a `l`ock.
fn pages(steps: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for step in steps.chars() {
        let after = names.last().filter(|_| step == 'n').map(String::as_str).unwrap_or_default();
        match step {
            'w' => {
                let entry = storage::Entry { key: "a/w".to_owned(), value: vec![], seal_wrap: false };
                let _ = storage::put(&entry);
            }
            'd' => drop(storage::delete("a/w")),
            'l' => drop(locks::acquire("l")),
            _ => names.extend(storage::list_page("a/", after, 1).unwrap_or_default()),
        }
    }
    names
}
