//! No misbehaviour: asks for all that toolchains import and nothing stands behind, and writes to its standard streams.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::{Answer, result};

use inert::wasi::cli::{environment, exit, stderr, stdin, stdout, terminal_stdin, terminal_stdout};
use inert::wasi::filesystem::preopens;

rogue_components::guest!(crate::handle);

/// Written by wit-bindgen.
mod inert {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "inert",
        generate_all,
    });
}

/// Answers how much it got. The path says what it writes, and how it ends.
fn handle(request: Request) -> Answer {
    let (way, text) = request.path.split_once('/').unwrap_or((&request.path, ""));
    let stream = if way == "out" { stdout::get_stdout() } else { stderr::get_stderr() };
    for piece in text.as_bytes().chunks(4_096) {
        let _ = stream.blocking_write_and_flush(piece);
    }
    match way {
        "exit" => exit::exit(Err(())),
        "panic" => std::process::abort(),
        "much" => (0..200).for_each(|_| drop(stream.blocking_write_and_flush(&[b'x'; 4_096]))),
        _ => {}
    }
    let input = stdin::get_stdin().read(100).map_or(0, |bytes| bytes.len());
    let terminals = usize::from(terminal_stdin::get_terminal_stdin().is_some())
        + usize::from(terminal_stdout::get_terminal_stdout().is_some());
    let things = [
        environment::get_environment().len(),
        environment::get_arguments().len(),
        usize::from(environment::initial_cwd().is_some()),
        preopens::get_directories().len(),
        input,
        terminals,
    ];
    result(things.iter().sum::<usize>())
}
