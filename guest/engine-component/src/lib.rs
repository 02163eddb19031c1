//! What makes a WebAssembly component of any engine on the framework: WIT
//! bindings, conversions, the framework's host traits over the imports, and
//! an allocator.
//!
//! A crate that names its engine's table is all that is needed besides:
//!
//! ```text
//! engine_component::export_engine!(my_engine::BACKEND);
//! ```

#[cfg(target_arch = "wasm32")]
mod allocator;
#[doc(hidden)]
pub mod bindings;
mod convert;
#[cfg(feature = "http")]
mod error_code;
mod host;
#[cfg(feature = "http")]
mod http;
#[cfg_attr(not(feature = "http"), expect(dead_code, reason = "most are limits of HTTP"))]
mod limits;
#[cfg(not(feature = "http"))]
mod no_http;
mod panic;
mod secret_classes;
mod storage;

#[doc(hidden)]
pub use secrets_framework::Backend;

use bindings::exports::secrets_engine::backend::backend::{
    Description, Error, Guest, Request, Response, SpecialPaths, StorageVersions,
};
use bindings::exports::secrets_engine::paths::existence::Guest as ExistenceGuest;
use bindings::exports::secrets_engine::secrets::declaration::{Class, Guest as SecretsGuest};
use host::ComponentHost;

/// Exports a `static` [`Backend`] as the component's engine. To be written once, in a `cdylib`.
#[macro_export]
macro_rules! export_engine {
    ($backend:path) => {
        #[expect(unsafe_code, reason = "generated: the canonical ABI is raw pointers")]
        mod component {
            struct Component;

            impl $crate::Engine for Component {
                const BACKEND: &'static $crate::Backend = &$backend;
            }

            $crate::bindings::export!(Component with_types_in $crate::bindings);
        }
    };
}

/// An engine by its table; [`export_engine!`] implements it.
#[doc(hidden)]
pub trait Engine {
    /// The engine.
    const BACKEND: &'static Backend;
}

/// The exports of the world.
impl<E: Engine> Guest for E {
    fn describe() -> Description {
        panic::report_to_log();
        let backend = E::BACKEND;
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Description {
            name: backend.name.to_owned(),
            version: backend.version.to_owned(),
            special_paths: SpecialPaths {
                root: owned(backend.special_paths.root),
                unauthenticated: owned(backend.special_paths.unauthenticated),
                local_storage: owned(backend.special_paths.local_storage),
                seal_wrap_storage: owned(backend.special_paths.seal_wrap_storage),
            },
            secret_kinds: backend.secrets.iter().map(|secret| secret.kind.to_owned()).collect(),
            storage_versions: StorageVersions {
                written: backend.storage_versions.written,
                readable_from: backend.storage_versions.readable_from,
            },
        }
    }

    fn handle_request(request: Request) -> Result<Option<Response>, Error> {
        panic::report_to_log();
        let request = convert::request_from_wit(request).map_err(convert::error_into_wit)?;
        let response = E::BACKEND.handle(&ComponentHost(E::BACKEND), &request).map_err(convert::error_into_wit)?;
        Ok(response.map(convert::response_into_wit))
    }

    fn check_existence(request: Request) -> Result<Option<bool>, Error> {
        panic::report_to_log();
        // Data that cannot be parsed are for the request itself to tell: the server hides an error of this check.
        let Ok(request) = convert::request_from_wit(request) else { return Ok(None) };
        Ok(E::BACKEND.check_existence(&ComponentHost(E::BACKEND), &request))
    }
}

impl<E: Engine> SecretsGuest for E {
    fn declare() -> Vec<Class> {
        panic::report_to_log();
        E::BACKEND.secret_classes.iter().map(secret_classes::class_into_wit).collect()
    }
}

impl<E: Engine> ExistenceGuest for E {
    fn checked_paths() -> Vec<String> {
        panic::report_to_log();
        E::BACKEND.checked_paths()
    }
}
