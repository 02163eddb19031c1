//! A live token, with what its history tells of its use.

use std::time::Duration;

use secrets_framework::{Context, Error};

use super::reach::Reach;
use crate::history::{Event, History};
use crate::record::{Record, TokenKind, WaitingReads};
use crate::time_text;

/// A token of a report.
#[derive(Debug)]
pub(super) struct Token {
    /// Its record, without secrets and history.
    pub(super) record: Record,
    /// Reads of its secret after the mint, as far as its history goes back.
    pub(super) reads: Uses,
    /// Renewals of its lease, as far as its history goes back.
    pub(super) renewals: Uses,
    /// Does it reach what the report is asked for? None = the report is not asked for that.
    pub(super) reach: Option<Reach>,
}

/// Events of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Uses {
    /// The number of them, as far as the history goes back.
    pub(super) count: usize,
    /// The time of the last, in seconds since 1970-01-01T00:00:00Z.
    pub(super) last: Option<u64>,
}

impl Token {
    /// The token of a record.
    pub(super) fn of(record: Record) -> Self {
        let (reads, renewals) = (uses(&record.history, Event::Read), uses(&record.history, Event::Renew));
        let record = Record { history: History::default(), secrets: None, ..record };
        Self { record, reads, renewals, reach: None }
    }

    /// Adds the reads that are not in its history yet. Answers how many storage calls that took.
    pub(super) fn add_waiting(&mut self, context: &Context<'_>, waiting: &WaitingReads) -> Result<usize, Error> {
        let waiting = waiting.of(context, &self.record.org_id, &self.record.client_id)?;
        self.reads.count += waiting.count;
        self.reads.last = self.reads.last.max(waiting.last);
        Ok(waiting.calls)
    }

    /// When somebody had it last: made it, read it or renewed its lease. None for a token that the mount itself uses, and
    /// for one of which no time is known.
    pub(super) fn last_use(&self) -> Option<u64> {
        if self.record.kind == TokenKind::Admin {
            return None;
        }
        let made = self.record.made_at().map(|time| time.as_secs());
        made.max(self.reads.last).max(self.renewals.last)
    }

    /// When it ends unless its lease is renewed: with its lease, or by Astra. None = nothing ends it.
    pub(super) fn end(&self) -> Option<u64> {
        let by_astra = self.record.expires_at.as_deref().and_then(time_text::parse).map(|time| time.as_secs());
        [self.record.lease_end, by_astra].into_iter().flatten().min()
    }

    /// Who had it made, in the word that people know best.
    pub(super) fn owner(&self) -> &str {
        let by = &self.record.created_by;
        if by.entity_name.is_empty() { &by.display_name } else { &by.entity_name }
    }

    /// How long ago it was made.
    pub(super) fn age(&self, now: Duration) -> Option<Duration> {
        Some(now.saturating_sub(self.record.made_at()?))
    }
}

fn uses(history: &History, event: Event) -> Uses {
    let times = history.events.iter().filter(|happened| happened.event == event.as_str()).map(|happened| happened.at);
    Uses { count: times.clone().count(), last: times.max() }
}
