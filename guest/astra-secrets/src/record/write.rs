//! Changes of records and their indexes: together in one transaction where
//! the server has them, else in an order that leaves each crash recoverable:
//! a record never stands without its index entries.

use secrets_framework::host::{Storage, StorageError};
use secrets_framework::wal::{self, WalId};
use secrets_framework::{Context, Error};

use super::index::{client_entry, client_key, names_record};
use super::{Record, RecordId, stored};
use crate::counters::TOKENS_ENDED;
use crate::events;
use crate::history::{self, End, Ended, Event, Whereabouts};
use crate::limits::{LEASE_END_MARGIN, TRANSACTION_ATTEMPTS_MAX};
use crate::names::{ClientId, OrgId};
use crate::storage::{self, Write, write_batch};

/// What became of a new record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// It is stored, and the write-ahead entry is dropped.
    Yes,
    /// Another one stands there; nothing was changed.
    Occupied,
}

/// Stores a new record with its indexes and drops the write-ahead entry of its mint.
pub(crate) fn insert(context: &Context<'_>, record: &Record, wal_id: &WalId) -> Result<Inserted, Error> {
    let writes = writes_of_new(record)?;
    let done = Write::Delete(wal::key(wal_id));
    let mut attempt = 1;
    loop {
        match try_insert(context, record, &writes, &done) {
            Err(StorageError::Conflict(_)) if attempt < TRANSACTION_ATTEMPTS_MAX => attempt += 1,
            result => return Ok(result?),
        }
    }
}

/// A lease goes on until `lease_end`. Under the token's lock. The task in the schedule queue stays: it moves when it is
/// due.
pub(crate) fn renew(context: &Context<'_>, record: &mut Record, lease_end: u64) -> Result<(), Error> {
    let is_queued = record.lease_end.replace(lease_end).is_some();
    let queued = record.deadline().filter(|_| !is_queued).map(|at| Write::Put(record.task(at).entry()));
    record.history.note(context, Event::Renew);
    let writes: Vec<Write> = queued.into_iter().chain([write_of(record)?]).collect();
    write_batch(context, &writes)
}

/// The token was to end, but could not be ended: rollback tries again at `at`, and its lease cannot be renewed.
pub(crate) fn end_later(context: &Context<'_>, record: &mut Record, at: u64) -> Result<(), Error> {
    // At that time the margin is over, too.
    record.lease_end = Some(at.saturating_sub(LEASE_END_MARGIN.as_secs()));
    record.ends = true;
    write_batch(context, &[Write::Put(record.task(at).entry()), write_of(record)?])
}

/// A token is in use, and so has no end. Its task in the schedule queue is dropped when it is due.
pub(crate) fn hold(context: &Context<'_>, record: &mut Record) -> Result<(), Error> {
    if record.lease_end.take().is_none() {
        return Ok(());
    }
    record.ends = false;
    write_batch(context, &[write_of(record)?])
}

/// The changes that store a new record with its index entry and its task. For a token that is to be in use without an
/// end, the task looks once whether the token came into use.
pub(crate) fn writes_of_new(record: &Record) -> Result<[Write; 3], Error> {
    let first_look = record.made.unwrap_or_default().saturating_add(LEASE_END_MARGIN.as_secs());
    let at = record.deadline().unwrap_or(first_look);
    Ok([Write::Put(client_entry(record)), Write::Put(record.task(at).entry()), write_of(record)?])
}

/// The change that stores a record whose indexes stay as they are.
pub(crate) fn write_of(record: &Record) -> Result<Write, Error> {
    Ok(Write::Put(stored::encode(record)?))
}

/// The changes by which a token that is no longer in use ends at `end`. They must come before the change that takes the
/// token out of use: while the token is in use, its end does not count.
pub(crate) fn writes_of_end(record: &mut Record, end: u64) -> Result<Vec<Write>, Error> {
    record.lease_end = Some(end);
    Ok(vec![Write::Put(record.task(end).entry()), write_of(record)?])
}

/// Ends the token that a rotation replaces at `end`. Answers the token's record, which is `unrecorded` where it has none
/// yet, and the changes that store it. As for [`writes_of_end`], they come before the change that switches.
pub(crate) fn writes_of_replaced(
    context: &Context<'_>,
    record: Option<Record>,
    unrecorded: impl FnOnce() -> Record,
    end: u64,
) -> Result<(Record, Vec<Write>), Error> {
    let is_recorded = record.is_some();
    let mut old = record.unwrap_or_else(|| Record { lease_end: Some(end), ..unrecorded() });
    old.history.note(context, Event::Rotate);
    let writes = match is_recorded {
        true => writes_of_end(&mut old, end)?,
        false => writes_of_new(&old)?.into(),
    };
    Ok((old, writes))
}

/// Writes a record as it is: a node that cannot write says so here, before
/// Astra is asked for what the record would have to follow.
pub(crate) fn prove_writable(context: &Context<'_>, record: &Record) -> Result<(), Error> {
    write_batch(context, &[write_of(record)?])
}

/// Forgets a token that is gone, but for its history. Under the token's lock.
pub(crate) fn remove(context: &Context<'_>, record: &Record, how: End) -> Result<(), Error> {
    remove_from(context, record, how, Whereabouts::default())
}

/// As [`remove`], of a token that was looked for in other organizations, too.
pub(crate) fn remove_from(
    context: &Context<'_>,
    record: &Record,
    how: End,
    whereabouts: Whereabouts,
) -> Result<(), Error> {
    let Record { id, org_id, client_id, .. } = record;
    if record.names_no_token() {
        // Index and history are by client ID.
        return write_batch(context, &[Write::Delete(id.key())]);
    }
    context.count(&TOKENS_ENDED, &[("how", how.as_str())]);
    let now = context.now().as_secs();
    let mut history = record.history.clone();
    history.note(context, Event::Revoke);
    history.ended = Some(Ended { at: now, how: how.as_str().into(), facts: record.facts(), whereabouts });
    let mut writes = vec![Write::Put(history.to_entry(org_id, client_id)?)];
    if record.lease_end.is_none() {
        // No task would find the history.
        writes.push(Write::Put(record.task(history::forget_at(now)).entry()));
    }
    let kept = writes.len();
    // The record before its index entry, which means nothing without the record.
    writes.push(Write::Delete(id.key()));
    writes.push(Write::Delete(client_key(org_id, client_id)));
    let Err(error) = write_batch(context, &writes) else { return Ok(()) };
    write_batch(context, writes.get(kept..).unwrap_or_default())?;
    let error = error.to_string();
    let fields = [("org", org_id.as_str()), ("client_id", client_id), ("error", &error)];
    events::HISTORY_NOT_STORED.log(context, &fields);
    Ok(())
}

/// Removes the record of a token that has ended, where it cannot be read. Only what certainly is that token's: under its
/// client ID, or named by the index.
pub(crate) fn remove_unreadable(
    context: &Context<'_>,
    org_id: &OrgId,
    client_id: &ClientId,
    id: &RecordId,
) -> Result<(), Error> {
    let index_key = client_key(org_id, client_id);
    let indexed = storage::entry(context.storage(), &index_key)?;
    if id.as_str() != client_id.as_str() && !indexed.is_some_and(|indexed| names_record(&indexed, id)) {
        return Ok(());
    }
    write_batch(context, &[Write::Delete(id.key()), Write::Delete(index_key)])
}

/// Removes what was stored of `record`, however much that is; what another
/// token stored in its place is left alone.
pub(crate) fn remove_if_same(context: &Context<'_>, record: &Record) -> Result<(), Error> {
    let storage = context.storage();
    if super::load(context, &record.id)?.is_some_and(|stored| stored.client_id == record.client_id) {
        storage.delete(&record.id.key())?;
    }
    storage.delete(&client_key(&record.org_id, &record.client_id))?;
    if let Some(at) = record.deadline() {
        storage.delete(&record.task(at).key())?;
    }
    Ok(())
}

fn try_insert(
    context: &Context<'_>,
    record: &Record,
    writes: &[Write],
    done: &Write,
) -> Result<Inserted, StorageError> {
    let storage = context.storage();
    match storage.begin()? {
        Some(transaction) => {
            // Looked at within the transaction, so that two writers cannot both find the place free.
            // A new client ID is free in any case.
            if record.logical_name.is_some() && transaction.get(&record.id.key())?.is_some() {
                return Ok(Inserted::Occupied);
            }
            writes.iter().chain([done]).try_for_each(|write| write.apply(&*transaction))?;
            transaction.commit()?;
        }
        // Without transactions the lock on the record's ID, held by the mint, does this.
        None => {
            writes.iter().try_for_each(|write| write.apply(storage))?;
            keep_indexed(storage, record)?;
            done.apply(storage)?;
        }
    }
    Ok(Inserted::Yes)
}

/// Whoever looked the client ID up before the record was there took its entry
/// for a crash's left-over and dropped it (`walk`). A record under its client ID
/// is found without.
fn keep_indexed(storage: &dyn Storage, record: &Record) -> Result<(), StorageError> {
    if record.id.as_str() == record.client_id.as_str()
        || storage.get(&client_key(&record.org_id, &record.client_id))?.is_some()
    {
        return Ok(());
    }
    storage.put(client_entry(record))
}
