//! The only code that knows both the wire's types and this crate's own.
//!
//! Total in both directions and free of I/O: whatever a server sends becomes
//! a request or an error, whatever a backend answers becomes valid on the
//! wire. Durations are nanoseconds there, dynamic data is JSON text.

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
