//! The suite: each scenario runs on every driver that supports it.
//!
//! `scenarios!` makes a test of each scenario and driver, such as `role::native::a_role_is_read_as_written`. Tests that
//! need a real server are in `lifecycle`; rules about the repository itself are in `tidy` and `wit`.

#![expect(clippy::unwrap_used, reason = "tests")]

/// Makes `native::x`, `component::x`, `played_vault::x` and `openbao::x` of each scenario `x`. `fake` leaves out the
/// servers, real or played, for a scenario that accesses the fake one. `clock` is for scenarios that move time, which
/// only the native driver can. `with` names a function that returns other than the usual options.
macro_rules! scenarios {
    (all: $($name:ident $(with $options:expr)?),+ $(,)?) => {
        scenarios!(@fakes $($name $(with $options)?),+);
        #[cfg(feature = "component")]
        mod played_vault {
            $(#[test] fn $name() { scenarios!(@play PlayedVault $name $(, $options)?) })+
        }
        mod openbao {
            $(#[test] fn $name() { scenarios!(@play OpenBao $name $(, $options)?) })+
        }
    };
    (fake: $($name:ident $(with $options:expr)?),+ $(,)?) => {
        mod behind_the_server {
            use super::*;
            scenarios!(@fakes $($name $(with $options)?),+);
        }
    };
    (clock: $($name:ident $(with $options:expr)?),+ $(,)?) => {
        mod in_time {
            use super::*;
            mod native {
                $(#[test] fn $name() { scenarios!(@play Native $name $(, $options)?) })+
            }
        }
    };
    (@fakes $($name:ident $(with $options:expr)?),+) => {
        mod native {
            $(#[test] fn $name() { scenarios!(@play Native $name $(, $options)?) })+
        }
        #[cfg(feature = "component")]
        mod component {
            $(#[test] fn $name() { scenarios!(@play Component $name $(, $options)?) })+
        }
    };
    (@play $kind:ident $name:ident) => {
        harness::play(harness::DriverKind::$kind, harness::StageOptions::default(), super::$name)
    };
    (@play $kind:ident $name:ident, $options:expr) => {{
        use super::*;
        harness::play(harness::DriverKind::$kind, $options, super::$name)
    }};
}

mod api_document;
mod authors;
// Only the static binary starts in such a root; `make` says so if it cannot build that.
#[cfg(target_env = "musl")]
mod bare_root;
mod canary;
mod check;
mod client_forms;
mod clients;
mod cluster;
mod command_line;
mod compat;
mod compat_entries;
mod compat_entries_server;
mod compat_server;
mod config;
mod creds;
mod dead_tokens;
mod destination;
mod distribution;
mod error_table;
mod examples;
mod existence;
mod fault_walk;
mod fault_walk_rotation;
mod faults;
mod floors;
mod help;
mod history;
mod http_passwords;
mod interface_document;
mod killed;
mod lease;
mod lifecycle;
mod long_lists;
mod many_tokens;
mod metrics;
mod modules;
#[cfg(feature = "component")]
mod network;
#[cfg(feature = "component")]
mod network_server;
mod openapi;
mod org_token;
mod own_server;
mod policies;
mod read_only;
mod recorded;
mod recorded_faults;
mod release;
mod report;
mod report_command;
mod role;
mod rotation;
mod static_role;
mod static_rotation;
mod storage_faults;
mod switches;
mod sync_roles;
mod tidy;
mod tidy_language;
mod tidy_tokens;
mod token;
#[cfg(feature = "component")]
mod waits;
mod wit;
#[cfg(feature = "component")]
mod without_pages;
