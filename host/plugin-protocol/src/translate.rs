//! The only code that knows both the types of the wire and those of [`envelope`].
//!
//! The translation is total in both directions and does no I/O: each message of a server becomes a request or an error,
//! and each answer of a backend becomes valid on the wire. The wire has durations as nanoseconds, dynamic data as JSON.

mod error;
mod mount;
mod request;
mod response;
mod server;
mod time;

pub(crate) use error::error_into_pb;
pub(crate) use mount::special_paths_into_pb;
pub(crate) use request::request_from_pb;
pub(crate) use response::response_into_pb;
pub(crate) use server::{
    entity_from_pb, replication_state_from_pb, server_version_from_pb, status_text, storage_entry_from_pb,
    storage_entry_into_pb, storage_outcome, storage_status, system_view_outcome, ttl_from_pb,
};
#[cfg(any(test, feature = "testing"))]
pub(crate) use time::{duration_from_nanos, nanos_from_duration};
