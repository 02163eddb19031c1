//! What an operator decides of outbound HTTP.

use std::fmt;
use std::sync::Arc;

use super::proxy::Proxies;
use super::resolve::{Resolve, SystemResolver};
use super::trust::{Authorities, ClientIdentity};

/// How upstreams are reached. Each mount has its own [`super::Policy`] of where its guests may send requests.
#[derive(Clone)]
pub struct EgressSettings {
    /// Trusted beside the authorities of the system.
    pub authorities: Authorities,
    /// For upstreams that ask for a client certificate.
    pub identity: Option<ClientIdentity>,
    /// Through which proxies upstreams are reached.
    pub proxies: Proxies,
    /// The system's own, but in tests.
    pub resolver: Arc<dyn Resolve>,
}

impl Default for EgressSettings {
    fn default() -> Self {
        Self {
            authorities: Authorities::default(),
            identity: None,
            proxies: Proxies::default(),
            resolver: Arc::new(SystemResolver),
        }
    }
}

impl fmt::Debug for EgressSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authorities, identity, proxies, resolver: _ } = self;
        f.debug_struct("EgressSettings")
            .field("authorities", authorities)
            .field("identity", identity)
            .field("proxies", proxies)
            .finish_non_exhaustive()
    }
}
