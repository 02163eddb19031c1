//! The write-ahead entry of a mint. Written before Astra is asked, it names
//! the mark by which the token is found again, whatever happens in between.

use std::collections::{BTreeMap, BTreeSet};

use secrets_framework::host::LockGuard;
use secrets_framework::wal::{self, WalEntry, WalGroup, WalId};
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::make::MintRequest;
use super::room;
use super::start::{MintStart, wait_for_started};
use crate::config::{self, OrgConfig, Origin};
use crate::limits::{OPEN_INTENTS_MAX, RETIRED_SEARCH_RECORDS_MAX};
use crate::lock::Lock;
use crate::mark::{fresh_mark, is_mark};
use crate::names::{OrgId, RoleName};
use crate::record::{self, Record, RecordId};
use crate::storage::own_error;

/// The kind of the entry.
pub(crate) const INTENT_KIND: &str = "astra_token";

/// What the entry says.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntentData {
    /// The organization.
    org_id: String,
    /// Where Astra was asked.
    origin: String,
    /// What the description of the token ends in.
    pub(crate) mark: String,
    /// The Astra roles asked for.
    roles: Vec<String>,
    /// Where the record of a token with a logical name would stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record_id: Option<String>,
    /// The role whose leased token is made; none for a token that is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role_name: Option<String>,
}

impl IntentData {
    /// Reads the entry's data. A mark that is not whole could be the end of another token's description.
    pub(crate) fn read(data: &Value) -> Option<Self> {
        Self::deserialize(data).ok().filter(|data| is_mark(&data.mark))
    }

    /// The organization.
    pub(crate) fn org_id(&self) -> OrgId {
        OrgId::stored(self.org_id.as_str())
    }

    /// Where Astra was asked.
    pub(crate) fn origin(&self) -> Origin {
        Origin::stored(self.origin.as_str())
    }

    /// Where the record of a token with a logical name would stand.
    pub(crate) fn record_id(&self) -> Option<RecordId> {
        self.record_id.as_deref().map(RecordId::stored)
    }
}

/// One attempt to make a token, noted in storage.
pub(super) struct Intent<'a> {
    pub(super) wal_id: WalId,
    pub(super) mark: String,
    /// The data of the entry.
    data: Value,
    /// Keeps rollback from this attempt while it goes on.
    _guard: Box<dyn LockGuard + 'a>,
}

/// Notes an attempt. A node that cannot write fails here, before anything is made. Without a start under which the config
/// was read, the config is read again. With `has_room`, an earlier attempt of the
/// same mint is noted still.
pub(super) fn note<'a>(
    context: &Context<'a>,
    request: &MintRequest<'_>,
    start: Option<MintStart<'a>>,
    has_room: bool,
) -> Result<Intent<'a>, Error> {
    let config = request.config;
    let mark = start.as_ref().map_or_else(|| fresh_mark(context), |start| start.mark.clone());
    let guard = lock(context, &mark)?;
    // A count may take seconds, for which no other mint is to wait.
    let start = start.filter(|_| !request.leased.is_some_and(room::is_limited));
    // Kept until the entry is there, by which others count this token.
    let counted = request.leased.filter(|_| !has_room);
    let _room = counted.map(|order| room::enter(context, order)).transpose()?;
    let data = IntentData {
        org_id: config.org_id.as_str().to_owned(),
        origin: config.url.origin().as_str().to_owned(),
        mark: mark.clone(),
        roles: request.role_ids.to_vec(),
        record_id: request.record_id.as_ref().map(|id| id.as_str().to_owned()),
        role_name: request.leased.map(|order| order.role.name.as_str().to_owned()),
    };
    let data = serde_json::to_value(data)
        .map_err(|_| Error::Internal("a write-ahead entry could not be written as JSON".to_owned()))?;
    let wal_id = wal::put(context, group_of(&config.org_id), INTENT_KIND, data.clone())?;
    // From here on, whoever looks for entries finds this one.
    let is_started = start.map(drop).is_some();
    if !is_started && !is_current(context, config)? {
        wal::delete(context, &wal_id)?;
        return Err(Error::conflict(format!(
            "the config of organization `{}` was deleted or moved while this token was asked for: ask again",
            config.org_id
        )));
    }
    Ok(Intent { wal_id, mark, data, _guard: guard })
}

impl Intent<'_> {
    /// Notes the attempt again, where its entry may have been dropped.
    pub(super) fn note_again(&self, context: &Context<'_>) -> Result<(), Error> {
        wal::put_again(context, &self.wal_id, INTENT_KIND, self.data.clone())
    }
}

/// Is the config still the one that was read? A delete looks for entries like
/// ours before it forgets the admin token, and may have looked before ours was
/// there: then nothing would be left to revoke the token with.
fn is_current(context: &Context<'_>, config: &OrgConfig) -> Result<bool, Error> {
    let now = config::load(context, &config.org_id)?;
    Ok(now.is_some_and(|now| now.url.origin() == config.url.origin()))
}

/// Has this mark of an organization's mint still an entry?
pub(crate) fn is_open(context: &Context<'_>, org_id: &OrgId, mark: &str) -> Result<bool, Error> {
    any_open(context, org_id, |data| data.mark == mark)
}

/// Has the organization a token that `is_it` takes, or one that is being made? The config of such a token must stay usable
/// for its revocation. Entries before records, because a mint stores its record before its entry goes: in the other order,
/// a mint that ends between the two looks would be seen by neither. And after mints that have started, of which each may
/// have read a config that has gone since.
pub(crate) fn any_made_or_being_made(
    context: &Context<'_>,
    org_id: &OrgId,
    is_it: impl Fn(&Record) -> bool,
) -> Result<bool, Error> {
    wait_for_started(context, org_id)?;
    Ok(any_open(context, org_id, |_| true)? || record::any_in_org_where(context, org_id, is_it)?)
}

/// Where tokens of an organization are being made.
#[derive(Debug, Default)]
pub(crate) struct BeingMade {
    origins: BTreeSet<Origin>,
    /// Is there an entry that does not tell its origin, or are there more entries than are looked through?
    may_be_anywhere: bool,
}

impl BeingMade {
    /// Looks through the open entries of an organization. As for [`any_made_or_being_made`], asked before records are. An
    /// entry that cannot be read counts for each origin, because a token may have been made for it.
    pub(crate) fn of(context: &Context<'_>, org_id: &OrgId) -> Result<Self, Error> {
        wait_for_started(context, org_id)?;
        let ids = wal::ids_in(context, group_of(org_id))?;
        if ids.len() > RETIRED_SEARCH_RECORDS_MAX {
            return Ok(Self { may_be_anywhere: true, ..Self::default() });
        }
        let mut being_made = Self::default();
        visit_open(context, &ids, |_, intent| {
            match intent {
                Some((data, _)) if data.org_id != org_id.as_str() => {}
                Some((data, _)) if !data.origin.is_empty() => being_made.origins.extend([data.origin()]),
                _ => being_made.may_be_anywhere = true,
            }
            true
        })?;
        Ok(being_made)
    }

    /// May a token be in the making at an origin that `is_it` takes?
    pub(crate) fn may_be_at(&self, is_it: impl Fn(&Origin) -> bool) -> bool {
        self.may_be_anywhere || self.origins.iter().any(is_it)
    }
}

/// Visits an organization's unsettled mints of leased tokens: the mark of each, and its role. The answer is how many
/// entries were read for that.
pub(super) fn visit_leased_in_org(
    context: &Context<'_>,
    org_id: &OrgId,
    mut visit: impl FnMut(&str, &RoleName),
) -> Result<usize, Error> {
    visit_open_of(context, org_id, |data, _| {
        if let IntentData { mark, role_name: Some(role_name), .. } = data {
            visit(&mark, &RoleName::stored(role_name));
        }
        true
    })
}

/// Unsettled mints of an organization, and how many entries were read for that.
pub(crate) fn open_marks(context: &Context<'_>, org_id: &OrgId) -> Result<OpenMarks, Error> {
    let mut marks = BTreeMap::new();
    let looked_at = visit_open_of(context, org_id, |data, noted| {
        marks.insert(data.mark, noted);
        true
    })?;
    Ok(OpenMarks { marks, looked_at })
}

/// When each of the mount's unsettled mints was noted, in seconds since 1970-01-01T00:00:00Z.
pub(crate) fn open_times(context: &Context<'_>) -> Result<Vec<u64>, Error> {
    let ids = wal::first_ids(context, OPEN_INTENTS_MAX)?;
    let mut times = Vec::new();
    visit_open(context, &ids, |_, intent| {
        times.extend(intent.map(|(_, noted)| noted));
        true
    })?;
    check_are_all(&ids)?;
    Ok(times)
}

/// Keys of write-ahead entries of the mount that cannot be read, or that this engine cannot undo. Beyond a limit, entries
/// are not looked at.
pub(crate) fn unreadable_entries(context: &Context<'_>) -> Result<Vec<String>, Error> {
    let mut keys = Vec::new();
    visit_open(context, &wal::first_ids(context, OPEN_INTENTS_MAX)?, |key, intent| {
        keys.extend(intent.is_none().then_some(key));
        true
    })?;
    Ok(keys)
}

/// Unsettled mints of one organization.
#[derive(Debug)]
pub(crate) struct OpenMarks {
    /// Their marks, and when each was noted, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) marks: BTreeMap<String, u64>,
    /// Entries that were read to know.
    pub(crate) looked_at: usize,
}

/// The lock under which an attempt, or its rollback, goes on.
pub(crate) fn lock<'a>(context: &Context<'a>, mark: &str) -> Result<Box<dyn LockGuard + 'a>, Error> {
    Lock::Mint(mark).acquire(context)
}

fn any_open(context: &Context<'_>, org_id: &OrgId, is_it: impl Fn(&IntentData) -> bool) -> Result<bool, Error> {
    let mut any = false;
    // A damaged entry cannot be undone by anybody; rollback reports it, and `check` names it.
    visit_open_of(context, org_id, |data, _| {
        any = is_it(&data);
        !any
    })?;
    Ok(any)
}

/// The group of an organization's entries: whoever looks for them reads none of another organization, however many those
/// are.
pub(crate) fn group_of(org_id: &OrgId) -> WalGroup {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(org_id.as_str()));
    WalGroup(u32::from_be_bytes([a, b, c, d]))
}

/// Visits an organization's unsettled mints, each with what it says and when it was noted, until told to stop. The answer
/// is how many entries were read for that.
fn visit_open_of(
    context: &Context<'_>,
    org_id: &OrgId,
    mut visit: impl FnMut(IntentData, u64) -> bool,
) -> Result<usize, Error> {
    let mut ids = wal::ids_in(context, group_of(org_id))?;
    ids.truncate(OPEN_INTENTS_MAX);
    let mut read = 0;
    let stopped = visit_open(context, &ids, |_, intent| {
        read += 1;
        let own = intent.filter(|(data, _)| data.org_id == org_id.as_str());
        own.is_none_or(|(data, noted)| visit(data, noted))
    })?;
    if !stopped {
        check_are_all(&ids)?;
    }
    Ok(read)
}

/// Fails where more entries may be open than are looked through.
fn check_are_all(ids: &[WalId]) -> Result<(), Error> {
    if ids.len() >= OPEN_INTENTS_MAX {
        return Err(Error::Internal(format!(
            "{OPEN_INTENTS_MAX} or more write-ahead entries are open, which rollback settles as soon as Astra answers"
        )));
    }
    Ok(())
}

/// Visits write-ahead entries, each with what it says and when it was noted, until told to stop; none of one that
/// cannot be read, or is not of a mint. Answers whether `visit` said to stop.
fn visit_open(
    context: &Context<'_>,
    ids: &[WalId],
    mut visit: impl FnMut(String, Option<(IntentData, u64)>) -> bool,
) -> Result<bool, Error> {
    for id in ids {
        let intent = match read_own(context, id)? {
            Ok(None) => continue,
            Ok(Some(entry)) if entry.kind == INTENT_KIND => {
                IntentData::read(&entry.data).map(|data| (data, entry.created_at))
            }
            Ok(Some(_)) | Err(_) => None,
        };
        if !visit(wal::key(id), intent) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads a write-ahead entry, for those who look at many: the outer error is a failure of storage as a whole, by which
/// nobody knows what is open.
fn read_own(context: &Context<'_>, id: &WalId) -> Result<Result<Option<WalEntry>, Error>, Error> {
    match wal::read(context, id).or_else(|_| wal::read(context, id)) {
        Err(error @ Error::Internal(_)) => Ok(Err(error)),
        Err(error) => own_error(context.storage(), error).map(Err),
        entry => entry.map(Ok),
    }
}
