//! What an operator decides of outbound HTTP.

use std::fmt;
use std::sync::Arc;

use super::origin::Origin;
use super::proxy::Proxies;
use super::resolve::{Resolve, SystemResolver};
use super::trust::{Authorities, ClientIdentity};

/// Where guests may send HTTP requests, and how upstreams are reached. By default nothing is reached.
#[derive(Clone)]
pub struct EgressSettings {
    /// The origins that guests may send requests to.
    pub origins: Vec<Origin>,
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
            origins: Vec::new(),
            authorities: Authorities::default(),
            identity: None,
            proxies: Proxies::default(),
            resolver: Arc::new(SystemResolver),
        }
    }
}

impl From<Vec<Origin>> for EgressSettings {
    fn from(origins: Vec<Origin>) -> Self {
        Self { origins, ..Self::default() }
    }
}

impl fmt::Debug for EgressSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origins, authorities, identity, proxies, resolver: _ } = self;
        f.debug_struct("EgressSettings")
            .field("origins", origins)
            .field("authorities", authorities)
            .field("identity", identity)
            .field("proxies", proxies)
            .finish_non_exhaustive()
    }
}
