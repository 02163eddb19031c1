//! The Astra secrets engine on the framework: configs, roles, tokens.
//!
//! The engine is the table [`BACKEND`]. It reaches the outside only through
//! the framework's host traits, so it runs natively in tests and as a wasm
//! component in production, unchanged.

mod back_off;
mod counters;
mod duration_form;
mod events;
mod limits;
mod lock;
mod mark;
mod version;
mod who;

mod config;
mod names;
mod page;
mod path_config;
mod path_info;
mod path_role;
mod path_rotate_root;
mod path_sync_roles;
mod role;

mod admin_end;
mod admin_refusal;
mod admin_rotation;
mod astra_role;
mod astra_token;
mod backend;
mod check;
mod client;
mod ending;
mod in_use;
mod periodic;
mod schedule_queue;
mod secret_classes;

mod held_tokens;
mod history;
mod lease;
mod metrics;
mod mint;
mod path_check;
mod path_creds;
mod path_metrics;
mod path_org_token;
mod path_report;
mod path_rotate_role;
mod path_static_creds;
mod path_static_roles;
mod path_tidy;
mod path_tokens;
mod read_only;
mod record;
mod report;
mod rollback;
mod schedule;
mod static_role;
mod static_rotation;
mod storage;
mod tainted;
mod tidy;
mod time_text;

#[cfg(test)]
mod round_trips;
#[cfg(test)]
mod testing;

pub use backend::BACKEND;
