//! A secrets engine that leases passwords for an HTTP service. It makes a user in the service by POST, with a password by
//! a password policy of the server, and deletes the user by DELETE when the lease ends.

mod config;
mod creds;
mod fields;
mod limits;
mod role;
mod secret_classes;
mod service;
mod template;
#[cfg(test)]
mod tests;

use secrets_framework::{Backend, SpecialPaths, StorageVersions};

/// The engine as one table, the source of routing, help and the OpenAPI document.
pub static BACKEND: Backend = Backend {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
    help: "Leases passwords for an HTTP service: makes a user by POST, with a password by a password policy of the \
        server, and deletes the user by DELETE when the lease ends.",
    special_paths: SpecialPaths {
        root: &[],
        unauthenticated: &[],
        local_storage: &[],
        seal_wrap_storage: &[config::PREFIX],
    },
    storage_versions: StorageVersions { written: 1, readable_from: 1 },
    paths: &[config::CONFIG, role::ROLES, role::ROLE, creds::CREDS],
    secrets: &[creds::PASSWORD],
    secret_classes: &[secret_classes::ADMIN_TOKEN],
    rollback: Some(creds::undo),
    periodic: None,
};

#[cfg(target_arch = "wasm32")]
engine_component::export_engine!(crate::BACKEND);
