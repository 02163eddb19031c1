//! The state of a mount's modules, in the mount's own storage below the host's prefix. The state is one entry, so that
//! each write happens completely or not at all.
//!
//! Unknown fields are kept, so that an older host does not lose the fields of a newer one.

use std::collections::BTreeMap;
use std::time::SystemTime;

use component_runtime::{Declaration, HeldSecrets, RESERVED_PREFIX};
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::manifest::ModuleManifest;
use super::paths::Paths;
use super::text::Text;
use crate::limits::{REASON_BYTES_MAX, REFUSED_DIGESTS_MAX, STATE_BYTES_MAX};
use crate::{Digest, LoadedModule, Rejection};

/// Storage key of the state.
#[must_use]
pub fn state_key() -> String {
    format!("{RESERVED_PREFIX}module")
}

/// Version of the stored form. This host does not use a state of a higher version.
const FORMAT: u32 = 1;

/// The field that each format has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// The stored state of one mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    format: u32,
    /// The last active module.
    #[serde(default, rename = "running")]
    pub last_active: Option<ActivationRecord>,
    /// The module that served before, to revert to.
    #[serde(default)]
    pub previous: Option<ActivationRecord>,
    /// Highest version of each engine that was active.
    #[serde(default)]
    pub floors: BTreeMap<String, Text<Version>>,
    /// The module that an operator selected by `module/use`.
    #[serde(default, rename = "held")]
    pub pin: Option<Pin>,
    /// Modules that must not run again unless an operator selects them.
    #[serde(default, rename = "refused")]
    pub rejected: Vec<RejectedDigest>,
    /// The special paths that the server was told, if the last active module has others.
    #[serde(default, rename = "told", skip_serializing_if = "Option::is_none")]
    pub advertised: Option<Paths>,
    /// Declarations of secrets by modules of this mount. They apply to every module and are never dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<HeldDeclaration>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// Record of an activation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ActivationRecord {
    /// The module.
    #[serde(flatten)]
    pub manifest: ModuleManifest,
    /// Time of the activation, in Unix seconds.
    pub since: u64,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// A module that an operator selected, and what the operator accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pin {
    pub digest: Text<Digest>,
    pub version: Text<Version>,
    /// If false, a higher version may replace the pinned module.
    #[serde(rename = "holds")]
    pub exclusive: bool,
    /// The operator accepted that no revert is possible.
    pub force: bool,
    /// The additional capabilities, paths and destinations of secrets that the operator accepted.
    pub accepted: Vec<String>,
}

/// A declaration of secrets that the mount keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeldDeclaration {
    /// Did an operator accept where the declaration sends secrets?
    pub accepted: bool,
    pub declaration: Declaration,
}

/// A module that failed on this mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RejectedDigest {
    pub digest: Text<Digest>,
    /// The fault.
    pub reason: String,
}

impl Default for State {
    fn default() -> Self {
        Self {
            format: FORMAT,
            last_active: None,
            previous: None,
            floors: BTreeMap::new(),
            pin: None,
            rejected: Vec::new(),
            advertised: None,
            secrets: Vec::new(),
            unknown: Map::new(),
        }
    }
}

impl State {
    /// # Errors
    /// Permanent when no host can read the state, transient when a later host wrote it.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Rejection> {
        let unreadable = |why: String| format!("the stored state of modules, `{}`, cannot be read: {why}", state_key());
        let damaged = |error: serde_json::Error| Rejection::Permanent(unreadable(error.to_string()));
        // The format comes first: a later host may have changed all other fields.
        let Format { format } = serde_json::from_slice(bytes).map_err(damaged)?;
        if format > FORMAT {
            return Err(Rejection::Transient(unreadable(format!("it has format {format}, this host knows {FORMAT}"))));
        }
        serde_json::from_slice(bytes).map_err(damaged)
    }

    /// # Errors
    /// When the state is too large.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, Rejection> {
        let bytes = serde_json::to_vec(self).map_err(|error| Rejection::Transient(error.to_string()))?;
        if bytes.len() > STATE_BYTES_MAX {
            let text = format!("the state of modules would have {} bytes; at most {STATE_BYTES_MAX}", bytes.len());
            return Err(Rejection::Transient(text));
        }
        Ok(bytes)
    }

    /// The state once this module is active.
    pub(super) fn with_active(&self, manifest: ModuleManifest, before: Option<ActivationRecord>) -> Self {
        let mut next = self.clone();
        let version = manifest.version.clone();
        let floor = next.floors.entry(manifest.engine.clone()).or_insert_with(|| version.clone());
        if version.0 > floor.0 {
            *floor = version;
        }
        next.rejected.retain(|rejected| rejected.digest != manifest.digest);
        next.previous = before;
        next.last_active = Some(ActivationRecord::new(manifest));
        next
    }

    /// The state with the module's declaration of secrets. `accepted`: an operator accepted where it sends them.
    pub(super) fn holding(mut self, manifest: &ModuleManifest, accepted: bool) -> Self {
        let declaration = &manifest.secrets;
        let is_known = self.secrets.iter().any(|held| held.declaration == *declaration && (held.accepted || !accepted));
        let is_covered = declaration.is_covered_by(self.secrets.iter().map(|held| &held.declaration));
        if !is_known && (accepted || !is_covered) {
            self.secrets.retain(|held| held.declaration != *declaration);
            self.secrets.push(HeldDeclaration { accepted, declaration: declaration.clone() });
        }
        self
    }

    /// The mount's declarations in the form that the runtime needs.
    pub(super) fn held_secrets(&self) -> HeldSecrets {
        let of = |accepted: bool| self.secrets.iter().filter(move |held| held.accepted == accepted);
        HeldSecrets {
            accepted: of(true).rev().map(|held| held.declaration.clone()).collect(),
            others: of(false).map(|held| held.declaration.clone()).collect(),
        }
    }

    /// The state once this digest must not run again.
    pub(super) fn with_rejected(&self, digest: Digest, reason: &str) -> Self {
        let mut next = self.clone();
        let cut = reason.floor_char_boundary(REASON_BYTES_MAX);
        let reason = reason.get(..cut).unwrap_or_default().to_owned();
        next.rejected.retain(|rejected| rejected.digest.0 != digest);
        next.rejected.push(RejectedDigest { digest: Text(digest), reason });
        let surplus = next.rejected.len().saturating_sub(REFUSED_DIGESTS_MAX);
        next.rejected.drain(..surplus);
        next.pin = next.pin.filter(|pin| pin.digest.0 != digest);
        next
    }

    /// Is this the digest of the last active module?
    pub(super) fn is_last_active(&self, digest: Digest) -> bool {
        self.last_active.as_ref().is_some_and(|record| record.manifest.digest.0 == digest)
    }

    /// Why this digest must not run.
    pub(super) fn rejection(&self, digest: Digest) -> Option<&str> {
        self.rejected.iter().find(|rejected| rejected.digest.0 == digest).map(|rejected| rejected.reason.as_str())
    }

    /// The pin that no other module may replace.
    pub(super) fn exclusive_pin(&self) -> Option<&Pin> {
        self.pin.as_ref().filter(|pin| pin.exclusive)
    }

    /// The pin of this digest.
    pub(super) fn pin_of(&self, digest: Digest) -> Option<&Pin> {
        self.pin.as_ref().filter(|pin| pin.digest.0 == digest)
    }
}

impl Pin {
    /// A pin until another module is selected.
    pub(super) fn of(module: &LoadedModule) -> Self {
        let (digest, version) = (Text(module.digest), Text(module.id.version.clone()));
        Self { digest, version, exclusive: true, force: false, accepted: Vec::new() }
    }
}

impl ActivationRecord {
    /// A record that begins now.
    pub(super) fn new(manifest: ModuleManifest) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { manifest, since, unknown: Map::new() }
    }
}

#[cfg(test)]
mod tests;
