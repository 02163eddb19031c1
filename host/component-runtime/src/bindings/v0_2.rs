//! The additions of `secrets-engine:world@0.2.0`: generated bindings of what a component may import and export beside world
//! 0.1.0, and the host functions.

mod convert;
mod counters;

pub(crate) use convert::{check_declaration, check_paths};
pub(crate) use existence::{ExistenceChecks, ExistenceChecksPre};
pub(crate) use generated::secrets_engine::metrics;
pub(crate) use generated::{Additions, AdditionsPre};

/// The name of the export that declares secrets, without its version: the linker matches versions within a compatible
/// line.
pub(crate) const DECLARATION: &str = "secrets-engine:secrets/declaration";

/// The name of the export that says which paths have an existence check, without its version as above.
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
