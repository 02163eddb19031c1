//! Records: what this mount knows of each token it made.
//!
//! A record is stored under `token/<id>`, as the Go plugin did; it is found by
//! its client ID through an index (`index`), and by its deadline through the schedule queue.
//! Only `stored` turns a record into bytes and back. Nothing here asks Astra.

mod backfill;
mod counts;
mod find;
mod index;
mod listing;
mod reads;
mod role_counts;
mod stored;
mod totals;
mod visit;
mod walk;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use secrets_framework::host::LockGuard;
use secrets_framework::{Context, Error, Sensitive};
use serde_json::{Map, Value};

use crate::config::Origin;
use crate::history::{Facts, History};
use crate::limits::{LEASE_END_MARGIN, TOKEN_DESCRIBED_BYTES};
use crate::lock::Lock;
use crate::names::{ClientId, OrgId, RoleName, TokenLogicalName};
use crate::schedule_queue::{QueuedTask, Task};
use crate::storage::TokenRef;
use crate::time_text;
use crate::who::Who;

pub(crate) use crate::storage::RecordId;
pub(crate) use backfill::{backfill_index, being_indexed, is_complete, passed_over, write_of_empty_mount};
pub(crate) use find::{find, find_indexed, find_so_far, is_indexed, unreadable};
pub(crate) use index::org_ids;
pub(crate) use listing::{Cut, Listing, all, in_org};
pub(crate) use reads::{WaitingReads, fold_reads, note_read, unknown_read_keys, waiting_reads};
pub(crate) use role_counts::role_counts;
pub(crate) use stored::decode;
pub(crate) use totals::counts;
pub(crate) use visit::{Looked, ReadFirst, Searched, look_at, look_at_from, search_in_org};
pub(crate) use walk::{IndexSlice, any_given_out, any_in_org_where, index_slice, load_own, log_unreadable};
pub(crate) use write::{
    Inserted, end_later, hold, insert, prove_writable, remove, remove_from, remove_if_same, remove_unreadable, renew,
    write_of, writes_of_end, writes_of_new, writes_of_replaced,
};

/// How a token was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// By `org/token` in standard mode, and all that the Go plugin made.
    #[default]
    Standard,
    /// By `org/token` in sidecar mode; its secret is not kept.
    Sidecar,
    /// By `creds/`; its secret is not kept.
    Creds,
    /// For a static role, whose name is the record's role name; its secret is kept.
    Static,
    /// An organization's admin token; the config holds it, not the record.
    Admin,
}

impl TokenKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 5] = [Self::Standard, Self::Sidecar, Self::Creds, Self::Static, Self::Admin];

    /// Its word in storage and answers.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Sidecar => "sidecar",
            Self::Creds => "creds",
            Self::Static => "static",
            Self::Admin => "admin",
        }
    }

    /// Is it of a kind that is in use without a lease, and lives on for a grace period after its replacement?
    pub(crate) fn is_replaceable(self) -> bool {
        matches!(self, Self::Admin | Self::Static)
    }
}

/// The secret halves of a token.
pub(crate) struct TokenSecrets {
    /// What CQL drivers want as the password for the client ID.
    pub(crate) secret: Sensitive,
    /// The token.
    pub(crate) token: Sensitive,
}

/// What this mount knows of one token.
pub(crate) struct Record {
    /// Where it is stored.
    pub(crate) id: RecordId,
    /// The token's ID in Astra; case matters.
    pub(crate) client_id: ClientId,
    /// Its organization.
    pub(crate) org_id: OrgId,
    /// The role it was made for; that may be gone.
    pub(crate) role_name: RoleName,
    /// Its Astra roles.
    pub(crate) role_ids: Vec<String>,
    /// Its logical name, where it has one.
    pub(crate) logical_name: Option<TokenLogicalName>,
    /// What the client noted about it.
    pub(crate) metadata: BTreeMap<String, String>,
    /// When Astra made it, in Astra's words.
    pub(crate) generated_on: String,
    /// When Astra ends it, RFC 3339, where it said so.
    pub(crate) expires_at: Option<String>,
    /// Kept only for what `org/token` reads again.
    pub(crate) secrets: Option<TokenSecrets>,
    /// Where it was made; the Go plugin did not note it.
    pub(crate) origin: Option<Origin>,
    /// The mark of its mint; empty for tokens of the Go plugin.
    pub(crate) mark: String,
    /// How it was made.
    pub(crate) kind: TokenKind,
    /// Who had it made.
    pub(crate) created_by: Who,
    /// When we made it, in seconds since 1970-01-01T00:00:00Z, where that is known.
    pub(crate) made: Option<u64>,
    /// The latest end that its lease can have, in seconds since then; none where that is unknown, or where the token is in
    /// use without a lease. A record with an end has a task in the schedule queue, at its deadline or before.
    pub(crate) lease_end: Option<u64>,
    /// Could it not be ended when its end was asked for? Rollback ends it, and nobody may extend its lease.
    pub(crate) ends: bool,
    /// What happened to it since it was made.
    pub(crate) history: History,
    /// Fields that we do not know, kept when the entry is rewritten.
    pub(crate) other: Map<String, Value>,
}

impl Record {
    /// A record of a token of which only its organization and its client ID are known. It is stored nowhere.
    pub(crate) fn new(org_id: OrgId, client_id: &ClientId) -> Self {
        Self {
            id: RecordId::of_client(client_id),
            client_id: client_id.to_owned(),
            org_id,
            role_name: RoleName::stored(""),
            role_ids: Vec::new(),
            logical_name: None,
            metadata: BTreeMap::new(),
            generated_on: String::new(),
            expires_at: None,
            secrets: None,
            origin: None,
            mark: String::new(),
            kind: TokenKind::default(),
            created_by: Who::default(),
            made: None,
            lease_end: None,
            ends: false,
            history: History::default(),
            other: Map::new(),
        }
    }

    /// Does the record stand for no token? The Go plugin stored and leased such a record where Astra had answered
    /// with an error: nothing was made, and nothing is there to be ended.
    pub(crate) fn names_no_token(&self) -> bool {
        self.client_id.is_empty()
    }

    /// The token, without what is known of it.
    pub(crate) fn token_ref(&self) -> TokenRef {
        let Self { id, org_id, client_id, .. } = self;
        TokenRef { org_id: org_id.clone(), client_id: client_id.clone(), record_id: id.clone() }
    }

    /// When rollback ends its token, in seconds since 1970-01-01T00:00:00Z: after the margin of a lease, or at the end of a
    /// grace period. None = it has no end.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let margin = if self.kind.is_replaceable() { Duration::ZERO } else { LEASE_END_MARGIN };
        self.lease_end.map(|end| end.saturating_add(margin.as_secs()))
    }

    /// Its task in the schedule queue, at this time.
    fn task(&self, at: u64) -> QueuedTask {
        QueuedTask::new(Task::Token(self.token_ref()), at)
    }

    /// What is shown of it, and kept in its history after its end.
    pub(crate) fn facts(&self) -> Facts {
        Facts {
            role_name: self.role_name.as_str().to_owned(),
            role_ids: self.role_ids.clone(),
            logical_name: self.logical_name_text().to_owned(),
            metadata: self.metadata.clone(),
            kind: self.kind.as_str().to_owned(),
            created_by: self.created_by.clone(),
            made: self.made,
            generated_on: self.generated_on.clone(),
            lease_end: self.lease_end,
            expires_at: self.expires_at.clone(),
        }
    }

    /// Its logical name as answers and storage have it: empty where it has none.
    pub(crate) fn logical_name_text(&self) -> &str {
        self.logical_name.as_ref().map_or("", TokenLogicalName::as_str)
    }

    /// About how many bytes an answer shows of it.
    pub(crate) fn described_bytes(&self) -> usize {
        let noted = self.metadata.iter().map(|(key, value)| key.len() + value.len());
        let role_ids = self.role_ids.iter().map(String::len);
        TOKEN_DESCRIBED_BYTES + self.logical_name_text().len() + noted.chain(role_ids).sum::<usize>()
    }

    /// When its token was made; none where neither the mount nor Astra noted a time that can be read.
    pub(crate) fn made_at(&self) -> Option<Duration> {
        // The Go plugin noted Astra's time only.
        self.made.map(Duration::from_secs).or_else(|| time_text::parse(&self.generated_on))
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Fields that we do not know may be secret.
        f.debug_struct("Record")
            .field("org_id", &self.org_id)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// The lock under which a token's record is changed.
pub(crate) fn lock<'a>(context: &Context<'a>, id: &RecordId) -> Result<Box<dyn LockGuard + 'a>, Error> {
    Lock::Token(id.as_str()).acquire(context)
}

/// Loads a record by its ID, in one read.
pub(crate) fn load(context: &Context<'_>, id: &RecordId) -> Result<Option<Record>, Error> {
    context.storage().get(&id.key())?.map(|entry| decode(&entry, id)).transpose()
}

#[cfg(test)]
mod tests;
