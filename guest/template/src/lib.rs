//! The start of a secrets engine: it stores greetings, leases passes, and asks an upstream about visitors.

mod config;
mod greeting;
mod pass;
#[cfg(test)]
mod tests;
mod visitor;

use secrets_framework::{Backend, SpecialPaths, StorageVersions};

/// The engine as one table, the source of routing, help and the OpenAPI document.
pub static BACKEND: Backend = Backend {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    help: "Stores a greeting for each visitor, gives passes to those who have one, and asks an upstream about visitors.",
    special_paths: SpecialPaths {
        root: &[],
        unauthenticated: &[],
        local_storage: &[],
        // A pass and a token are secrets: the seal of the server encrypts them a second time, if it can.
        seal_wrap_storage: &[pass::PREFIX, config::PREFIX],
    },
    // Raise the version when the stored form changes, so that the host knows whether it could revert an update.
    storage_versions: StorageVersions { written: 1, readable_from: 1 },
    paths: &[greeting::GREETINGS, greeting::GREETING, pass::PASSES, config::CONFIG, visitor::VISITOR],
    secrets: &[pass::PASS],
    secret_classes: &[config::API_TOKEN],
    rollback: None,
    periodic: None,
};

#[cfg(target_arch = "wasm32")]
engine_component::export_engine!(crate::BACKEND);
