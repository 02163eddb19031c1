//! A small engine, good and bad, for the tests of updates: every answer of `version` says which one served.
//!
//! Each file in `examples/` is one variant; all of them say the same version, which the harness overwrites in the
//! built component, so that any variant can come in any version. Built by `make rogue`. Nothing here may be used
//! by code that ships.

use std::hint::black_box;

use rogue_components::bindings::exports::secrets_engine::secrets::declaration::{
    Alphabet, Class, Destination, RequestField, Shape, ShownField, StoredField,
};
use rogue_components::bindings::secrets_engine::backend::types::{Error, Operation, Request, Response, Secret};
use rogue_components::bindings::secrets_engine::host::storage;
use rogue_components::bindings::wasi::clocks::monotonic_clock;
use rogue_components::{Answer, argument, data, json_text};

pub use rogue_components::bindings;

/// What every variant is built as. The harness looks for these very bytes: no other text of the component may have them.
const VERSION: &str = "10.20.30";

/// What a variant does differently.
pub struct Toy {
    /// Kinds of leased secrets.
    pub secret_kinds: &'static [&'static str],
    /// Paths that need no token.
    pub unauthenticated: &'static [&'static str],
    /// Storage that the seal wraps.
    pub seal_wrapped: &'static [&'static str],
    /// The storage version that it writes, and the oldest that it reads.
    pub storage_versions: (u32, u32),
    /// The classes of its secrets.
    pub secrets: fn() -> Vec<Class>,
    /// Happens in `describe`.
    pub in_describe: fn(),
    /// May answer a request before the usual way.
    pub first: fn(&Request) -> Option<Answer>,
}

/// No misbehaviour.
pub const TOY: Toy = Toy {
    secret_kinds: &["toy"],
    unauthenticated: &[],
    seal_wrapped: &[],
    storage_versions: (1, 1),
    secrets: Vec::new,
    in_describe: || {},
    first: |_| None,
};

/// What `key/secret/:name` keeps in its field `password`, and `show/:name` answers, is secret.
#[must_use]
pub fn passwords() -> Vec<Class> {
    let texts = |text: &str| vec![text.to_owned()];
    let shape = Shape {
        public: String::new(),
        alphabet: Alphabet::LettersAndDigits,
        plain_endings: vec![],
        secret_characters_min: 16,
    };
    let (at, destination) = (texts("password"), Destination::None);
    vec![Class {
        name: "password".to_owned(),
        shape,
        request_fields: vec![RequestField {
            paths: texts("key/secret/+"),
            at: at.clone(),
            destination: destination.clone(),
            owner: vec![],
        }],
        stored_fields: vec![StoredField { prefix: "secret/".to_owned(), at: at.clone(), destination, owner: None }],
        unreadable_fields: vec![],
        answered_fields: vec![],
        bearer_of: vec![],
        shown_fields: vec![ShownField { paths: texts("show/+"), at, owner: vec![] }],
        becomes: vec![],
    }]
}

/// Makes a guest of a variant.
#[macro_export]
macro_rules! toy {
    ($toy:expr) => {
        static ENGINE: $crate::Toy = $toy;

        #[expect(unsafe_code, reason = "written by wit-bindgen")]
        mod component {
            use $crate::bindings::exports::secrets_engine::backend::backend::{
                Description, Guest, SpecialPaths, StorageVersions,
            };
            use $crate::bindings::secrets_engine::backend::types::{Error, Request, Response};

            use super::ENGINE;

            struct Component;

            impl Guest for Component {
                fn describe() -> Description {
                    (ENGINE.in_describe)();
                    let (written, readable_from) = ENGINE.storage_versions;
                    Description {
                        name: "toy".to_owned(),
                        version: $crate::version(),
                        special_paths: SpecialPaths {
                            root: vec![],
                            unauthenticated: $crate::owned(ENGINE.unauthenticated),
                            local_storage: vec![],
                            seal_wrap_storage: $crate::owned(ENGINE.seal_wrapped),
                        },
                        secret_kinds: $crate::owned(ENGINE.secret_kinds),
                        storage_versions: StorageVersions { written, readable_from },
                    }
                }

                fn handle_request(request: Request) -> Result<Option<Response>, Error> {
                    (ENGINE.first)(&request).unwrap_or_else(|| $crate::handle(&request))
                }

                fn check_existence(_: Request) -> Result<Option<bool>, Error> {
                    Ok(None)
                }
            }

            impl $crate::bindings::exports::secrets_engine::secrets::declaration::Guest for Component {
                fn declare() -> Vec<$crate::bindings::exports::secrets_engine::secrets::declaration::Class> {
                    (ENGINE.secrets)()
                }
            }

            impl $crate::bindings::exports::secrets_engine::paths::existence::Guest for Component {
                fn checked_paths() -> Vec<String> {
                    vec![]
                }
            }

            $crate::bindings::export!(Component with_types_in $crate::bindings);
        }
    };
}

/// The version, read at run time: the compiler must not take its bytes apart.
#[must_use]
pub fn version() -> String {
    black_box(VERSION).to_owned()
}

/// As the bindings want them.
#[must_use]
pub fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// Serves a request in the usual way.
///
/// # Errors
/// As the server is to see them.
pub fn handle(request: &Request) -> Answer {
    if request.operation == Operation::Help {
        return help();
    }
    match request.path.split('/').next().unwrap_or_default() {
        "version" => data(&format!("{{\"version\":{}}}", json_text(&version()))),
        "lease" => lease(request),
        "wait" => wait(argument(request)),
        "key" => one_key(request),
        "keys" => list(argument(request)),
        "show" => match storage::get(&format!("secret/{}", argument(request))).map_err(failed)? {
            Some(entry) => data(&String::from_utf8_lossy(&entry.value)),
            None => Ok(None),
        },
        _ if matches!(request.operation, Operation::Rollback) => Ok(None),
        _ => Err(Error::UnsupportedPath),
    }
}

/// Makes, renews and revokes a lease of nothing. It takes whatever this engine ever leased.
///
/// # Errors
/// None.
pub fn lease(request: &Request) -> Answer {
    let secret = Secret {
        ttl: HOUR,
        max_ttl: 24 * HOUR,
        renewable: true,
        internal_data: "{\"secret_type\":\"toy\"}".to_owned(),
    };
    if request.operation == Operation::Revoke {
        return Ok(None);
    }
    let data = Some(format!("{{\"version\":{}}}", json_text(&version())));
    Ok(Some(Response { data, warnings: vec![], secret: Some(secret), headers: vec![] }))
}

/// In the unit of the interface.
const HOUR: u64 = 3_600_000_000_000;

/// Answers after so many milliseconds.
fn wait(milliseconds: &str) -> Answer {
    let milliseconds: u64 = milliseconds.parse().map_err(|_| Error::User("not a number".to_owned()))?;
    monotonic_clock::subscribe_duration(milliseconds.saturating_mul(1_000_000)).block();
    data(&format!("{{\"version\":{}}}", json_text(&version())))
}

/// Reads, writes or deletes any storage key: what a guest reaches is what the host gives.
fn one_key(request: &Request) -> Answer {
    let key = argument(request);
    match request.operation {
        Operation::Read => match storage::get(key).map_err(failed)? {
            Some(entry) => data(&format!("{{\"value\":{}}}", json_text(&String::from_utf8_lossy(&entry.value)))),
            None => Ok(None),
        },
        Operation::Create | Operation::Update => {
            let value = request.data.clone().into_bytes();
            storage::put(&storage::Entry { key: key.to_owned(), value, seal_wrap: false }).map_err(failed)?;
            Ok(None)
        }
        Operation::Delete => storage::delete(key).map(|()| None).map_err(failed),
        _ => Err(Error::UnsupportedOperation),
    }
}

fn list(prefix: &str) -> Answer {
    let keys = storage::list(prefix).map_err(failed)?;
    let keys: Vec<String> = keys.iter().map(|key| json_text(key)).collect();
    data(&format!("{{\"keys\":[{}]}}", keys.join(",")))
}

/// A storage that refuses says so to the server in its own words, so that a standby forwards.
fn failed(error: storage::Error) -> Error {
    match error {
        storage::Error::ReadOnly(text) => Error::Plain(text),
        storage::Error::Conflict(text) | storage::Error::Limit(text) | storage::Error::Failed(text) => {
            Error::Internal(text)
        }
    }
}

/// The same text for every path, with the document that the host's probe looks at.
fn help() -> Answer {
    data(HELP)
}

const HELP: &str = r#"{"help":"A toy.","see_also":null,"openapi":{"openapi":"3.0.2",
"info":{"title":"toy","description":"A toy.","version":"1","license":{"name":"x","url":"https://example.com"}},
"paths":{"/version":{"description":"Which version serves.","get":{"operationId":"toy-read-version","summary":"Read it.",
"responses":{"200":{"description":"OK"}}}}},"components":{"schemas":{}}}}"#;
