//! What one tidy may use: time, processor time, memory, storage calls,
//! removals. Whoever is told no stops, and the next tidy goes on from there.

use std::cell::Cell;
use std::time::Duration;

use secrets_framework::Context;

use crate::admin_refusal;
use crate::astra_role::Room;
use crate::client::AstraClient;
use crate::config::OrgConfig;
use crate::limits::{
    ROLLBACK_BUDGET, ROLLBACK_REQUEST_TIMEOUT, TIDY_BEGIN_BUDGET, TIDY_BUDGET, TIDY_COMPARED_MAX, TIDY_LISTED_MAX,
    TIDY_LOOKED_AT_MAX, TIDY_REMOVED_MAX, TIDY_SCHEDULED_BUDGET,
};

/// How fast a tidy must come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Somebody waits.
    ByHand,
    /// A rollback call, which has other work, too.
    Scheduled,
}

/// What is left for one tidy.
pub(super) struct Bounds<'a> {
    context: &'a Context<'a>,
    pace: Pace,
    begin_until: Duration,
    act_until: Duration,
    listed: Cell<usize>,
    compared: Cell<usize>,
    looked_at: Cell<usize>,
    removed: Cell<usize>,
    refused: Cell<bool>,
    room: Room,
}

impl<'a> Bounds<'a> {
    /// The bounds of a tidy that begins now, in a request that has read `listed` tokens of Astra's lists already.
    pub(super) fn new(context: &'a Context<'a>, pace: Pace, listed: usize) -> Self {
        let now = context.now();
        let (begin_for, act_for) = match pace {
            Pace::ByHand => (TIDY_BEGIN_BUDGET, TIDY_BUDGET),
            Pace::Scheduled => (ROLLBACK_BUDGET, TIDY_SCHEDULED_BUDGET),
        };
        Self {
            context,
            pace,
            begin_until: now + begin_for,
            act_until: now + act_for,
            listed: Cell::new(listed),
            compared: Cell::new(0),
            looked_at: Cell::new(0),
            removed: Cell::new(0),
            refused: Cell::new(false),
            room: Room::new(),
        }
    }

    /// A client of this pace.
    pub(super) fn client<'b>(&self, config: &'b OrgConfig) -> AstraClient<'b>
    where
        'a: 'b,
    {
        let host = self.context.host;
        let client = match self.pace {
            Pace::ByHand => {
                AstraClient::with_bounds(host, config, config.request_timeout(), config.max_retries().min(1))
            }
            Pace::Scheduled => {
                let timeout = config.request_timeout().min(ROLLBACK_REQUEST_TIMEOUT);
                AstraClient::with_bounds(host, config, timeout, 0)
            }
        };
        client.when_refused(admin_refusal::warn)
    }

    /// May another organization be begun?
    pub(super) fn may_begin(&self) -> bool {
        self.may_list() && self.comparable() > 0
    }

    /// May another list be begun?
    pub(super) fn may_list(&self) -> bool {
        self.is_early() && self.listed.get() < TIDY_LISTED_MAX
    }

    /// Is there time for something that takes several requests?
    pub(super) fn is_early(&self) -> bool {
        self.context.now() < self.begin_until
    }

    /// Is there time and room to note the Astra roles of one more organization?
    pub(super) fn may_note(&self) -> bool {
        self.is_early() && self.room.is_left()
    }

    /// The room for notes of Astra roles.
    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    /// How many records may still be compared.
    pub(super) fn comparable(&self) -> usize {
        TIDY_COMPARED_MAX.saturating_sub(self.compared.get())
    }

    /// Notes what a comparison took.
    pub(super) fn compared(&self, records: usize) {
        self.compared.set(self.compared.get() + records);
    }

    /// How many tokens of Astra's lists this request has read so far.
    pub(super) fn listed(&self) -> usize {
        self.listed.get()
    }

    /// Notes one token of a list.
    pub(super) fn list_one(&self) {
        self.listed.set(self.listed.get() + 1);
    }

    /// May so many more entries be read?
    pub(super) fn look_at(&self, entries: usize) -> bool {
        let looked_at = self.looked_at.get() + entries;
        if looked_at > TIDY_LOOKED_AT_MAX || self.context.now() >= self.act_until {
            self.refuse();
            return false;
        }
        self.looked_at.set(looked_at);
        true
    }

    /// Notes entries that were read in any case.
    pub(super) fn looked_at(&self, entries: usize) {
        let looked_at = self.looked_at.get() + entries;
        if looked_at <= TIDY_LOOKED_AT_MAX {
            self.looked_at.set(looked_at);
        }
    }

    /// May one more be removed?
    pub(super) fn remove(&self) -> bool {
        if self.removed.get() >= TIDY_REMOVED_MAX {
            self.refuse();
            return false;
        }
        self.removed.set(self.removed.get() + 1);
        true
    }

    /// Notes that something was left to the next tidy.
    pub(super) fn refuse(&self) {
        self.refused.set(true);
    }

    /// Was something left to the next tidy since this was asked last?
    pub(super) fn take_refused(&self) -> bool {
        self.refused.replace(false)
    }
}
