//! The additions of `secrets-engine:world@0.2.0`: generated bindings of the imports and exports beyond world 0.1.0, and
//! the host functions.

mod convert;
mod counters;

pub(crate) use convert::{check_declaration, check_paths};
pub(crate) use existence::{ExistenceChecks, ExistenceChecksPre};
pub(crate) use generated::secrets_engine::metrics;
pub(crate) use generated::{Additions, AdditionsPre};

/// Name of the export that declares secrets, without a version: the linker matches any compatible version.
pub(crate) const DECLARATION: &str = "secrets-engine:secrets/declaration";

/// Name of the export that lists the paths with an existence check, without a version.
pub(crate) const EXISTENCE: &str = "secrets-engine:paths/existence";

mod existence {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "existence-checks",
        exports: { default: async },
        require_store_data_send: true,
    });
}

mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "additions",
        imports: { default: trappable },
        exports: { default: async },
        require_store_data_send: true,
    });
}
