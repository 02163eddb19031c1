//! No misbehaviour: the neighbour that must go on being served. Reads and writes one entry, reads several, lists pages,
//! asks the server, or sends one GET.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::{locks, storage, system_view};
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
    if request.path.starts_with("view/") {
        return result(view(argument(&request)));
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

/// Asks the server once for each letter: for the `d`efault or `m`aximal time to live, whether the mount is `t`ainted or
/// `l`ocal, for the state of `r`eplication, the `v`ersion, an `e`ntity, a `p`assword. Answers how often the server knew.
fn view(letters: &str) -> usize {
    let knows = |letter: &char| match letter {
        'd' => system_view::default_lease_ttl().is_ok(),
        'm' => system_view::max_lease_ttl().is_ok(),
        't' => system_view::tainted().is_ok(),
        'l' => system_view::local_mount().is_ok(),
        'r' => system_view::replication_state().is_ok(),
        'v' => system_view::server_version().is_ok(),
        'e' => system_view::entity_info("entity").is_ok(),
        'p' => system_view::generate_password("policy").is_ok(),
        _ => false,
    };
    letters.chars().filter(knows).count()
}
