//! What a sync answers: which roles it made, changed, left, removed and passed
//! over, and which organizations it could not ask.

use secrets_framework::Outcome;
use std::collections::BTreeMap;

use secrets_framework::{Context, Response};
use serde::Serialize;

use crate::names::{OrgId, RoleName};
use crate::role::{self, Plan, Role, Skipped};

/// Collects what was done, organization by organization.
pub(super) struct Report {
    created: Vec<(OrgId, RoleName)>,
    updated: Vec<(OrgId, RoleName)>,
    unchanged: Vec<(OrgId, RoleName)>,
    removed: Vec<(OrgId, RoleName)>,
    skipped: Vec<String>,
    failed: BTreeMap<OrgId, String>,
    succeeded: usize,
    has_roles_without_ttl: bool,
    dry_run: bool,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct SyncAnswer<'a> {
    created: Vec<String>,
    updated: Vec<String>,
    unchanged: Vec<String>,
    removed: Vec<String>,
    skipped: &'a [String],
    failed: &'a BTreeMap<OrgId, String>,
    dry_run: bool,
}

impl Report {
    /// An empty report.
    pub(super) fn new(dry_run: bool, warnings: Vec<String>) -> Self {
        Self {
            created: Vec::new(),
            updated: Vec::new(),
            unchanged: Vec::new(),
            removed: Vec::new(),
            skipped: Vec::new(),
            failed: BTreeMap::new(),
            succeeded: 0,
            has_roles_without_ttl: false,
            dry_run,
            warnings,
        }
    }

    /// Adds what was done for an organization.
    pub(super) fn add(&mut self, org_id: &OrgId, plan: Plan) {
        let owned = |name: RoleName| (org_id.clone(), name);
        let named = |role: Role| owned(role.name);
        self.has_roles_without_ttl |= plan.created.iter().any(|role| role.ttl.is_zero());
        self.created.extend(plan.created.into_iter().map(named));
        self.updated.extend(plan.updated.into_iter().map(named));
        self.unchanged.extend(plan.unchanged.into_iter().map(owned));
        self.removed.extend(plan.removed.into_iter().map(owned));
        self.skipped.extend(plan.skipped.iter().map(|skipped| skipped_text(org_id, skipped)));
        self.succeeded += 1;
    }

    /// Adds an organization for which nothing could be done.
    pub(super) fn fail(&mut self, org_id: &OrgId, reason: String) {
        self.failed.insert(org_id.clone(), reason);
    }

    /// Warns where new roles have no `ttl`: with the Go plugin, such a role meant 24 h.
    pub(super) fn warn_of_roles_without_ttl(&mut self, context: &Context<'_>) {
        if self.has_roles_without_ttl {
            // A server that does not tell its default still applies it.
            let default = context.host.system_view().default_lease_ttl().map(role::go_text).unwrap_or_default();
            self.warnings.push(format!(
                "the new roles have no `ttl`, so their leases live the mount's default {default}, and not 24h as with the \
                 Go plugin: give a `ttl` to this path or to the roles, or tune the mount"
            ));
        }
    }

    /// Was anything done for any organization?
    pub(super) fn has_success(&self) -> bool {
        self.succeeded > 0
    }

    /// The answer.
    pub(super) fn answer(mut self) -> Outcome {
        if self.succeeded == 0 && self.failed.is_empty() {
            self.warnings.push("no organization is configured yet: write `config` first".to_owned());
        }
        if !self.failed.is_empty() {
            self.warnings.push(format!("{} of the organizations could not be asked: see `failed`", self.failed.len()));
        }
        let groups = [self.created, self.updated, self.unchanged, self.removed];
        // One key for one role in the whole answer, as `roles` lists it.
        let all: Vec<_> = groups.iter().flatten().cloned().collect();
        let mut keys = role::short_keys(&all).into_iter();
        let [created, updated, unchanged, removed] = groups.map(|group| keys.by_ref().take(group.len()).collect());
        let answer = SyncAnswer {
            created,
            updated,
            unchanged,
            removed,
            skipped: &self.skipped,
            failed: &self.failed,
            dry_run: self.dry_run,
        };
        Ok(Some(Response { warnings: self.warnings, ..Response::json(&answer)? }))
    }
}

fn skipped_text(org_id: &OrgId, skipped: &Skipped) -> String {
    let Skipped { upstream, reason } = skipped;
    format!("{} ({}) of {org_id}: {reason}", upstream.name, upstream.id)
}
