//! Makes the host hold as much as it can of one kind, which the path names, and gives none back.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::storage::{get_many, list_page};
use rogue_components::bindings::secrets_engine::host::system_view::entity_info;
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
        "entity" => result(entity_info(&"e".repeat(8 * MIB)).is_ok()),
        "answer" => data(&format!("{{\"text\":\"{}\"}}", "x".repeat(4 * MIB))),
        _ => result("nothing"),
    }
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
