//! Reading many records of an organization at once, for those who count or report.

use secrets_framework::{Context, Error};

use super::backfill::{being_indexed, is_complete};
use super::index::{client_folder, record_of_entry};
use super::walk::index_slice;
use super::{Record, RecordId, stored};
use crate::limits::RECORDS_READ_AT_ONCE;
use crate::names::{ClientId, OrgId};
use crate::storage::key::{from_segment, is_key};
use crate::storage::read_many;

/// What a search among an organization's records came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Searched {
    /// A record that was looked for, or one that cannot be read and may be it, not far after this name of the index.
    Found(String),
    /// None of them is.
    NotFound,
    /// None up to this name of the index, after which the search goes on.
    UpTo(String),
}

/// What an entry of the index stands for.
#[derive(Debug)]
pub(crate) enum Looked {
    /// This record, whose entry has so many bytes.
    Record(Box<Record>, usize),
    /// A crash's left-over that stands for no token.
    LeftOver,
    /// A record that cannot be read, for this reason.
    Unreadable(Error),
}

/// Records that were read together.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Each in the place of its name.
    pub(crate) looked: Vec<Looked>,
    /// How many storage calls that took.
    pub(crate) calls: usize,
}

/// What is read first of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadFirst {
    /// The record under the client ID: one storage call for a token without a logical name, three for one with.
    Record,
    /// The entry of the index: two storage calls for each token.
    Index,
}

/// Looks for a record that `is_it` takes among those of an organization that the index has after the name `after`, at most
/// `left` of them, which is what is left of a number afterwards. Before the index is complete, nobody knows all of them, and
/// that is the error.
pub(crate) fn search_in_org(
    context: &Context<'_>,
    org_id: &OrgId,
    after: &str,
    left: &mut usize,
    is_it: impl Fn(&Record) -> bool,
) -> Result<Searched, Error> {
    if !is_complete(context)? {
        return Err(being_indexed());
    }
    let slice = index_slice(context, org_id, after, *left)?;
    let mut before = after;
    for names in slice.names.chunks(RECORDS_READ_AT_ONCE) {
        *left = left.saturating_sub(names.len());
        let may_be_it = |looked: &Looked| match looked {
            Looked::Record(record, _) => is_it(record),
            Looked::LeftOver => false,
            Looked::Unreadable(_) => true,
        };
        if look_at(context, org_id, names)?.looked.iter().any(may_be_it) {
            return Ok(Searched::Found(before.to_owned()));
        }
        before = names.last().map_or(before, String::as_str);
    }
    Ok(match slice.names.last() {
        Some(last) if slice.more => Searched::UpTo(last.clone()),
        _ => Searched::NotFound,
    })
}

/// Reads the records of these names of an organization's index, mostly in the time of one read: nearly all records stand
/// under their client ID. Those with a logical name do not: for them the index is read, too.
pub(crate) fn look_at(context: &Context<'_>, org_id: &OrgId, names: &[String]) -> Result<Batch, Error> {
    look_at_from(context, org_id, names, ReadFirst::Record)
}

/// As [`look_at`], for those who know what is best read first.
pub(crate) fn look_at_from(
    context: &Context<'_>,
    org_id: &OrgId,
    names: &[String],
    first: ReadFirst,
) -> Result<Batch, Error> {
    let tokens: Vec<Token> = names.iter().map(|name| Token::of_name(name)).collect();
    let (mut looked, mut calls) = match first {
        ReadFirst::Record => (read_records(context, org_id, &tokens)?, tokens.len()),
        ReadFirst::Index => (tokens.iter().map(|_| Looked::LeftOver).collect(), 0),
    };
    let places = looked.iter_mut().zip(names.iter().zip(tokens));
    let mut others: Vec<_> = places.filter(|(looked, _)| !matches!(looked, Looked::Record(..))).collect();
    let folder = client_folder(org_id);
    let entries: Vec<String> = others.iter().map(|(_, (name, _))| format!("{folder}{name}")).collect();
    calls += 2 * entries.len();
    let mut ids = Vec::with_capacity(entries.len());
    for ((_, (_, token)), read) in others.iter_mut().zip(read_many(context.storage(), &entries)?) {
        let (id, fault) = match read {
            Ok(entry) => (entry.as_ref().and_then(record_of_entry), None),
            Err(error) => (None, Some(error)),
        };
        ids.push((Token { client_id: token.client_id.take(), id }, fault));
    }
    let (tokens, faults): (Vec<Token>, Vec<Option<Error>>) = ids.into_iter().unzip();
    let read = read_records(context, org_id, &tokens)?;
    for (((place, _), read), fault) in others.into_iter().zip(read).zip(faults) {
        match (fault, read) {
            (Some(error), _) => *place = Looked::Unreadable(error),
            // A record that cannot be read under the client ID stays the reason where the index leads to no other.
            (None, Looked::LeftOver) => {}
            (None, read) => *place = read,
        }
    }
    Ok(Batch { looked, calls })
}

/// A token of the index, and where its record is looked for.
struct Token {
    client_id: Option<ClientId>,
    id: Option<RecordId>,
}

impl Token {
    /// The token of a name of the index, its record under its client ID.
    fn of_name(name: &str) -> Self {
        let client_id = from_segment(name).map(ClientId::stored);
        let id = client_id.as_ref().map(RecordId::of_client).filter(|id| is_key(&id.key()));
        Self { client_id, id }
    }
}

/// Reads the records of these tokens, each in the place of its token.
fn read_records(context: &Context<'_>, org_id: &OrgId, tokens: &[Token]) -> Result<Vec<Looked>, Error> {
    let keys: Vec<String> = tokens.iter().filter_map(|token| token.id.as_ref()).map(RecordId::key).collect();
    let mut reads = read_many(context.storage(), &keys)?.into_iter();
    let look = |token: &Token| {
        let Some((id, read)) = token.id.as_ref().and_then(|id| Some((id, reads.next()?))) else {
            return Looked::LeftOver;
        };
        let decoded =
            read.and_then(|found| found.map(|entry| Ok((stored::decode(&entry, id)?, entry.value.len()))).transpose());
        match decoded {
            // An entry counts only if its record agrees.
            Ok(Some((record, bytes)))
                if record.org_id == *org_id && Some(&record.client_id) == token.client_id.as_ref() =>
            {
                Looked::Record(Box::new(record), bytes)
            }
            Ok(_) => Looked::LeftOver,
            Err(error) => Looked::Unreadable(error),
        }
    };
    Ok(tokens.iter().map(look).collect())
}
