//! What lies in the mount's storage, as numbers: tokens, write-ahead entries, rotations, static roles, tidy. Nothing here asks
//! Astra, and no number is of another mount.

use std::collections::BTreeMap;

use secrets_framework::{Context, Error};
use serde::Serialize;

use crate::admin_end::{self, AdminEnd};
use crate::config::{self, OrgConfig};
use crate::limits::{METRICS_ORGANIZATIONS_MAX, QUEUED_TASKS_LISTED_MAX};
use crate::mint;
use crate::names::OrgId;
use crate::read_only;
use crate::record::{self, TokenKind};
use crate::schedule_queue::{self, Kind, Task};
use crate::static_role;
use crate::tidy;

/// One metric.
#[derive(Debug, Serialize)]
pub(crate) struct Family {
    name: &'static str,
    r#type: &'static str,
    help: &'static str,
    samples: Vec<Sample>,
}

/// One value of a metric.
#[derive(Debug, Serialize)]
struct Sample {
    labels: BTreeMap<&'static str, String>,
    value: u64,
}

impl Family {
    fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, r#type: "gauge", help, samples: Vec::new() }
    }

    fn of_mount(name: &'static str, help: &'static str, value: Option<u64>) -> Self {
        let samples = value.into_iter().map(|value| Sample { labels: BTreeMap::new(), value }).collect();
        Self { samples, ..Self::new(name, help) }
    }

    fn add(&mut self, org_id: &OrgId, value: Option<u64>) {
        if let Some(value) = value {
            self.add_labelled(&[("organization", org_id.as_str())], value);
        }
    }

    fn add_labelled(&mut self, labels: &[(&'static str, &str)], value: u64) {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.samples.push(Sample { labels, value });
    }
}

/// All metrics of the engine. Beyond [`METRICS_ORGANIZATIONS_MAX`] organizations, a metric tells how many are left out.
pub(crate) fn families(context: &Context<'_>) -> Result<Vec<Family>, Error> {
    let all = config::org_ids(context.storage())?;
    let shown = all.get(..all.len().min(METRICS_ORGANIZATIONS_MAX)).unwrap_or_default();
    let left_out = all.len() - shown.len();
    let mut families = vec![
        Family::of_mount("astra_organizations", "Organizations that are configured.", Some(count(all.len()))),
        Family::of_mount("astra_organizations_left_out", "Organizations without metrics here.", Some(count(left_out))),
        Family::of_mount(
            "astra_upstream_read_only",
            "1 if this mount may only read from Astra.",
            Some(u64::from(read_only::is_read_only(context))),
        ),
    ];
    families.extend(write_ahead(context)?);
    families.extend(tokens(context, shown)?);
    families.extend(tokens_by_role(context)?);
    families.push(rotations_due(context)?);
    families.extend(of_organizations(context, shown)?);
    families.retain(|family| !family.samples.is_empty());
    Ok(families)
}

fn write_ahead(context: &Context<'_>) -> Result<[Family; 2], Error> {
    // More than can be looked through are told by the first number missing.
    let open = match mint::open_times(context) {
        Err(Error::Internal(_)) => None,
        open => Some(open?),
    };
    let oldest = open.as_ref().and_then(|open| open.iter().min().copied());
    Ok([
        Family::of_mount(
            "astra_write_ahead_entries",
            "Write-ahead entries that are open; missing if there are too many to count.",
            open.map(|open| count(open.len())),
        ),
        Family::of_mount(
            "astra_write_ahead_oldest_timestamp_seconds",
            "When the oldest open write-ahead entry was written.",
            oldest,
        ),
    ])
}

fn tokens(context: &Context<'_>, org_ids: &[OrgId]) -> Result<[Family; 2], Error> {
    let mut tokens = Family::new("astra_tokens", "Live tokens that this mount keeps a record of.");
    let mut counted = Family::new("astra_tokens_counted_timestamp_seconds", "When many tokens were counted.");
    for (org_id, count_of_org) in org_ids.iter().zip(record::counts(context, org_ids)?) {
        tokens.add(org_id, count_of_org.tokens.map(count));
        counted.add(org_id, count_of_org.counted);
    }
    Ok([tokens, counted])
}

/// What rollback counted last.
fn tokens_by_role(context: &Context<'_>) -> Result<[Family; 4], Error> {
    let counts = record::role_counts(context)?;
    let mut tokens =
        Family::new("astra_role_tokens", "Live tokens by role and kind; static and admin tokens have an empty role.");
    let mut max = Family::new("astra_role_max_tokens", "The max_tokens of roles that have tokens and a limit.");
    for (org_id, roles) in &counts.tokens {
        for (role, kinds) in roles {
            for (kind, count) in kinds {
                let labels = [("organization", org_id.as_str()), ("role", role.as_str()), ("kind", kind.as_str())];
                tokens.add_labelled(&labels, *count);
            }
        }
    }
    for (org_id, roles) in &counts.max_tokens {
        for (role, limit) in roles {
            max.add_labelled(&[("organization", org_id.as_str()), ("role", role.as_str())], u64::from(*limit));
        }
    }
    let counted = Some(counts.at).filter(|at| *at != 0);
    Ok([
        tokens,
        max,
        Family::of_mount(
            "astra_role_tokens_counted_timestamp_seconds",
            "When the tokens of each role were counted.",
            counted,
        ),
        Family::of_mount(
            "astra_role_tokens_left_out",
            "Tokens that are not counted by role and kind, because there are too many of those.",
            counted.map(|_| counts.left_out),
        ),
    ])
}

fn rotations_due(context: &Context<'_>) -> Result<Family, Error> {
    // Not this very second: a look at the hour that has begun may write, and metrics are read on standbys, too.
    let until = context.now().as_secs().saturating_sub(1);
    let due = schedule_queue::due(context, &[Kind::RotateAdmin, Kind::RotateStatic], until, QUEUED_TASKS_LISTED_MAX)?;
    let mut family = Family::new("astra_rotations_due", "Rotations that are due and not done yet, by kind.");
    let of = |is_it: fn(&Task) -> bool| count(due.iter().filter(|due| is_it(&due.task)).count());
    family.add_labelled(&[("kind", TokenKind::Admin.as_str())], of(|task| matches!(task, Task::RotateAdmin(_))));
    family.add_labelled(&[("kind", TokenKind::Static.as_str())], of(|task| matches!(task, Task::RotateStatic(..))));
    Ok(family)
}

fn of_organizations(context: &Context<'_>, org_ids: &[OrgId]) -> Result<Vec<Family>, Error> {
    let mut rotation = Rotation::new();
    let mut statics = Statics::new();
    let mut orphans = Family::new("astra_tidy_orphans", "Tokens in Astra without a record that the last tidy found.");
    let mut tidied = Family::new("astra_tidy_timestamp_seconds", "When the last tidy of the organization began.");
    let mut max = Family::new("astra_organization_max_tokens", "The max_tokens of organizations that have a limit.");
    let mut ends = Ends::new();
    for (org_id, end) in org_ids.iter().zip(admin_end::load_each(context, org_ids)?) {
        // Deleted since the list was made, or damaged: `check` names it.
        let Ok(Some(config)) = config::load_own(context, org_id)? else { continue };
        rotation.add(&config);
        max.add(org_id, config.max_tokens.map(u64::from));
        if let Some(end) = end.filter(|end| end.is_of(&config)) {
            ends.add(org_id, &end, context.now().as_secs());
        }
        statics.add(context, org_id)?;
        if let Ok(Some(result)) = tidy::load_result(context, org_id) {
            orphans.add(org_id, Some(count(result.orphans.len())));
            tidied.add(org_id, Some(result.at));
        }
    }
    Ok(rotation.0.into_iter().chain(ends.0).chain(statics.0).chain([orphans, tidied, max]).collect())
}

/// The ends of admin tokens, as rollback found them in Astra's lists.
struct Ends([Family; 3]);

impl Ends {
    fn new() -> Self {
        Self([
            Family::new("astra_admin_token_end_timestamp_seconds", "When Astra ends the admin token, if Astra tells."),
            Family::new("astra_admin_token_remaining_seconds", "Seconds to the end of the admin token; 0 after it."),
            Family::new("astra_admin_token_seen_timestamp_seconds", "When Astra's list showed the admin token last."),
        ])
    }

    fn add(&mut self, org_id: &OrgId, end: &AdminEnd, now: u64) {
        let [ends, remaining, seen] = &mut self.0;
        ends.add(org_id, end.ends);
        remaining.add(org_id, end.ends.map(|ends| ends.saturating_sub(now)));
        seen.add(org_id, Some(end.seen));
    }
}

/// The rotation of admin tokens.
struct Rotation([Family; 3]);

impl Rotation {
    fn new() -> Self {
        Self([
            Family::new("astra_admin_rotation_failures", "Rotations of the admin token that failed in a row."),
            Family::new("astra_admin_rotation_due_timestamp_seconds", "When the admin token is rotated next."),
            Family::new("astra_admin_rotated_timestamp_seconds", "When a rotation made the current admin token."),
        ])
    }

    fn add(&mut self, config: &OrgConfig) {
        let state = &config.rotation_state;
        let [failures, due, rotated] = &mut self.0;
        failures.add(&config.org_id, Some(state.turn.failures.into()));
        due.add(&config.org_id, Some(state.turn.due).filter(|due| *due != 0));
        rotated.add(&config.org_id, Some(state.rotated).filter(|rotated| *rotated != 0));
    }
}

/// The static roles of an organization together: their names would be labels without a bound.
struct Statics([Family; 4]);

impl Statics {
    fn new() -> Self {
        Self([
            Family::new("astra_static_roles", "Static roles."),
            Family::new("astra_static_roles_failing", "Static roles whose last rotation failed."),
            Family::new("astra_static_role_failures_max", "The most rotations of a static role that failed in a row."),
            Family::new("astra_static_tokens_dead", "Static roles whose token has ended in Astra."),
        ])
    }

    fn add(&mut self, context: &Context<'_>, org_id: &OrgId) -> Result<(), Error> {
        let roles = match static_role::standings(context, org_id) {
            // More than one request may list.
            Err(Error::Internal(_)) => return Ok(()),
            roles => roles?,
        };
        let [all, failing, most, dead] = &mut self.0;
        all.add(org_id, Some(count(roles.len())));
        failing.add(org_id, Some(count(roles.iter().filter(|role| role.failures > 0).count())));
        most.add(org_id, Some(roles.iter().map(|role| role.failures.into()).max().unwrap_or_default()));
        dead.add(org_id, Some(count(roles.iter().filter(|role| role.is_dead).count())));
        Ok(())
    }
}

fn count(things: usize) -> u64 {
    things as u64
}
