//! A simulator of the Astra DevOps API, with scripted faults.
//!
//! It is faithful enough if code that passes against it needs no change for the real service.
//! Where the real behaviour is unknown it offers each plausible answer by a switch.
//!
//! ```no_run
//! use astra_simulator::{Action, Effect, FaultRule, ResetAt, Settings, Simulator};
//!
//! let astra = Simulator::start(Settings::default())?;
//! let alpha = astra.organization(0);
//! let (url, token) = (astra.url(), &alpha.bootstrap.token);
//! // The first token is made, and then the answer is lost.
//! let lost = Action::Reset { at: ResetAt::BeforeAnswer, effect: Effect::Done };
//! astra.fault(FaultRule::new(lost).method("POST").path("/v2/clientIdSecrets").first(1));
//! // … drive the engine with `url` and `token` …
//! assert_eq!(astra.counts(&alpha.id).orphaned, 0);
//! assert!(astra.violations().is_empty());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Source keys in comments (`SPEC26`, `SDK`, `CAULDRON`, …) are those of the collected facts
//! about the API: the published OpenAPI documents, shipped clients, documentation, and recorded
//! answers of the live service.

mod answer;
mod auth;
mod bucket;
mod builtin_roles;
mod call;
mod calls_organization;
mod calls_role;
mod calls_token;
mod change;
mod clock;
mod connection;
mod control;
mod crowd;
mod desk;
mod exchange;
mod fault;
mod faults;
mod framing;
mod hub;
mod lag;
mod leak;
pub mod limits;
mod organization;
mod play;
mod random;
mod record;
mod role;
mod script;
mod server;
mod settings;
mod simulator;
mod state;
mod switches;
mod tls;
mod token;

pub use builtin_roles::builtin_role_names;
pub use call::CallKind;
pub use change::OutsideChange;
pub use clock::ClockSettings;
pub use fault::{Action, Damage, Effect, FaultBody, FaultRule, ResetAt, RetryAfter, When};
pub use hub::ConnectionCounts;
pub use record::{AnswerRecord, RequestRecord, Violation};
pub use settings::{BootstrapRole, OrganizationSettings, Settings};
pub use simulator::{OrganizationHandle, Simulator, Snapshot};
pub use state::TokenCounts;
pub use switches::{
    AbsentFields, CreateFields, DescriptionLimit, ErrorShape, Escalation, ExpiryBeyondMaximum, ExpiryPast, Lag,
    PermissionMissing, RoleFields, RoleListAllowed, RolePolicy, Switches, TokensDelete, UnknownRole,
};
pub use tls::{Certificate, ClientCertificate};
pub use token::{Credential, PlantedToken, SECRET_PREFIX, TokenInfo, TokenState};
