//! What the commands for operators ask of a server, and how they show it: the report of tokens, and the check of
//! organizations. It knows the paths of the Astra engine and no engine itself.
//!
//! All texts of an answer come from clients of the mount or from a network: each form escapes them for its reader.

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
