//! A secrets engine to begin with: greetings, which are stored, and passes, which are leased.

mod greeting;
mod pass;
#[cfg(test)]
mod tests;

use secrets_framework::{Backend, SpecialPaths, StorageVersions};

/// The engine as one table. Routing, help and the OpenAPI document come from it.
pub static BACKEND: Backend = Backend {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    help: "Stores a greeting for each visitor, and gives passes to those who have one.",
    special_paths: SpecialPaths {
        root: &[],
        unauthenticated: &[],
        local_storage: &[],
        // A pass is a secret: the server's seal wraps it, where it can.
        seal_wrap_storage: &[pass::PREFIX],
    },
    // To be raised with a change of what is stored, so that the host knows whether it could go back.
    storage_versions: StorageVersions { written: 1, readable_from: 1 },
    paths: &[greeting::GREETINGS, greeting::GREETING, pass::PASSES],
    secrets: &[pass::PASS],
    rollback: None,
    periodic: None,
};

#[cfg(target_arch = "wasm32")]
engine_component::export_engine!(crate::BACKEND);
