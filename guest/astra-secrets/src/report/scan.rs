//! Reading records for a report, in the stored order, as far as one request may.

use secrets_framework::{Context, Error};

use super::filter::Filter;
use super::order::Place;
use super::reach::{Reach, Roles};
use super::token::Token;
use crate::limits::{LIST_PAGE, RECORDS_READ_AT_ONCE, REPORT_CALLS_MAX, REPORT_READ_BYTES_MAX};
use crate::names::OrgId;
use crate::record::{self, Looked, Record, WaitingReads};
use crate::storage::key::segment;

/// Does the scan go on after a token?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Next,
    Stop,
}

/// How far a scan came.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The last place that was looked at, where there may be more after it.
    pub(super) next: Option<Place>,
    /// Why records could not be read.
    unreadable: Vec<Error>,
    calls: usize,
    bytes: usize,
}

impl Scan {
    /// What the client is told.
    pub(super) fn warnings(&self) -> Vec<String> {
        match self.unreadable.len() {
            0 => Vec::new(),
            count => vec![format!(
                "{count} records of tokens cannot be read and are not in this answer: the item `entries` of \
                 `config/<organization>/check` names them"
            )],
        }
    }

    fn is_full(&self) -> bool {
        self.calls >= REPORT_CALLS_MAX || self.bytes >= REPORT_READ_BYTES_MAX
    }
}

/// Visits the tokens of these organizations after a place that `filter` takes.
pub(super) fn scan(
    context: &Context<'_>,
    org_ids: &[OrgId],
    after: Option<&Place>,
    filter: &Filter,
    roles: &mut Roles,
    mut visit: impl FnMut(Token) -> Step,
) -> Result<Scan, Error> {
    if !record::is_complete(context)? {
        return Err(record::being_indexed());
    }
    let waiting = WaitingReads::load(context)?;
    let mut scan = Scan::default();
    let from = |org_id: &&OrgId| after.is_none_or(|after| segment(org_id.as_str()) >= after.org);
    let mut left = org_ids.iter().filter(from).peekable();
    'organizations: while let Some(org_id) = left.next() {
        let own = segment(org_id.as_str());
        let mut last = after.filter(|after| after.org == own).map(|after| after.client.clone()).unwrap_or_default();
        loop {
            let slice = record::index_slice(context, org_id, &last, LIST_PAGE as usize)?;
            scan.calls += 2;
            let mut chunks = slice.names.chunks(RECORDS_READ_AT_ONCE).peekable();
            while let Some(names) = chunks.next() {
                let looked = record::look_at(context, org_id, names)?;
                scan.calls += looked.calls;
                let records = names.iter().zip(looked.looked).filter_map(|(name, looked)| scan.record(name, looked));
                let records = records.collect();
                let taken = take(context, records, filter, &waiting, roles, &mut scan.calls)?;
                let stopped = taken.into_iter().find_map(|(name, token)| (visit(token) == Step::Stop).then_some(name));
                if let Some(name) = names.last() {
                    last.clone_from(name);
                }
                let is_last_chunk = chunks.peek().is_none() && !slice.more && left.peek().is_none();
                let is_end = |name: &str| is_last_chunk && name == last;
                if let Some(name) = stopped {
                    scan.next = (!is_end(name)).then(|| Place::of_name(org_id, name.to_owned()));
                    break 'organizations;
                }
                if scan.is_full() {
                    scan.next = (!is_end(&last)).then(|| Place::of_name(org_id, last.clone()));
                    break 'organizations;
                }
            }
            if !slice.more {
                break;
            }
        }
    }
    record::log_unreadable(context, &scan.unreadable);
    Ok(scan)
}

impl Scan {
    fn record<'a>(&mut self, name: &'a str, looked: Looked) -> Option<(&'a str, Record)> {
        match looked {
            Looked::Record(record, bytes) => {
                self.bytes += bytes;
                Some((name, *record))
            }
            Looked::LeftOver => None,
            Looked::Unreadable(error) => {
                self.unreadable.push(error);
                None
            }
        }
    }
}

/// Those of the records that the filter takes, as tokens.
fn take<'a>(
    context: &Context<'_>,
    records: Vec<(&'a str, Record)>,
    filter: &Filter,
    waiting: &WaitingReads,
    roles: &mut Roles,
    calls: &mut usize,
) -> Result<Vec<(&'a str, Token)>, Error> {
    let now = context.now();
    let (mut names, mut tokens) = (Vec::new(), Vec::new());
    for (name, record) in records.into_iter().filter(|(_, record)| filter.takes_record(record)) {
        let mut token = Token::of(record);
        *calls += token.add_waiting(context, waiting)?;
        if filter.takes_times(&token, now) {
            names.push(name);
            tokens.push(token);
        }
    }
    if let Some(target) = filter.reaches() {
        roles.load_of(context, &tokens);
        for token in &mut tokens {
            token.reach = Some(roles.reach(token, target));
        }
    }
    let reaches = |(_, token): &(&str, Token)| token.reach != Some(Reach::No);
    Ok(names.into_iter().zip(tokens).filter(reaches).collect())
}
