//! The scheduled turn of one organization. Its next time is stored before the
//! work begins; a failure, or a limit that was met, brings it forward.

use secrets_framework::Error;
use std::time::Duration;

use secrets_framework::Context;

use super::{Order, OrgResult, Pace, load_run, tidy};
use crate::back_off;
use crate::config::{self, OrgConfig};
use crate::limits::{TIDY_BACK_OFF_FIRST, TIDY_GO_ON_PAUSE, TIDY_LISTED_MAX};
use crate::names::OrgId;
use crate::schedule_queue::QueuedTask;

/// Tidies the organization, for real, if its config confirms that it is due.
pub(crate) fn run_due(context: &Context<'_>, org_id: &OrgId, due: &QueuedTask) -> Result<(), Error> {
    let now = context.now().as_secs();
    let taken = config::take_turn(context, due, |config| config.tidy_due = now + config.tidy_period.as_secs())?;
    let Some(config) = taken else { return Ok(()) };
    let listed = load_run(context)?.map_or(0, |last| last.listed_before(now));
    if listed >= TIDY_LISTED_MAX {
        return come_back(context, &config, now, TIDY_GO_ON_PAUSE);
    }
    let order = Order { org_id: Some(org_id.clone()), dry_run: false, pace: Pace::Scheduled };
    let outcome = tidy(context, &order);
    let sooner = match &outcome {
        Ok(tidied) => tidied.results.get(org_id).and_then(pause_after),
        Err(_) => Some(TIDY_BACK_OFF_FIRST),
    };
    if let Some(pause) = sooner {
        come_back(context, &config, now, pause)?;
    }
    // What failed upstream is in the result, and logged with it.
    outcome.map(drop)
}

/// Comes back after a pause, if the period is not shorter.
fn come_back(context: &Context<'_>, config: &OrgConfig, now: u64, pause: Duration) -> Result<(), Error> {
    if pause >= config.tidy_period {
        return Ok(());
    }
    config::change(context, &config.org_id, |stored| {
        // Whoever set another time meanwhile knows better.
        let is_ours = stored.tidy_due == config.tidy_due;
        if is_ours {
            stored.tidy_due = now + pause.as_secs();
        }
        is_ours
    })?;
    Ok(())
}

/// How soon to come back; none = with the next period.
fn pause_after(result: &OrgResult) -> Option<Duration> {
    if result.failed.is_some() {
        // The period of the organization's tidy is the limit.
        return Some(back_off::pause(TIDY_BACK_OFF_FIRST, result.failures, Duration::MAX));
    }
    let makes_way = result.unfinished || (!result.complete && !result.removed.is_empty());
    makes_way.then_some(TIDY_GO_ON_PAUSE)
}
