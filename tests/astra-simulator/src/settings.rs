//! What a simulator is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::clock::ClockSettings;
use crate::switches::{Lag, Switches};
use crate::tls::Certificate;
use crate::token::Credential;

/// Everything that `Simulator::start` needs. The default has two organizations, `alpha` and
/// `beta`, no fault, no delay, seed 1, and the machine's clock.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Seed of every ID, secret, order and chance.
    pub seed: u64,
    /// Where to listen; must be a loopback address. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The organizations there are at the start.
    pub organizations: Vec<OrganizationSettings>,
    /// How the clock starts.
    pub clock: ClockSettings,
    /// The choices left open by the sources.
    pub switches: Switches,
    /// How far effects trail behind their answers.
    pub lag: Lag,
    /// Held back on each new connection before its first byte is read, in milliseconds: from, to.
    pub connect_delay_ms: (u64, u64),
    /// Speak TLS with this certificate; `None` is plain HTTP.
    pub certificate: Option<Certificate>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::with_organizations(2)
    }
}

impl Settings {
    /// Default settings with so many organizations, named `alpha`, `beta`, … and `org-27` on.
    pub fn with_organizations(count: usize) -> Self {
        Self {
            seed: 1,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            organizations: (0..count).map(OrganizationSettings::numbered).collect(),
            clock: ClockSettings::default(),
            switches: Switches::default(),
            lag: Lag::default(),
            connect_delay_ms: (0, 0),
            certificate: None,
        }
    }
}

/// One organization at the start.
#[derive(Debug, Clone)]
pub struct OrganizationSettings {
    /// Its name.
    pub name: String,
    /// Its ID; `None` takes one from the seed.
    pub id: Option<String>,
    /// The enterprise it belongs to, by name. Every enterprise named here gets a token of its own.
    pub enterprise: Option<String>,
    /// What the bootstrap token may do.
    pub bootstrap: BootstrapRole,
    /// The bootstrap token itself; `None` takes one from the seed.
    pub bootstrap_credential: Option<Credential>,
    /// IDs of built-in roles, by the role's name; a role that is not named here takes its ID from the seed.
    pub built_in_role_ids: Vec<(String, String)>,
    /// Longest life of a new token, applied when `tokenExpiry` is left out (SPEC26, CLI).
    pub token_expiry_max: Option<Duration>,
    /// Addresses (`10.0.0.0/8`, `127.0.0.1`) that may call the DevOps API; `None` is everyone.
    pub access_list: Option<Vec<String>>,
    /// How many databases it has.
    pub databases: usize,
    /// Custom roles it has besides the 16 built-in ones: name and actions.
    pub custom_roles: Vec<(String, Vec<String>)>,
}

impl OrganizationSettings {
    /// An organization with an Organization Administrator as bootstrap token, two databases and
    /// no custom role.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            id: None,
            enterprise: None,
            bootstrap: BootstrapRole::BuiltIn("Organization Administrator".into()),
            bootstrap_credential: None,
            built_in_role_ids: Vec::new(),
            token_expiry_max: None,
            access_list: None,
            databases: 2,
            custom_roles: Vec::new(),
        }
    }

    fn numbered(index: usize) -> Self {
        match NAMES.get(index) {
            Some(name) => Self::new(*name),
            None => Self::new(format!("org-{}", index + 1)),
        }
    }
}

/// What the bootstrap token of an organization may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootstrapRole {
    /// A built-in role, by its name as in `builtin_role_names`.
    BuiltIn(String),
    /// A custom role of its own with these actions on the whole organization.
    Custom(Vec<String>),
}

const NAMES: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];
