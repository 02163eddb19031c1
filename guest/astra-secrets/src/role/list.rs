//! Which roles there are, of one organization or of all.

use std::collections::BTreeMap;

use secrets_framework::Error;
use secrets_framework::host::StorageView;
use serde_json::Value;

use crate::limits::ROLES_LISTED_MAX;
use crate::names::{OrgId, RoleName};
use crate::storage::{first_keys_below, keys_below, read_one};

use super::{ROLE_PREFIX, stored};

/// The names of an organization's roles, sorted. Reads the roles of this
/// organization only, however many others have.
pub(crate) fn role_names(view: &(impl StorageView + ?Sized), org_id: &OrgId) -> Result<Vec<RoleName>, Error> {
    let start = format!("{org_id}:");
    let mut names = Vec::new();
    for key in keys_below(view, ROLE_PREFIX, &start, ROLES_LISTED_MAX)? {
        if let Some((owner, name)) = owner_and_name(view, &key)?
            && owner == *org_id
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Every role of the mount, as its organization and name, sorted.
pub(crate) fn all_roles(view: &(impl StorageView + ?Sized)) -> Result<Vec<(OrgId, RoleName)>, Error> {
    let mut roles = Vec::new();
    for key in keys_below(view, ROLE_PREFIX, "", ROLES_LISTED_MAX)? {
        roles.extend(owner_and_name(view, &key)?);
    }
    roles.sort();
    Ok(roles)
}

/// How many roles each of the organizations has, by one list of all; none where there are more than such a list holds.
pub(crate) fn counts(view: &(impl StorageView + ?Sized), org_ids: &[OrgId]) -> Result<Vec<Option<usize>>, Error> {
    let keys = first_keys_below(view, ROLE_PREFIX, ROLES_LISTED_MAX + 1)?;
    let mut by_org: BTreeMap<OrgId, usize> = BTreeMap::new();
    for key in &keys {
        if let Some((owner, _)) = owner_and_name(view, key)? {
            *by_org.entry(owner).or_default() += 1;
        }
    }
    // An organization's keys stand together, so those before the last one's are complete.
    let cut = keys.last().filter(|_| keys.len() > ROLES_LISTED_MAX);
    let count = |org_id: &OrgId| {
        let start = format!("{org_id}:");
        let is_complete = cut.is_none_or(|last| start < *last && !last.starts_with(&start));
        is_complete.then(|| by_org.get(org_id).copied().unwrap_or_default())
    };
    Ok(org_ids.iter().map(count).collect())
}

/// A key for each role: its name, or `<org id>:<role name>` where several of
/// the organizations have that name.
pub(crate) fn short_keys(roles: &[(OrgId, RoleName)]) -> Vec<String> {
    let mut owners: BTreeMap<&RoleName, usize> = BTreeMap::new();
    for (_, name) in roles {
        *owners.entry(name).or_default() += 1;
    }
    let is_shared = |name: &RoleName| owners.get(name).is_some_and(|count| *count > 1);
    let key = |(org_id, name): &(OrgId, RoleName)| {
        if is_shared(name) { format!("{org_id}:{name}") } else { name.to_string() }
    };
    roles.iter().map(key).collect()
}

/// Splits `<org id>:<role name>`. Where an odd old name has a colon of its
/// own, only the entry tells; none when that has gone or is no role.
fn owner_and_name(view: &(impl StorageView + ?Sized), key: &str) -> Result<Option<(OrgId, RoleName)>, Error> {
    let Some((org_id, name)) = key.split_once(':') else { return Ok(None) };
    let (org_id, name) = (OrgId::stored(org_id), RoleName::stored(name));
    if !name.as_str().contains(':') {
        return Ok(Some((org_id, name)));
    }
    let Ok(Some(entry)) = read_one(view, &format!("{ROLE_PREFIX}{key}"))? else { return Ok(None) };
    let Ok(Value::Object(map)) = serde_json::from_slice(&entry.value) else { return Ok(None) };
    let role = stored::from_map(map, &org_id, &name);
    Ok(Some((role.org_id, role.name)))
}
