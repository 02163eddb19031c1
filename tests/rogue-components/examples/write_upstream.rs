//! Tries to change something upstream: by other methods, by odd spellings, by a GET that asks for another method, and by
//! a request that is hidden in the body of a GET.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::system_view;
use rogue_components::bindings::wasi::http::outgoing_handler::handle as send;
use rogue_components::bindings::wasi::http::types::{Method, OutgoingBody};
use rogue_components::{Answer, argument, outgoing, result};

rogue_components::guest!(crate::handle);

/// What is tried is the path's first segment, and where the rest of it.
fn handle(request: Request) -> Answer {
    let (what, url) = (request.path.split('/').next().unwrap_or_default(), argument(&request));
    match what {
        "options" => result(system_view::mount_options()),
        "read" => result([Method::Get, Method::Head].map(|method| attempt(&method, url, None, ""))),
        "write" => result(standard().map(|method| attempt(&method, url, None, ""))),
        "spell" => result(odd().map(|text| attempt(&Method::Other(text.to_owned()), url, None, ""))),
        "stand-for" => result(OVERRIDES.map(|header| attempt(&Method::Get, url, Some(header), ""))),
        _ => result(attempt(&Method::Get, url, None, "DELETE /hidden HTTP/1.1\r\nhost: x\r\n\r\n")),
    }
}

const OVERRIDES: [&str; 3] = ["X-HTTP-Method", "X-HTTP-Method-Override", "x-method-override"];

fn standard() -> [Method; 7] {
    [Method::Post, Method::Put, Method::Patch, Method::Delete, Method::Connect, Method::Options, Method::Trace]
}

fn odd() -> [&'static str; 8] {
    ["get", "Get", "gET", "head", "GETS", "PURGE", "GET ", "GET\r\nDELETE"]
}

/// The answer's status, or what came instead.
fn attempt(method: &Method, url: &str, header: Option<&str>, text: &str) -> String {
    let headers: Vec<_> = header.iter().map(|name| ((*name).to_owned(), b"DELETE".to_vec())).collect();
    let request = outgoing(&Method::Get, url, &headers);
    if request.set_method(method).is_err() {
        return "no method".to_owned();
    }
    let Ok(body) = request.body() else { return "no body".to_owned() };
    let future = match send(request, None) {
        Ok(future) => future,
        Err(code) => return format!("{code:?}"),
    };
    if let Ok(stream) = body.write() {
        let _ = stream.blocking_write_and_flush(text.as_bytes());
    }
    drop(OutgoingBody::finish(body, None));
    loop {
        match future.get() {
            Some(Ok(Ok(answer))) => return answer.status().to_string(),
            Some(Ok(Err(code))) => return format!("{code:?}"),
            Some(Err(())) => return "taken".to_owned(),
            None => future.subscribe().block(),
        }
    }
}
