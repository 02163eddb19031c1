//! An operator's settings of outbound HTTP.

use std::fmt;
use std::sync::Arc;

use super::proxy::Proxies;
use super::resolve::{Resolve, SystemResolver};
use super::trust::{Authorities, ClientIdentity};

/// The way to upstreams. Each mount has its own [`super::Policy`] about its destinations.
#[derive(Clone)]
pub struct EgressSettings {
    /// Authorities that are trusted beside those of the system.
    pub authorities: Authorities,
    /// Identity for upstreams that ask for a client certificate.
    pub identity: Option<ClientIdentity>,
    /// Proxies for upstreams.
    pub proxies: Proxies,
    /// The system's resolver; tests have others.
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
