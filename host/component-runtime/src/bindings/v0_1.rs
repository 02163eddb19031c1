//! `secrets-engine:world@0.1.0`: generated bindings, and the host functions that its guests import.
//!
//! A host function counts against the quota, calls the capability and converts the error.

/// Lets a call pass if the quota allows it. Otherwise answers the guest with this error, or traps.
macro_rules! granted {
    ($granted:expr, $refused:expr) => {
        match $granted {
            Ok(()) => {}
            Err(crate::capability::QuotaError::Refuse(reached)) => return Ok(Err($refused(reached.to_string()))),
            Err(crate::capability::QuotaError::Stop(reached)) => return Err(reached.into()),
        }
    };
}

mod convert;
mod locks;
mod logging;
mod storage;
mod system_view;

pub(crate) use convert::{WitRequest, check_description, check_existence, check_response, into_wit};
pub(crate) use generated::secrets_engine::host;
pub(crate) use generated::{Engine, EnginePre};

mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "secrets-engine:%world/engine@0.1.0",
        imports: {
            "secrets-engine:host/logging": trappable,
            "secrets-engine:host/system-view.backend-uuid": trappable,
            "secrets-engine:host/system-view.mount-options": trappable,
            "secrets-engine:host/system-view.wal-minimum-age": trappable,
            "secrets-engine:host/system-view.check-egress": trappable,
            default: async | trappable,
        },
        exports: { default: async },
        require_store_data_send: true,
        with: {
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "wasi:http": wasmtime_wasi_http::p2::bindings::http,
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:random": wasmtime_wasi::p2::bindings::random,
            "secrets-engine:host/locks.guard": crate::store_state::HeldLock,
            "secrets-engine:host/storage.transaction": crate::store_state::OpenTransaction,
        },
    });
}
