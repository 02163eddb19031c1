//! How far the look at the other organizations came: kept between attempts in
//! `elsewhere/<organization>/<client id>`, until the token is settled.

use std::collections::BTreeSet;

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};

use super::Absent;
use super::organizations::Other;
use crate::storage;
use crate::storage::key::{ELSEWHERE_PREFIX, is_key, segment};

/// What is kept.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Progress {
    /// When the token's lease ended, in seconds since 1970-01-01T00:00:00Z.
    pub(super) since: u64,
    /// Names of those that have shown a list without the token: a token never moves.
    asked: BTreeSet<String>,
    #[serde(skip)]
    is_stored: bool,
}

impl Progress {
    /// That of earlier attempts. What cannot be read is none: all are asked again.
    pub(super) fn load(context: &Context<'_>, absent: &Absent<'_>) -> Result<Self, Error> {
        let entry = storage::entry(context.storage(), &key(absent))?;
        let stored: Option<Self> = entry.as_ref().and_then(|entry| serde_json::from_slice(&entry.value).ok());
        let mut progress = stored.unwrap_or_default();
        progress.is_stored = entry.is_some();
        if progress.since == 0 {
            let now = context.now().as_secs();
            // A lease of the Go plugin tells its end only by being revoked.
            let lease_end = absent.record.and_then(|record| record.lease_end).filter(|end| *end < now);
            progress.since = lease_end.unwrap_or(now);
        }
        Ok(progress)
    }

    pub(super) fn has_asked(&self, other: &Other) -> bool {
        self.asked.contains(&other.name)
    }

    pub(super) fn note(&mut self, other: &Other) {
        self.asked.insert(other.name.clone());
    }

    /// Keeps it for the next attempt.
    pub(super) fn store(&self, context: &Context<'_>, absent: &Absent<'_>) -> Result<(), Error> {
        let key = key(absent);
        if !is_key(&key) {
            return Ok(());
        }
        Ok(context.storage().put(StorageEntry::json(key, self)?)?)
    }

    /// The token is settled.
    pub(super) fn forget(&self, context: &Context<'_>, absent: &Absent<'_>) -> Result<(), Error> {
        if self.is_stored {
            context.storage().delete(&key(absent))?;
        }
        Ok(())
    }
}

fn key(absent: &Absent<'_>) -> String {
    format!("{ELSEWHERE_PREFIX}{}/{}", segment(absent.org_id.as_str()), segment(absent.client_id))
}
