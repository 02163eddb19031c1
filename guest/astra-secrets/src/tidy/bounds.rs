//! What one tidy may use: time, memory, storage calls, removals. Whoever is
//! told no stops, and the result says that there is more.

use std::cell::Cell;
use std::time::Duration;

use secrets_framework::Context;

use crate::client::AstraClient;
use crate::config::OrgConfig;
use crate::limits::{
    ROLLBACK_BUDGET, ROLLBACK_REQUEST_TIMEOUT, TIDY_BEGIN_BUDGET, TIDY_BUDGET, TIDY_COMPARED_MAX, TIDY_LOOKED_AT_MAX,
    TIDY_RECEIVED_BYTES_MAX, TIDY_REMOVED_MAX,
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
    received_bytes: Cell<usize>,
    compared: Cell<usize>,
    looked_at: Cell<usize>,
    removed: Cell<usize>,
}

impl<'a> Bounds<'a> {
    /// The bounds of a tidy that begins now, in an instance that has received
    /// `received_bytes` already.
    pub(super) fn new(context: &'a Context<'a>, pace: Pace, received_bytes: usize) -> Self {
        let now = context.host.clock().now();
        let (begin_for, act_for) = match pace {
            Pace::ByHand => (TIDY_BEGIN_BUDGET, TIDY_BUDGET),
            Pace::Scheduled => (ROLLBACK_BUDGET, ROLLBACK_BUDGET),
        };
        Self {
            context,
            pace,
            begin_until: now + begin_for,
            act_until: now + act_for,
            received_bytes: Cell::new(received_bytes),
            compared: Cell::new(0),
            looked_at: Cell::new(0),
            removed: Cell::new(0),
        }
    }

    /// A client of this pace.
    pub(super) fn client<'b>(&self, config: &'b OrgConfig) -> AstraClient<'b>
    where
        'a: 'b,
    {
        let host = self.context.host;
        match self.pace {
            Pace::ByHand => {
                AstraClient::with_bounds(host, config, config.request_timeout(), config.max_retries().min(1))
            }
            Pace::Scheduled => {
                let timeout = config.request_timeout().min(ROLLBACK_REQUEST_TIMEOUT);
                AstraClient::with_bounds(host, config, timeout, 0)
            }
        }
    }

    /// May another organization be begun?
    pub(super) fn may_begin(&self) -> bool {
        self.context.host.clock().now() < self.begin_until && self.received_bytes.get() < TIDY_RECEIVED_BYTES_MAX
    }

    /// How many records may still be compared.
    pub(super) fn comparable(&self) -> usize {
        TIDY_COMPARED_MAX.saturating_sub(self.compared.get())
    }

    /// Notes what a comparison took.
    pub(super) fn compared(&self, records: usize) {
        self.compared.set(self.compared.get() + records);
    }

    /// What this instance has received so far.
    pub(super) fn received_bytes(&self) -> usize {
        self.received_bytes.get()
    }

    /// Notes what a client has received.
    pub(super) fn received(&self, bytes: usize) {
        self.received_bytes.set(self.received_bytes.get() + bytes);
    }

    /// May so many more entries be read?
    pub(super) fn look_at(&self, entries: usize) -> bool {
        let looked_at = self.looked_at.get() + entries;
        if looked_at > TIDY_LOOKED_AT_MAX || self.context.host.clock().now() >= self.act_until {
            return false;
        }
        self.looked_at.set(looked_at);
        true
    }

    /// May one more be removed?
    pub(super) fn remove(&self) -> bool {
        if self.removed.get() >= TIDY_REMOVED_MAX {
            return false;
        }
        self.removed.set(self.removed.get() + 1);
        true
    }
}
