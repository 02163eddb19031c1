//! A history in storage: in the record of a token that lives, and at `history/<organization>/<client id>` after its end,
//! there with the facts of the record. It holds no secret. The record tells of the mint, so that a mint notes no event.
//!
//! Additions of a newer version are kept: unknown words of events are shown as they are, and unknown fields written back.
//! A history that cannot be read is kept within the one that takes its place.

use std::borrow::Cow;
use std::collections::BTreeMap;

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Event;
use crate::limits::{HISTORY_DAMAGED_BYTES_MAX, HISTORY_EVENTS_MAX};
use crate::names::{ClientId, OrgId};
use crate::storage::json::undecoded;
use crate::storage::key::{HISTORY_PREFIX, segment};
use crate::who::Who;

/// Bytes of an event's JSON beside the texts that say who.
const EVENT_BYTES: usize = 128;

/// What happened to one token after it was made.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct History {
    /// The oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) events: Vec<Happened>,
    /// Of a token that has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<Ended>,
    /// Histories that could not be read, as JSON: text, or else the numbers of their bytes, where they are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) damaged: Vec<Value>,
    /// Fields that we do not know, kept when the entry is rewritten.
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// One event.
#[derive(Clone, Deserialize, Serialize)]
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
    pub(crate) fn new(at: u64, event: Event, who: Who) -> Self {
        Self { at, event: event.as_str().into(), who, other: Map::new() }
    }
}

/// An ended token.
#[derive(Clone, Deserialize, Serialize)]
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
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
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
#[derive(Clone, Default, Deserialize, Serialize)]
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
    /// When we made it, in seconds since 1970-01-01T00:00:00Z, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) made: Option<u64>,
    /// When Astra made it, in Astra's words.
    pub(crate) generated_on: String,
    /// The latest end that its lease can have, in seconds, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lease_end: Option<u64>,
    /// When Astra ends it, where it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<String>,
}

impl Facts {
    /// How it was made; unknown for tokens of the Go plugin.
    pub(crate) fn mint(&self) -> Option<Happened> {
        self.made.map(|made| Happened::new(made, Event::Mint, self.created_by.clone()))
    }
}

impl Whereabouts {
    /// Is there nothing to tell but that it was its own organization?
    pub(crate) fn is_own(&self) -> bool {
        self.found_in.is_none() && self.not_asked.is_empty()
    }
}

impl History {
    /// Adds events of this or earlier requests. The oldest that have no room go; the mint stays: it is not among them.
    pub(crate) fn add(&mut self, events: impl IntoIterator<Item = Happened>) {
        self.events.extend(events);
        // A token that was read and revoked in one second was read first.
        self.events.sort_by_key(|event| (event.at, event.event != Event::Read.as_str()));
        let room = HISTORY_EVENTS_MAX - 1;
        self.events.drain(..self.events.len().saturating_sub(room));
    }

    /// About how many bytes of JSON it is.
    pub(crate) fn bytes(&self) -> usize {
        self.events.iter().map(|event| EVENT_BYTES + event.who.bytes()).sum()
    }

    /// The end of the token; of a history without one, its last event.
    pub(super) fn last_change(&self) -> u64 {
        let event = self.events.last().map_or(0, |event| event.at);
        self.ended.as_ref().map_or(event, |ended| ended.at)
    }

    /// Its entry, for a token that has ended.
    pub(crate) fn to_entry(&self, org_id: &OrgId, client_id: &ClientId) -> Result<StorageEntry, Error> {
        StorageEntry::json(key(org_id, client_id), self)
    }

    /// The history that an entry holds, and whether the entry is readable.
    pub(super) fn read(entry: &StorageEntry) -> (Self, bool) {
        Self::of_value(serde_json::from_slice(&entry.value).unwrap_or_else(|_| undecoded(&entry.value)))
    }

    /// The history that a record holds as this JSON.
    pub(crate) fn in_record(value: Value) -> Self {
        if value.is_null() { Self::default() } else { Self::of_value(value).0 }
    }

    fn of_value(value: Value) -> (Self, bool) {
        let readable = Self::deserialize(&value).map(|history| (history, true));
        readable.unwrap_or_else(|_| {
            let bytes = value.to_string().len();
            let is_kept = bytes <= HISTORY_DAMAGED_BYTES_MAX;
            let damaged = if is_kept { value } else { format!("{bytes} bytes, too many to be kept").into() };
            (Self { damaged: vec![damaged], ..Self::default() }, false)
        })
    }

    /// Its JSON in a record; null where nothing happened.
    pub(crate) fn to_value(&self) -> Value {
        let value = serde_json::to_value(self).ok();
        value.filter(|value| value.as_object().is_none_or(|map| !map.is_empty())).unwrap_or_default()
    }
}

/// The history of a token that has ended.
pub(crate) fn load(context: &Context<'_>, org_id: &OrgId, client_id: &ClientId) -> Result<Option<History>, Error> {
    let entry = crate::storage::entry(context.storage(), &key(org_id, client_id))?;
    Ok(entry.map(|entry| History::read(&entry).0))
}

/// The key of the history of a token that has ended.
pub(crate) fn key(org_id: &OrgId, client_id: &ClientId) -> String {
    format!("{HISTORY_PREFIX}{}/{}", segment(org_id.as_str()), segment(client_id))
}
