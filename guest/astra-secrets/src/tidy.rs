//! Comparing records with Astra's lists, and putting right what differs.
//!
//! Tokens with this mount's mark and no record are deleted, records whose
//! token has gone are removed, tokens that ought to have ended are ended. What
//! may still be in the making, in use or in its grace period is left alone,
//! and each token is looked at again under its lock right before it is touched.

mod bounds;
mod judge;
mod organization;
mod result;
mod round;
mod turn;

use std::collections::{BTreeMap, BTreeSet};

use secrets_framework::{Context, Error};

use crate::config;
use crate::events;
use crate::limits::{CONFIGS_MAX, ENDED_RETRY_PAUSE, TIDY_ENDED_MAX, TIDY_ORGANIZATIONS_MAX};
use crate::lock::Lock;
use crate::names::{ClientId, OrgId};
use crate::read_only;
use crate::record;
use crate::schedule_queue::{self, Kind, Task};
use crate::storage;
use crate::storage::key::RETIRED_PREFIX;

pub(crate) use bounds::Pace;
pub(crate) use result::{OrgResult, Run, load_result, load_run, results};
pub(crate) use turn::run_due;

use bounds::Bounds;
use organization::Organization;
use result::{drop_results, store_result, store_run};
use round::Round;

/// What is to be done.
pub(crate) struct Order {
    /// This organization; none = all.
    pub(crate) org_id: Option<OrgId>,
    /// Is nothing to be changed?
    pub(crate) dry_run: bool,
    /// How long the calls to Astra may take.
    pub(crate) pace: Pace,
}

/// What came of a tidy.
pub(crate) struct Tidied {
    /// The run.
    pub(crate) run: Run,
    /// By organization.
    pub(crate) results: BTreeMap<OrgId, OrgResult>,
    /// Why the first organization failed, where none did not.
    pub(crate) failure: Option<Error>,
}

/// Tidies. One at a time in a mount: two would only get into each other's way.
pub(crate) fn tidy(context: &Context<'_>, order: &Order) -> Result<Tidied, Error> {
    if !order.dry_run {
        read_only::check(context, || "nothing was tidied; `dry_run=true` tells what would be done".to_owned())?;
    }
    let _turn = Lock::Tidy.acquire(context)?;
    check_index(context)?;
    let began = context.now().as_secs();
    let last_run = load_run(context)?.unwrap_or_default();
    let listed = if order.pace == Pace::Scheduled { last_run.listed_before(began) } else { 0 };
    let all = order.org_id.is_none();
    let round = if all { Round::of(order, last_run.round, began) } else { last_run.round };
    let mut run = Run { began, ended: 0, dry_run: order.dry_run, listed, round };
    // A node that cannot write stops here, before Astra is asked, and the server forwards the request.
    store_run(context, &run)?;
    let org_ids = organizations(context, order)?;
    let bounds = Bounds::new(context, order.pace, listed);
    let ended = ended_records(context, &bounds)?;
    let mut results = BTreeMap::new();
    let mut failures = Vec::new();
    let (mut begun, mut is_unfinished) = (0, false);
    for org_id in org_ids {
        let last = load_result(context, &org_id)?;
        if let Some(done) = last.as_ref().filter(|last| all && round.has_done(last)) {
            results.insert(org_id, done.clone());
            continue;
        }
        let mut result = OrgResult::after(order, began, last.as_ref());
        if bounds.may_begin() && begun < TIDY_ORGANIZATIONS_MAX {
            begun += 1;
            result.round = if all { round.number } else { last.as_ref().map_or(0, |last| last.round) };
            let (dry_run, is_first) = (order.dry_run, begun == 1);
            let organization = Organization { context, bounds: &bounds, org_id: &org_id, dry_run, is_first };
            failures.extend(organization.tidy(&ended, &mut result)?);
            is_unfinished |= result.unfinished && result.failed.is_none();
            store_result(context, &org_id, last.as_ref(), &mut result)?;
            log_result(context, &org_id, &result);
        } else {
            // What is stored of it stays its last result.
            is_unfinished = true;
            result.stop(&format!(
                "a limit of one tidy was met before organization `{org_id}`: tidy again to go on with it"
            ));
        }
        results.insert(org_id, result);
    }
    if all {
        drop_results(context, |org_id| results.contains_key(org_id))?;
        run.round.finished = !is_unfinished;
    }
    run.listed = bounds.listed();
    run.ended = context.now().as_secs();
    store_run(context, &run)?;
    let nothing_done = failures.len() == results.len();
    Ok(Tidied { run, results, failure: failures.into_iter().next().filter(|_| nothing_done) })
}

/// The index by client ID must have every record, else what it does not have would pass for an orphan.
fn check_index(context: &Context<'_>) -> Result<(), Error> {
    if record::is_complete(context)? {
        return Ok(());
    }
    record::backfill_index(context)?;
    if record::is_complete(context)? { Ok(()) } else { Err(record::being_indexed()) }
}

/// The organizations asked for: all that are configured, or have left tokens behind.
fn organizations(context: &Context<'_>, order: &Order) -> Result<BTreeSet<OrgId>, Error> {
    if let Some(org_id) = &order.org_id {
        return Ok(BTreeSet::from([org_id.clone()]));
    }
    let storage = context.storage();
    let retired = storage::first_keys_below(storage, RETIRED_PREFIX, CONFIGS_MAX)?;
    Ok(config::org_ids(storage)?.into_iter().chain(retired.into_iter().map(OrgId::stored)).collect())
}

/// Client IDs by organization whose lease's end and margin have passed, those
/// that rollback has put off included.
fn ended_records(context: &Context<'_>, bounds: &Bounds<'_>) -> Result<BTreeMap<OrgId, BTreeSet<ClientId>>, Error> {
    let now = context.now();
    let mut ended: BTreeMap<OrgId, BTreeSet<ClientId>> = BTreeMap::new();
    let until = (now + ENDED_RETRY_PAUSE).as_secs();
    for due in schedule_queue::due(context, &[Kind::Token], until, TIDY_ENDED_MAX)? {
        let Task::Token(token) = due.task else { continue };
        if !bounds.look_at(1) {
            break;
        }
        // The walk of the index logs a record that cannot be read.
        let record = record::load_own(context, &token.record_id)?.unwrap_or_default();
        if let Some(record) = record.filter(|record| judge::is_over(record, now)) {
            ended.entry(record.org_id).or_default().insert(record.client_id);
        }
    }
    Ok(ended)
}

fn log_result(context: &Context<'_>, org_id: &OrgId, result: &OrgResult) {
    let count = |list: &[String]| list.len().to_string();
    let (orphans, gone, expired) = (count(&result.orphans), count(&result.gone), count(&result.expired));
    let removed = count(&result.removed);
    let event = match &result.failed {
        Some(_) => &events::ORGANIZATION_NOT_TIDIED,
        None => &events::ORGANIZATION_TIDIED,
    };
    let fields = [
        ("org", org_id.as_str()),
        ("dry_run", if result.dry_run { "true" } else { "false" }),
        ("orphans", &orphans),
        ("gone", &gone),
        ("expired", &expired),
        ("removed", &removed),
        ("failed", result.failed.as_deref().unwrap_or_default()),
    ];
    event.log(context, &fields);
}

#[cfg(test)]
mod tests;
