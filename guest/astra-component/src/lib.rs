//! The Astra engine as a WebAssembly component: WIT bindings and conversions
//! only. What the engine does is in `astra-secrets`, which knows no WIT.

#[cfg(target_arch = "wasm32")]
mod allocator;
mod bindings;
mod convert;
mod error_code;
mod host;
mod http;
mod limits;
mod panic;
mod storage;

use astra_secrets::BACKEND;

use bindings::exports::secrets_engine::backend::backend::{
    Description, Error, Guest, Request, Response, SpecialPaths, StorageVersions,
};
use host::ComponentHost;

/// The exports of the world.
struct Component;

impl Guest for Component {
    fn describe() -> Description {
        panic::report_to_log();
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Description {
            name: BACKEND.name.to_owned(),
            version: BACKEND.version.to_owned(),
            special_paths: SpecialPaths {
                root: owned(BACKEND.special_paths.root),
                unauthenticated: owned(BACKEND.special_paths.unauthenticated),
                local_storage: owned(BACKEND.special_paths.local_storage),
                seal_wrap_storage: owned(BACKEND.special_paths.seal_wrap_storage),
            },
            secret_kinds: BACKEND.secrets.iter().map(|secret| secret.kind.to_owned()).collect(),
            storage_versions: StorageVersions {
                written: BACKEND.storage_versions.written,
                readable_from: BACKEND.storage_versions.readable_from,
            },
        }
    }

    fn handle_request(request: Request) -> Result<Option<Response>, Error> {
        panic::report_to_log();
        let request = convert::request_from_wit(request).map_err(convert::error_into_wit)?;
        let response = BACKEND.handle(&ComponentHost, &request).map_err(convert::error_into_wit)?;
        Ok(response.map(convert::response_into_wit))
    }

    fn check_existence(request: Request) -> Result<Option<bool>, Error> {
        panic::report_to_log();
        let request = convert::request_from_wit(request).map_err(convert::error_into_wit)?;
        BACKEND.check_existence(&ComponentHost, &request).map_err(convert::error_into_wit)
    }
}
