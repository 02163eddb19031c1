//! What hostile guests have in common: the exports' boilerplate and small helpers.
//!
//! Each file in `examples/` is one guest with one misbehaviour. They are built by `make rogue`, and each has a
//! test in `host/component-runtime/tests`. Nothing here may be used by code that ships.

pub mod engine;
pub mod thief;

use std::fmt::Write as _;

use bindings::secrets_engine::backend::types::{Error, Request, Response};
use bindings::wasi::http::outgoing_handler::handle;
use bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme, http_error_code,
};
use bindings::wasi::io::streams::StreamError;

/// Written by wit-bindgen.
#[expect(missing_docs, reason = "written by wit-bindgen")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "engine",
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "rogue_components::bindings",
    });
}

/// A guest's answer.
pub type Answer = Result<Option<Response>, Error>;

/// Makes a guest of a function that serves requests, and optionally of one that runs in `describe`; or of its name, both
/// functions, and one that declares secrets.
#[macro_export]
macro_rules! guest {
    ($handle:path) => {
        $crate::guest!($handle, drop);
    };
    ($handle:path, $in_describe:path) => {
        $crate::guest!(env!("CARGO_CRATE_NAME"), $handle, $in_describe, Vec::new);
    };
    ($name:expr, $handle:path, $in_describe:path, $declare:path) => {
        #[expect(unsafe_code, reason = "written by wit-bindgen")]
        mod component {
            use $crate::bindings::exports::secrets_engine::backend::backend::{
                Description, Guest, SpecialPaths, StorageVersions,
            };
            use $crate::bindings::secrets_engine::backend::types::{Error, Request, Response};

            struct Component;

            impl Guest for Component {
                fn describe() -> Description {
                    $in_describe(());
                    Description {
                        name: $name.to_owned(),
                        version: "0.0.0".to_owned(),
                        special_paths: SpecialPaths {
                            root: vec![],
                            unauthenticated: vec![],
                            local_storage: vec![],
                            seal_wrap_storage: vec![],
                        },
                        secret_kinds: vec![],
                        storage_versions: StorageVersions { written: 1, readable_from: 1 },
                    }
                }

                fn handle_request(request: Request) -> Result<Option<Response>, Error> {
                    $handle(request)
                }

                fn check_existence(request: Request) -> Result<Option<bool>, Error> {
                    $handle(request).map(|_| Some(true))
                }
            }

            impl $crate::bindings::exports::secrets_engine::secrets::declaration::Guest for Component {
                fn declare() -> Vec<$crate::bindings::exports::secrets_engine::secrets::declaration::Class> {
                    $declare()
                }
            }

            impl $crate::bindings::exports::secrets_engine::paths::existence::Guest for Component {
                fn checked_paths() -> Vec<String> {
                    ["checked/{name}", "config"].map(str::to_owned).to_vec()
                }
            }

            $crate::bindings::export!(Component with_types_in $crate::bindings);
        }
    };
}

/// Answers one field, `result`.
pub fn result(text: impl std::fmt::Debug) -> Answer {
    data(&format!("{{\"result\":{}}}", json_text(&format!("{text:?}"))))
}

/// Answers this text as data.
pub fn data(text: &str) -> Answer {
    Ok(Some(Response { data: Some(text.to_owned()), warnings: vec![], secret: None, headers: vec![] }))
}

/// A JSON text.
pub fn json_text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => drop(write!(quoted, "\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The part of a request's path after its first segment: what the test asks about.
pub fn argument(request: &Request) -> &str {
    request.path.split_once('/').map_or("", |(_, rest)| rest)
}

/// An outbound request that is not sent yet.
pub fn outgoing(method: &Method, url: &str, headers: &[(String, Vec<u8>)]) -> OutgoingRequest {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let fields = Fields::from_list(headers).unwrap_or_else(|_| Fields::new());
    let request = OutgoingRequest::new(fields);
    let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Https };
    let _ = request.set_method(method);
    let _ = request.set_scheme(Some(&scheme));
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(Some(path));
    request
}

/// Sends a GET and waits for the head of its answer.
pub fn get(url: &str) -> Result<IncomingResponse, ErrorCode> {
    let request = outgoing(&Method::Get, url, &[]);
    if let Ok(body) = request.body() {
        let _ = OutgoingBody::finish(body, None);
    }
    let future = handle(request, None)?;
    loop {
        match future.get() {
            Some(Ok(answer)) => return answer,
            Some(Err(())) => return Err(ErrorCode::InternalError(None)),
            None => future.subscribe().block(),
        }
    }
}

/// Sends 900 bodies of one MiB and takes no answer.
#[must_use]
pub fn send_bodies(url: &str) -> usize {
    let length = ("content-length".to_owned(), MIB.to_string().into_bytes());
    (0..900).take_while(|_| send_body(url, length.clone()).is_some()).count()
}

const MIB: usize = 1024 * 1024;

fn send_body(url: &str, length: (String, Vec<u8>)) -> Option<()> {
    let outgoing = outgoing(&Method::Post, url, &[length]);
    let body = outgoing.body().ok()?;
    std::mem::forget(handle(outgoing, None).ok()?);
    let stream = body.write().ok()?;
    let mut left = MIB;
    while left > 0 {
        stream.subscribe().block();
        // An error: the host has given the body up.
        let Ok(room) = stream.check_write() else { break };
        let now = left.min(usize::try_from(room).unwrap_or(left));
        if stream.write(&vec![b'x'; now]).is_err() {
            break;
        }
        left -= now;
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
    Some(())
}

/// Reads a body to its end; answers how many bytes it had.
pub fn read(response: &IncomingResponse) -> Result<usize, Option<ErrorCode>> {
    let body = response.consume().map_err(|()| None)?;
    let stream = body.stream().map_err(|()| None)?;
    let mut bytes = 0;
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(chunk) => bytes += chunk.len(),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => return Err(http_error_code(&error)),
        }
    }
}
