//! A round: all organizations of the mount, each tidied to its end, in as many
//! calls as that takes. A call goes on with those that the calls before it left.

use serde::{Deserialize, Serialize};

use super::{Order, OrgResult};
use crate::limits::TIDY_GO_ON_WITHIN;

/// A round that may take several calls.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub(crate) struct Round {
    /// The rounds of a mount are counted from 1; 0 = there has been none.
    pub(super) number: u64,
    /// When its first call began, in seconds since 1970-01-01T00:00:00Z.
    began: u64,
    /// Does it change nothing?
    dry_run: bool,
    /// Has it come to its end?
    pub(super) finished: bool,
}

impl Round {
    /// The round that a call at `now` for all organizations belongs to: the `last` one, if it was not finished, or a
    /// new one.
    pub(super) fn of(order: &Order, last: Self, now: u64) -> Self {
        let is_recent = (last.began..last.began + TIDY_GO_ON_WITHIN.as_secs()).contains(&now);
        if last.number != 0 && !last.finished && last.dry_run == order.dry_run && is_recent {
            return last;
        }
        Self { number: last.number + 1, began: now, dry_run: order.dry_run, finished: false }
    }

    /// Has the round come to the end of the organization that has this last result?
    pub(super) fn has_done(&self, last: &OrgResult) -> bool {
        last.round == self.number && !last.unfinished
    }
}
