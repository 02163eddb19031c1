//! From an organization's logical name to its config. A cache answers in two
//! reads; it is checked against the config each time, and where it is missing
//! or wrong (mounts from the Go plugin have none) every config is looked at.

use secrets_framework::host::{StorageEntry, StorageView};
use secrets_framework::{Context, Error};

use crate::names::{self, LogicalName, OrgId};
use crate::storage::key::LOGICAL_NAME_PREFIX;

use super::{OrgConfig, load_from, load_readable, org_ids};
use crate::storage::Write;

/// Finds the organization of this logical name. Where an old mount has it
/// twice, the first by org ID has it, as with the Go plugin.
pub(crate) fn find_by_logical_name(context: &Context<'_>, name: &str) -> Result<Option<OrgConfig>, Error> {
    let view = context.storage();
    if let Some(config) = cached(view, name)? {
        return Ok(Some(config));
    }
    for org_id in org_ids(view)? {
        // Deleted since the list was made: not found.
        let Some(config) = load_readable(context, &org_id)? else { continue };
        if has_name(&config, name) {
            return Ok(Some(config));
        }
    }
    Ok(None)
}

/// The changes of the cache when an organization's name changes. The new name
/// must be known to be no other organization's.
pub(crate) fn rename(
    old: Option<&LogicalName>,
    new: Option<&LogicalName>,
    org_id: &OrgId,
) -> Result<Vec<Write>, Error> {
    let mut writes = Vec::new();
    if old == new {
        return Ok(writes);
    }
    // Old names may be no key at all; such are looked for each time.
    if let Some(new) = new.filter(|name| names::is_name(name.as_str())) {
        writes.push(Write::Put(StorageEntry::json(cache_key(new.as_str()), org_id)?));
    }
    if let Some(old) = old.filter(|name| names::is_name(name.as_str())) {
        writes.push(Write::Delete(cache_key(old.as_str())));
    }
    Ok(writes)
}

fn cached(view: &(impl StorageView + ?Sized), name: &str) -> Result<Option<OrgConfig>, Error> {
    if !names::is_name(name) {
        return Ok(None);
    }
    let Some(entry) = view.get(&cache_key(name))? else { return Ok(None) };
    let Ok(org_id) = serde_json::from_slice::<String>(&entry.value) else { return Ok(None) };
    // The cache may be old: what it names, damaged or not, must not hide who has the name now.
    match load_from(view, &OrgId::stored(org_id)) {
        Err(Error::Internal(_)) => Ok(None),
        config => Ok(config?.filter(|config| has_name(config, name))),
    }
}

fn has_name(config: &OrgConfig, name: &str) -> bool {
    config.logical_name.as_ref().is_some_and(|own| own.as_str() == name)
}

fn cache_key(name: &str) -> String {
    format!("{LOGICAL_NAME_PREFIX}{name}")
}
