//! A small engine in several versions: what tests replace by one another.

use crate::bindings::secrets_engine::backend::types::{Operation, Request};
use crate::bindings::secrets_engine::host::storage;
use crate::{Answer, data, result};

/// Makes a version of the engine `tiny`: what it says of itself, and what it does before it serves a request.
#[macro_export]
macro_rules! engine {
    (
        version: $version:literal,
        storage: ($written:literal, $readable_from:literal),
        secret_kinds: [$($kind:literal),*],
        root: [$($root:literal),*],
        before: $before:expr
    ) => {
        #[expect(unsafe_code, reason = "written by wit-bindgen")]
        mod component {
            use $crate::bindings::exports::secrets_engine::backend::backend::{
                Description, Guest, SpecialPaths, StorageVersions,
            };
            use $crate::bindings::secrets_engine::backend::types::{Error, Request, Response};

            struct Component;

            impl Guest for Component {
                fn describe() -> Description {
                    Description {
                        name: "tiny".to_owned(),
                        version: $version.to_owned(),
                        special_paths: SpecialPaths {
                            root: vec![$($root.to_owned()),*],
                            unauthenticated: vec![],
                            local_storage: vec![],
                            seal_wrap_storage: vec![],
                        },
                        secret_kinds: vec![$($kind.to_owned()),*],
                        storage_versions: StorageVersions { written: $written, readable_from: $readable_from },
                    }
                }

                fn handle_request(request: Request) -> Result<Option<Response>, Error> {
                    let before: fn(&Request) = $before;
                    before(&request);
                    $crate::engine::serve($version, &request)
                }

                fn check_existence(_: Request) -> Result<Option<bool>, Error> {
                    Ok(None)
                }
            }

            impl $crate::bindings::exports::secrets_engine::secrets::declaration::Guest for Component {
                fn declare() -> Vec<$crate::bindings::exports::secrets_engine::secrets::declaration::Class> {
                    vec![]
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

const HELP: &str = r#"{"help":"tiny","openapi":{"paths":{
    "/version":{"get":{}},"/note":{"get":{},"post":{}},"/notes/":{"get":{"parameters":[{"name":"list","required":true}]}},
    "/note/{name}":{"get":{}}}}}"#;

/// Answers its version, keeps a note, or waits until the note `gate` is read.
pub fn serve(version: &str, request: &Request) -> Answer {
    match (request.operation, request.path.as_str()) {
        (Operation::Help, "") => data(HELP),
        (Operation::Update, path) => {
            let value = version.as_bytes().to_vec();
            result(storage::put(&storage::Entry { key: path.to_owned(), value, seal_wrap: false }))
        }
        (Operation::List, _) => result(storage::list("")),
        (_, "gate") => {
            let _ = storage::get("gate");
            result(version)
        }
        (_, "note") => result(storage::get("note").map(|found| found.map(|entry| entry.value))),
        _ => result(version),
    }
}
