//! A history in storage: `history/<organization>/<client id>`. It holds no
//! secret. The making of a token is told by the token's record, so that a mint
//! writes nothing more; a token that ended has its facts here instead.
//!
//! What a newer version wrote into it is kept: words of events that we do not
//! know are shown as they are, and fields written back. One that cannot be read
//! at all is never written over, but set aside (`quarantine`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use secrets_framework::host::{LogLevel, StorageEntry};
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Event;
use crate::limits::HISTORY_EVENTS_MAX;
use crate::names::OrgId;
use crate::storage::key::{HISTORY_PREFIX, segment};
use crate::who::Who;

/// What happened to one token after it was made.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct History {
    /// The oldest first.
    pub(crate) events: Vec<Happened>,
    /// Of a token that has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<Ended>,
    /// When, in seconds since 1970-01-01T00:00:00Z, what could not be read was last set aside; 0 = never.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) set_aside: u64,
    /// Fields that we do not know, kept when the entry is rewritten.
    #[serde(flatten)]
    other: Map<String, Value>,
    /// The entry, where it cannot be read: then there is nothing else.
    #[serde(skip)]
    pub(crate) unreadable: Option<Vec<u8>>,
}

/// One event.
#[derive(Deserialize, Serialize)]
pub(crate) struct Happened {
    /// When, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) at: u64,
    /// What: the word of an [`Event`], or of one that only a newer version knows.
    pub(crate) event: Cow<'static, str>,
    /// By whom.
    #[serde(flatten)]
    pub(crate) who: Who,
    /// Fields that we do not know, kept when the entry is rewritten.
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl Happened {
    /// An event of ours.
    pub(super) fn new(at: u64, event: Event, who: Who) -> Self {
        Self { at, event: event.as_str().into(), who, other: Map::new() }
    }
}

/// An ended token.
#[derive(Deserialize, Serialize)]
pub(crate) struct Ended {
    /// When, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) at: u64,
    /// How: the word of an [`End`](super::End), or of one that only a newer version knows.
    pub(crate) how: Cow<'static, str>,
    /// What it was.
    pub(crate) facts: Facts,
    /// Where it was, if that was not its own organization.
    #[serde(flatten)]
    pub(crate) whereabouts: Whereabouts,
}

/// Where a token was ended that its own organization did not list.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Whereabouts {
    /// The other organization in which it was found and ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) found_in: Option<String>,
    /// Other organizations that could not be asked for it, where it was found in none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) not_asked: Vec<String>,
}

/// What a token is or was: of its record all that is shown.
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Facts {
    /// The role it was made for.
    pub(crate) role_name: String,
    /// Its Astra roles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) role_ids: Vec<String>,
    /// Its logical name; empty = none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) logical_name: String,
    /// What the client noted about it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
    /// How it was made.
    pub(crate) kind: String,
    /// Who had it made.
    pub(crate) created_by: Who,
    /// When we made it, in seconds since 1970-01-01T00:00:00Z; 0 = unknown.
    pub(crate) made: u64,
    /// When Astra made it, in Astra's words.
    pub(crate) generated_on: String,
    /// The latest end that its lease can have, in seconds; 0 = unknown.
    pub(crate) lease_end: u64,
    /// When Astra ends it, where it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<String>,
}

impl Facts {
    /// How it was made; unknown for tokens of the Go plugin.
    pub(crate) fn mint(&self) -> Option<Happened> {
        (self.made != 0).then(|| Happened::new(self.made, Event::Mint, self.created_by.clone()))
    }
}

impl Whereabouts {
    /// Is there nothing to tell but that it was its own organization?
    pub(crate) fn is_own(&self) -> bool {
        self.found_in.is_none() && self.not_asked.is_empty()
    }
}

impl History {
    /// Adds an event; when it is full, the oldest goes. The mint stays: it is not among them.
    pub(super) fn add(&mut self, happened: Happened) {
        let room = HISTORY_EVENTS_MAX - 2;
        self.events.drain(..self.events.len().saturating_sub(room));
        self.events.push(happened);
    }

    /// Its entry.
    pub(super) fn to_entry(&self, org_id: &OrgId, client_id: &str) -> Result<StorageEntry, Error> {
        StorageEntry::json(key(org_id, client_id), self)
    }
}

/// The history of a token, if anything happened since it was made.
pub(crate) fn load(context: &Context<'_>, org_id: &OrgId, client_id: &str) -> Result<Option<History>, Error> {
    let key = key(org_id, client_id);
    let entry = crate::storage::entry(context.storage(), &key)?;
    Ok(entry.map(|entry| decode(context, entry)))
}

/// The history that an entry holds, which was read with others. One that is not readable is logged.
pub(super) fn decode(context: &Context<'_>, entry: StorageEntry) -> History {
    serde_json::from_slice(&entry.value).unwrap_or_else(|_| {
        context.log(LogLevel::Error, "a token's history is not readable", &[("key", &entry.key)]);
        History { unreadable: Some(entry.value), ..History::default() }
    })
}

/// The key of a token's history.
pub(super) fn key(org_id: &OrgId, client_id: &str) -> String {
    format!("{HISTORY_PREFIX}{}/{}", segment(org_id.as_str()), segment(client_id))
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
