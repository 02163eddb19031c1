//! Makes the host hold as much as it can of one kind, which the path names, and gives none back.

use rogue_components::bindings::secrets_engine::backend::types::{Request, Response};
use rogue_components::bindings::secrets_engine::host::storage::{Entry, Error, begin, get_many, list_page, put};
use rogue_components::bindings::secrets_engine::host::system_view::{entity_info, generate_password};
use rogue_components::bindings::wasi::http::types::{Fields, Method};
use rogue_components::{Answer, argument, data, get, outgoing, result, send_bodies};

rogue_components::guest!(crate::handle);

const MIB: usize = 1024 * 1024;

fn handle(request: Request) -> Answer {
    let (kind, rest) = argument(&request).split_once('/').unwrap_or((argument(&request), ""));
    match kind {
        "bodies" => result(send_bodies(rest)),
        "answers" => result((0..1_000).map(|_| get(rest).map(std::mem::forget)).filter(Result::is_ok).count()),
        "fields" => result((0..1_000).map(|_| fields()).filter(Option::is_some).count()),
        "copies" => result(copies()),
        "paths" => result((0..1_000).map(|_| path()).filter(Result::is_ok).count()),
        "entries" => result(get_many(&(0..1_000).map(|number| format!("many/{number}")).collect::<Vec<_>>()).is_ok()),
        "lists" => {
            result((0..1_000).map(|page| list_page("many/", &format!("{page}"), 1)).filter(Result::is_ok).count())
        }
        "entity" => result(entity_info(&"e".repeat(257))),
        "policy" => result(generate_password(&"p".repeat(257))),
        "after" => result(list_page("many/", &"a".repeat(4_097), 1)),
        "write" => result(write(put)),
        "after_in_transaction" | "write_in_transaction" => in_transaction(kind),
        "warnings" => warnings(),
        "answer" => data(&format!("{{\"text\":\"{}\"}}", "x".repeat(4 * MIB))),
        _ => result("nothing"),
    }
}

/// Little data, and much beside it.
fn warnings() -> Answer {
    Ok(data("{}")?.map(|response| Response { warnings: vec!["x".repeat(64 * 1024)], ..response }))
}

fn in_transaction(kind: &str) -> Answer {
    let Ok(Some(transaction)) = begin() else { return result("no transaction") };
    match kind {
        "after_in_transaction" => result(transaction.list_page("many/", &"a".repeat(4_097), 1)),
        _ => result(write(|entry| transaction.put(entry))),
    }
}

/// A small entry, so that the mount is in debt, and a large one.
fn write(put: impl Fn(&Entry) -> Result<(), Error>) -> Result<(), Error> {
    let entry = |key: &str, bytes| Entry { key: key.to_owned(), value: vec![b'x'; bytes], seal_wrap: false };
    put(&entry("small", 1))?;
    put(&entry("large", 8 * MIB))
}

fn fields() -> Option<()> {
    std::mem::forget(Fields::from_list(&[("x".to_owned(), vec![b'x'; 60_000])]).ok()?);
    Some(())
}

/// Copies of the same fields.
fn copies() -> usize {
    let fields = Fields::new();
    let _ = fields.append("x", &vec![b'x'; 60_000]);
    let copy = |_| {
        let copy = fields.clone();
        let copied = copy.append("y", b"y");
        std::mem::forget(copy);
        copied
    };
    (0..1_000).map(copy).filter(Result::is_ok).count()
}

fn path() -> Result<(), ()> {
    let request = outgoing(&Method::Get, "http://astra.example", &[]);
    let set = request.set_path_with_query(Some(&format!("/{}", "x".repeat(60_000))));
    std::mem::forget(request);
    set
}
