//! What lies in the mount's storage, as numbers: tokens, write-ahead entries, rotations, static roles, tidy. Nothing here asks
//! Astra, and no number is of another mount.

use std::collections::BTreeMap;

use secrets_framework::{Context, Error};
use serde::Serialize;

use crate::config::{self, OrgConfig};
use crate::limits::METRICS_ORGANIZATIONS_MAX;
use crate::mint;
use crate::names::OrgId;
use crate::read_only;
use crate::record;
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
        let labels = BTreeMap::from([("organization", org_id.as_str().to_owned())]);
        self.samples.extend(value.map(|value| Sample { labels, value }));
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

fn of_organizations(context: &Context<'_>, org_ids: &[OrgId]) -> Result<Vec<Family>, Error> {
    let mut rotation = Rotation::new();
    let mut statics = Statics::new();
    let mut orphans = Family::new("astra_tidy_orphans", "Tokens in Astra without a record that the last tidy found.");
    let mut tidied = Family::new("astra_tidy_timestamp_seconds", "When the last tidy of the organization began.");
    for org_id in org_ids {
        // Deleted since the list was made, or damaged: `check` names it.
        let Ok(Some(config)) = config::load_own(context, org_id)? else { continue };
        rotation.add(&config);
        statics.add(context, org_id)?;
        if let Ok(Some(result)) = tidy::load_result(context, org_id) {
            orphans.add(org_id, Some(count(result.orphans.len())));
            tidied.add(org_id, Some(result.at));
        }
    }
    Ok(rotation.0.into_iter().chain(statics.0).chain([orphans, tidied]).collect())
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
