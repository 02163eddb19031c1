//! Outbound HTTP of guests: the policy, and the pool that sends requests.
//!
//! A request passes these steps: access (may this mount write?), policy (may this mount reach the origin?), collection
//! of the body within its limit, a place among the mount's requests, a connection (from the pool, or to an address that
//! was resolved and checked), the head of the answer, and a body that is counted and timed while the guest reads it. A
//! redirect is an answer like any other: a guest that follows it goes through the policy again.

mod access;
mod address;
mod body;
mod calls;
mod connect;
mod connect_error;
mod egress_log;
mod failure;
mod hooks;
mod lookup;
mod no_proxy;
mod origin;
mod policy;
mod pool;
mod progress;
mod proxy;
mod race;
mod resolve;
mod sealed_body;
mod send;
mod settings;
mod slots;
#[cfg(test)]
mod tests;
mod trust;
mod tunnel;
mod upstream_error;
mod wire;
mod work;

pub use access::{UPSTREAM_OPTION, UPSTREAM_READ_ONLY};
pub use calls::UpstreamCalls;
pub use origin::{Origin, OriginError};
pub use policy::{ORIGINS_OPTION, Policy};
pub use proxy::{Proxies, ProxyUrlError};
pub use resolve::Resolve;
pub use settings::EgressSettings;
pub use trust::{Authorities, ClientIdentity, TrustError};

pub(crate) use access::Access;
pub(crate) use body::fields_memory;
pub(crate) use hooks::{BODY_BUFFER_BYTES, EgressHooks, Received};
pub(crate) use pool::{Egress, MountEgress};
pub(crate) use upstream_error::error_code;
pub(crate) use work::MountWork;
