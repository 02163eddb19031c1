//! The mount's storage, below everything that has a meaning of its own: which keys exist ([`key`]), batches of writes,
//! lists of keys, reads that tell a damaged entry from storage that fails, and fields of JSON.

mod batch;
pub(crate) mod json;
pub(crate) mod key;
mod list;
mod read;
mod token_ref;

pub(crate) use batch::{Write, write_batch};
pub(crate) use list::{first_keys_below, keys_below, visit_names};
pub(crate) use read::{OwnRead, entries, entry, own_entries, own_error, read_many, read_one};
pub(crate) use token_ref::{RecordId, TokenRef};
