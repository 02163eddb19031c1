//! What a mount keeps of its modules, in its own storage below the host's prefix: one entry, so that each write
//! of it is all or nothing.
//!
//! Fields that this version does not know are kept: a host of before must not lose what a later one wrote.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::SystemTime;

use component_runtime::RESERVED_PREFIX;
use semver::Version;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::facts::Facts;
use super::told::Paths;
use crate::limits::{REASON_BYTES_MAX, REFUSED_DIGESTS_MAX, STATE_BYTES_MAX};
use crate::{Digest, LoadedModule, Refusal};

/// Where it is stored.
#[must_use]
pub fn state_key() -> String {
    format!("{RESERVED_PREFIX}module")
}

/// The form of what is written here. A higher one is not ours to judge by.
const FORMAT: u32 = 1;

/// Why the state is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReadError {
    /// Nobody can read what is there.
    Damaged(Refusal),
    /// It may be read later, or by a later host.
    Other(Refusal),
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        let (ReadError::Damaged(refusal) | ReadError::Other(refusal)) = error;
        refusal
    }
}

/// What every format has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// See the module's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    format: u32,
    /// What ran last.
    #[serde(default)]
    pub running: Option<Ran>,
    /// What ran before it, to go back to.
    #[serde(default)]
    pub previous: Option<Ran>,
    /// The highest version of each engine that ran.
    #[serde(default)]
    pub floors: BTreeMap<String, Text<Version>>,
    /// What the operator named by `module/use`.
    #[serde(default)]
    pub held: Option<Held>,
    /// What must not run again unless it is named.
    #[serde(default)]
    pub refused: Vec<RefusedDigest>,
    /// What the server was told of special paths, where that is not what `running` has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Paths>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// A module that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ran {
    /// What it is.
    #[serde(flatten)]
    pub facts: Facts,
    /// Since when, in Unix seconds.
    pub since: u64,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// A module that the operator named, and what they said about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    /// Exactly this one.
    pub digest: Text<Digest>,
    /// Its version.
    pub version: Text<Version>,
    /// False = what was said holds, but a higher version may follow.
    pub holds: bool,
    /// Also when there is no way back.
    pub force: bool,
    /// What it may ask for more than the one before.
    pub accepted: Vec<String>,
}

/// A module that went wrong here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RefusedDigest {
    /// Which.
    pub digest: Text<Digest>,
    /// What went wrong.
    pub reason: String,
}

impl Default for State {
    fn default() -> Self {
        Self {
            format: FORMAT,
            running: None,
            previous: None,
            floors: BTreeMap::new(),
            held: None,
            refused: Vec::new(),
            told: None,
            unknown: Map::new(),
        }
    }
}

impl State {
    /// # Errors
    /// When it is damaged, or of a later host.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, ReadError> {
        let refusal =
            |why: String| Refusal(format!("the stored state of modules, `{}`, cannot be read: {why}", state_key()));
        let damaged = |error: serde_json::Error| ReadError::Damaged(refusal(error.to_string()));
        // First: a later host may have given the rest another form.
        let Format { format } = serde_json::from_slice(bytes).map_err(damaged)?;
        if format > FORMAT {
            return Err(ReadError::Other(refusal(format!("it has format {format}, this host knows {FORMAT}"))));
        }
        serde_json::from_slice(bytes).map_err(damaged)
    }

    /// # Errors
    /// When it is too large.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, Refusal> {
        let bytes = serde_json::to_vec(self).map_err(|error| Refusal(error.to_string()))?;
        if bytes.len() > STATE_BYTES_MAX {
            let text = format!("the state of modules would have {} bytes; at most {STATE_BYTES_MAX}", bytes.len());
            return Err(Refusal(text));
        }
        Ok(bytes)
    }

    /// As it is once this module runs.
    pub(super) fn with_running(&self, facts: Facts, before: Option<Ran>) -> Self {
        let mut next = self.clone();
        let version = facts.version.clone();
        let floor = next.floors.entry(facts.engine.clone()).or_insert_with(|| version.clone());
        if version.0 > floor.0 {
            *floor = version;
        }
        next.refused.retain(|refused| refused.digest != facts.digest);
        next.previous = before;
        next.running = Some(Ran::new(facts));
        next
    }

    /// As it is once this digest must not run again.
    pub(super) fn with_refused(&self, digest: Digest, reason: &str) -> Self {
        let mut next = self.clone();
        let cut = reason.floor_char_boundary(REASON_BYTES_MAX);
        let reason = reason.get(..cut).unwrap_or_default().to_owned();
        next.refused.retain(|refused| refused.digest.0 != digest);
        next.refused.push(RefusedDigest { digest: Text(digest), reason });
        let surplus = next.refused.len().saturating_sub(REFUSED_DIGESTS_MAX);
        next.refused.drain(..surplus);
        next.held = next.held.filter(|held| held.digest.0 != digest);
        next
    }

    /// Is it what ran last?
    pub(super) fn runs(&self, digest: Digest) -> bool {
        self.running.as_ref().is_some_and(|ran| ran.facts.digest.0 == digest)
    }

    /// Why this digest must not run.
    pub(super) fn refusal(&self, digest: Digest) -> Option<&str> {
        self.refused.iter().find(|refused| refused.digest.0 == digest).map(|refused| refused.reason.as_str())
    }

    /// What no other module may replace.
    pub(super) fn holding(&self) -> Option<&Held> {
        self.held.as_ref().filter(|held| held.holds)
    }

    /// What the operator said of this digest.
    pub(super) fn said_of(&self, digest: Digest) -> Option<&Held> {
        self.held.as_ref().filter(|held| held.digest.0 == digest)
    }
}

impl Held {
    /// This one, until another is named.
    pub(super) fn of(module: &LoadedModule) -> Self {
        let (digest, version) = (Text(module.digest), Text(module.id.version.clone()));
        Self { digest, version, holds: true, force: false, accepted: Vec::new() }
    }
}

impl Ran {
    /// From now on.
    pub(super) fn new(facts: Facts) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { facts, since, unknown: Map::new() }
    }
}

/// A value that is stored as people write it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text<T>(pub T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
