//! Reads of tokens' secrets. Each is an entry of its own, `reads/<organization>.<client ID>/<time>-<random>`, which is
//! stored before the secret is shown: in one write, without the lock of the token, however many read at once.
//!
//! Rollback folds the entries into the history of their token. One in [`READS_PER_FOLD`] readers does the same for the
//! token that it reads, so that a flood of reads between two rollback calls is bounded, too.

use std::collections::BTreeSet;
use std::time::Duration;

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error};

use super::backfill::is_complete;
use super::find::{Indexed, look_in_index};
use super::{Record, RecordId, TokenKind};
use crate::counters::SECRETS_READ;
use crate::events;
use crate::history::{self, Event, Happened};
use crate::limits::{
    HISTORY_EVENTS_MAX, LIST_PAGE, READS_FOLD_CALLS_PER_ROLLBACK_MAX, READS_FOLDED_AT_ONCE_MAX, READS_PER_FOLD,
    WAITING_READS_SEEN_MAX,
};
use crate::names::{ClientId, OrgId};
use crate::storage::key::READS_PREFIX;
use crate::storage::{OwnRead, TokenRef, Write, read_many, visit_names, write_batch};
use crate::who::Who;

/// Records that a token's secret is about to be shown, unless the organization wants no such records, and logs it. If
/// this fails, the secret must not be shown.
pub(crate) fn note_read(context: &Context<'_>, record_reads: bool, record: &Record) -> Result<(), Error> {
    let Record { id, org_id, client_id, role_name, kind, .. } = record;
    let who = Who::of(context.request);
    if record_reads {
        let (random, now) = (random(context), context.now());
        let folder = folder(org_id, client_id);
        let key = format!("{folder}{:012}.{:09}-{random:016x}", now.as_secs(), now.subsec_nanos());
        context.storage().put(StorageEntry::json(key, &who)?)?;
        if random % READS_PER_FOLD == 0
            && let Err(error) = fold(context, org_id, client_id, Some(id))
        {
            events::READS_WAIT.log(context, &[("error", &error.to_string())]);
        }
    }
    let role = if *kind == TokenKind::Static { "static_role" } else { "role" };
    let fields =
        [("org", org_id.as_str()), (role, role_name.as_str()), ("client_id", client_id), ("kind", kind.as_str())];
    who.log(context, &events::TOKEN_READ, &fields);
    context.count(&SECRETS_READ, &[("kind", kind.as_str())]);
    Ok(())
}

/// Reads of a token that wait to be folded into its history, the oldest first.
pub(crate) fn waiting_reads(
    context: &Context<'_>,
    org_id: &OrgId,
    client_id: &ClientId,
) -> Result<Vec<Happened>, Error> {
    events(context, &keys(context, org_id, client_id, LIST_PAGE)?)
}

/// Which tokens have reads that wait, for those who look at many.
#[derive(Debug, Default)]
pub(crate) struct WaitingReads {
    folders: BTreeSet<String>,
}

/// Reads of one token that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WaitingOfToken {
    /// The number of reads that wait.
    pub(crate) count: usize,
    /// The time of the last, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) last: Option<u64>,
    /// How many storage calls it took to find out.
    pub(crate) calls: usize,
}

impl WaitingReads {
    /// Those of the mount, in one list for each thousand.
    pub(crate) fn load(context: &Context<'_>) -> Result<Self, Error> {
        let mut folders = BTreeSet::new();
        visit_names(context.storage(), READS_PREFIX, "", LIST_PAGE, |name| {
            folders.insert(format!("{READS_PREFIX}{name}"));
            Ok(folders.len() < WAITING_READS_SEEN_MAX)
        })?;
        Ok(Self { folders })
    }

    /// Those of a token: no storage call where none waits.
    pub(crate) fn of(
        &self,
        context: &Context<'_>,
        org_id: &OrgId,
        client_id: &ClientId,
    ) -> Result<WaitingOfToken, Error> {
        let folder = folder(org_id, client_id);
        let mut waiting = WaitingOfToken::default();
        if self.folders.contains(&folder) {
            visit_names(context.storage(), &folder, "", LIST_PAGE, |name| {
                if let Some(time) = time_of(name) {
                    waiting.count += 1;
                    waiting.last = waiting.last.max(Some(time));
                }
                Ok(true)
            })?;
            waiting.calls = 1 + waiting.count / LIST_PAGE as usize;
        }
        Ok(waiting)
    }
}

/// Folds reads that wait into the histories of their tokens until `deadline` has passed; the next call goes on.
pub(crate) fn fold_reads(context: &Context<'_>, deadline: Duration) -> Result<(), Error> {
    let (mut calls, mut result) = (0, Ok(()));
    let names = context.storage().list_page(READS_PREFIX, "", LIST_PAGE)?;
    // From another one each time: tokens that are read all the time must not keep the others waiting.
    let first = random(context).checked_rem(names.len() as u64).and_then(|first| usize::try_from(first).ok());
    for name in names.iter().cycle().skip(first.unwrap_or_default()).take(names.len()) {
        if calls >= READS_FOLD_CALLS_PER_ROLLBACK_MAX || context.now() > deadline {
            break;
        }
        let Some(TokenRef { org_id, client_id, .. }) = token_of(name) else { continue };
        // Of each read, a get and a delete.
        match fold(context, &org_id, &client_id, None) {
            Ok(folded) => calls += 8 + 2 * folded,
            // One token that is locked does not keep the others waiting.
            Err(error) => result = Err(error),
        }
    }
    result
}

/// Keys among those that rollback looks at that are not of the form of reads.
pub(crate) fn unknown_read_keys(context: &Context<'_>) -> Result<Vec<String>, Error> {
    let names = context.storage().list_page(READS_PREFIX, "", LIST_PAGE)?;
    Ok(names.iter().filter(|name| token_of(name).is_none()).map(|name| format!("{READS_PREFIX}{name}")).collect())
}

/// Folds reads of a token, at most [`READS_FOLDED_AT_ONCE_MAX`]. Answers how many. On a server without transactions that
/// dies in between, the history has some of them twice.
fn fold(context: &Context<'_>, org_id: &OrgId, client_id: &ClientId, id: Option<&RecordId>) -> Result<usize, Error> {
    let id = match id {
        Some(id) => id.clone(),
        None => match look_in_index(context, org_id, client_id)? {
            Indexed::Record(record) => record.id,
            Indexed::Unknown => RecordId::of_client(client_id),
            // The reads wait until the record can be read.
            Indexed::Unreadable(_) => return Ok(0),
        },
    };
    let _guard = super::lock(context, &id)?;
    let keys = keys(context, org_id, client_id, READS_FOLDED_AT_ONCE_MAX)?;
    let events = events(context, &keys)?;
    let is_it = |record: &Record| record.org_id == *org_id && record.client_id == *client_id;
    let record = super::load(context, &id)?.filter(is_it);
    let mut writes = Vec::new();
    if let Some(mut record) = record {
        record.history.add(events);
        writes.push(super::write_of(&record)?);
    } else if let Some(mut history) = history::load(context, org_id, client_id)? {
        history.add(events);
        writes.push(Write::Put(history.to_entry(org_id, client_id)?));
    } else if !is_complete(context)? {
        // It may be one of the Go plugin's that the index does not have yet.
        return Ok(0);
    }
    writes.extend(keys.iter().map(|key| Write::Delete(key.clone())));
    write_batch(context, &writes)?;
    Ok(keys.len())
}

/// Keys of the reads of a token, the oldest first.
fn keys(context: &Context<'_>, org_id: &OrgId, client_id: &ClientId, limit: u32) -> Result<Vec<String>, Error> {
    let folder = folder(org_id, client_id);
    let names = context.storage().list_page(&folder, "", limit)?;
    let own = names.iter().filter(|name| time_of(name).is_some());
    Ok(own.map(|name| format!("{folder}{name}")).collect())
}

/// The events of the latest of these reads: no history has room for more.
fn events(context: &Context<'_>, keys: &[String]) -> Result<Vec<Happened>, Error> {
    let latest = keys.get(keys.len().saturating_sub(HISTORY_EVENTS_MAX)..).unwrap_or_default();
    let reads = read_many(context.storage(), latest)?;
    let event = |(key, read): (&String, OwnRead)| {
        let (_, name) = key.rsplit_once('/')?;
        // Of an entry that cannot be read, it is known that there was a read.
        let who = read.map_or(Some(Who::default()), |entry| Some(entry?.parsed().unwrap_or_default()))?;
        Some(Happened::new(time_of(name)?, Event::Read, who))
    };
    Ok(latest.iter().zip(reads).filter_map(event).collect())
}

/// The time of a read, in seconds since 1970-01-01T00:00:00Z; none of a name that is none of ours.
fn time_of(name: &str) -> Option<u64> {
    let (seconds, rest) = name.split_once('.')?;
    let (nanoseconds, random) = rest.split_once('-')?;
    let are_whole = (seconds.len(), nanoseconds.len(), random.len()) == (12, 9, 16);
    seconds.parse().ok().filter(|_| are_whole)
}

fn folder(org_id: &OrgId, client_id: &ClientId) -> String {
    let token =
        TokenRef { org_id: org_id.clone(), client_id: client_id.to_owned(), record_id: RecordId::of_client(client_id) };
    format!("{READS_PREFIX}{}/", token.name())
}

fn random(context: &Context<'_>) -> u64 {
    let mut bytes = [0; 8];
    context.host.random().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

fn token_of(name: &str) -> Option<TokenRef> {
    let name = name.strip_suffix('/')?;
    TokenRef::of_name(name).filter(|token| token.name() == name)
}
