//! What `sync-roles` would do to an organization's roles: a plan, made from
//! what Astra lists and what storage holds, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::names::{AstraRoleId, OrgId, RoleName};

use super::Role;

/// An Astra role, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Upstream {
    /// Its name, which may hold anything.
    pub(crate) name: String,
    /// Its ID.
    pub(crate) id: AstraRoleId,
}

/// An Astra role that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    /// The Astra role.
    pub(crate) upstream: Upstream,
    /// The reason, for the client.
    pub(crate) reason: String,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// New roles.
    pub(crate) created: Vec<Role>,
    /// Imported roles whose Astra role has a new ID.
    pub(crate) updated: Vec<Role>,
    /// Roles that are as they should be.
    pub(crate) unchanged: Vec<RoleName>,
    /// Imported roles whose Astra role has gone.
    pub(crate) removed: Vec<RoleName>,
    /// Astra roles that were passed over.
    pub(crate) skipped: Vec<Skipped>,
}

/// What the caller wants of new roles, and of old.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wishes {
    /// Time to live of new roles.
    pub(crate) ttl: Duration,
    /// Longest life of new roles.
    pub(crate) max_ttl: Duration,
    /// Remove imported roles whose Astra role has gone.
    pub(crate) prune: bool,
}

/// Makes the plan. `allows` tells whether the config lets roles use an Astra role.
pub(crate) fn plan(
    org_id: &OrgId,
    upstream: Vec<Upstream>,
    stored: &BTreeMap<RoleName, Role>,
    wishes: Wishes,
    allows: impl Fn(&AstraRoleId) -> bool,
) -> Plan {
    let mut plan = Plan::default();
    let ids: BTreeSet<AstraRoleId> = upstream.iter().map(|role| role.id.clone()).collect();
    for (name, mut candidates) in by_name(upstream) {
        let known = RoleName::parse(&name).ok().and_then(|name| stored.get(&name));
        // Astra promises no order. The one that is imported already keeps the
        // name; else the first by its own name, whatever the order was.
        candidates.sort_by_key(|candidate| (known.is_none_or(|role| !uses(role, &candidate.id)), candidate.clone()));
        let mut candidates = candidates.into_iter();
        if let Some(first) = candidates.next() {
            let taken = format!("`{name}` is already the name of `{}`", first.name);
            plan.place(org_id, &name, first, known, wishes, &allows);
            plan.skipped.extend(candidates.map(|upstream| Skipped { upstream, reason: taken.clone() }));
        }
    }
    if wishes.prune {
        let gone = |role: &&Role| role.imported && !role.role_ids.iter().any(|id| ids.contains(id));
        let updated: BTreeSet<RoleName> = plan.updated.iter().map(|role| role.name.clone()).collect();
        plan.removed =
            stored.values().filter(gone).map(|role| role.name.clone()).filter(|name| !updated.contains(name)).collect();
    }
    plan
}

impl Plan {
    fn place(
        &mut self,
        org_id: &OrgId,
        name: &str,
        upstream: Upstream,
        known: Option<&Role>,
        wishes: Wishes,
        allows: &impl Fn(&AstraRoleId) -> bool,
    ) {
        let mut skip = |upstream, reason: &str| self.skipped.push(Skipped { upstream, reason: reason.to_owned() });
        let Ok(name) = RoleName::parse(name) else { return skip(upstream, "its name is empty or too long") };
        if AstraRoleId::parse("role_id", upstream.id.as_str()).is_err() {
            return skip(upstream, "its ID is not one that a role could have");
        }
        match known {
            Some(role) if uses(role, &upstream.id) => self.unchanged.push(name),
            _ if !allows(&upstream.id) => skip(upstream, "it is not among the organization's `allowed_role_ids`"),
            Some(role) if !role.imported => {
                skip(upstream, "a role of this name was written by hand and uses another Astra role");
            }
            Some(role) => self.updated.push(Role { role_ids: vec![upstream.id], ..role.clone() }),
            None => {
                let role = Role::new(org_id.clone(), name);
                let Wishes { ttl, max_ttl, .. } = wishes;
                self.created.push(Role { role_ids: vec![upstream.id], ttl, max_ttl, imported: true, ..role });
            }
        }
    }
}

/// The name that an Astra role gets here: its own in lower case, each run of other characters than ASCII letters and
/// digits as `_`. One without such letters and digits, as in most scripts of the world, is named after its ID.
pub(crate) fn imported_name(upstream: &Upstream) -> String {
    let is_kept = |c: char| c.is_ascii_alphanumeric();
    let text = if upstream.name.contains(is_kept) { &upstream.name } else { upstream.id.as_str() };
    let mut name = String::new();
    for c in text.chars() {
        if is_kept(c) {
            name.push(c.to_ascii_lowercase());
        } else if !name.ends_with('_') {
            name.push('_');
        }
    }
    name
}

fn by_name(upstream: Vec<Upstream>) -> BTreeMap<String, Vec<Upstream>> {
    let mut names: BTreeMap<String, Vec<Upstream>> = BTreeMap::new();
    for role in upstream {
        names.entry(imported_name(&role)).or_default().push(role);
    }
    names
}

fn uses(role: &Role, id: &AstraRoleId) -> bool {
    role.role_ids.first() == Some(id)
}

#[cfg(test)]
mod tests;
