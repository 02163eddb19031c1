//! Requests of the commands for operators, and the output of these commands: the report of tokens, and the check of
//! organizations. This crate knows the paths of the Astra engine, but not the engine.
//!
//! All texts of an answer come from clients of the mount or from a network, so each output form escapes them.

mod check;
mod client;
mod csv;
mod fetch;
mod limits;
mod page;
mod report;
mod settings;
mod summary;
mod table;
mod text;

pub use check::{Checkup, Item, Verdict, check, organizations};
pub use client::{Client, ClientError};
pub use csv::csv;
pub use fetch::{Query, fetch_report, fetch_summary};
pub use page::{About, page};
pub use report::{Report, Token};
pub use settings::{Settings, SettingsError, Sources};
pub use summary::Summary;
pub use table::{summary_table, table};
pub use text::{printable, rfc3339};
