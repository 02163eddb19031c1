//! What is left of a config while its tokens live on: the tokens and URLs of
//! deleted configs and of left origins, kept hidden and seal-wrapped under
//! `retired-config/<org id>`. It serves revocation only and nothing reads it
//! for any other purpose; it goes when the organization's last record has.

use secrets_framework::host::{StorageEntry, StorageView};
use secrets_framework::{Context, Error};
use serde_json::{Map, Value, json};

use crate::limits::RETIRED_CONFIGS_MAX;
use crate::names::OrgId;

use super::together::Write;
use super::{OrgConfig, Origin, load, stored};

/// Where retired configs are; seal-wrapped.
pub(crate) const RETIRED_PREFIX: &str = "retired-config/";

/// The config with which a token of `org_id` at `origin` can be revoked: the
/// current one, else one that was retired. `origin` is none for leases from
/// the Go plugin, which kept none. An admin token only ever goes to the origin
/// that it was configured with.
pub(crate) fn load_for_revocation(
    context: &Context<'_>,
    org_id: &OrgId,
    origin: Option<&Origin>,
) -> Result<Option<OrgConfig>, Error> {
    let fits = |config: &OrgConfig| origin.is_none_or(|origin| config.url.origin() == origin);
    if let Some(config) = load(context, org_id)?.filter(fits) {
        return Ok(Some(config));
    }
    // The latest was added last.
    Ok(retired(context.host.storage(), org_id)?.into_iter().rev().find(fits))
}

/// Forgets what was retired of an organization: its last record has gone.
pub(crate) fn drop_retired(context: &Context<'_>, org_id: &OrgId) -> Result<(), Error> {
    let storage = context.host.storage();
    if storage.get(&key(org_id))?.is_some() {
        storage.delete(&key(org_id))?;
    }
    Ok(())
}

/// The change that retires `config`.
pub(crate) fn retire(context: &Context<'_>, config: &OrgConfig) -> Result<Write, Error> {
    let mut configs = retired(context.host.storage(), &config.org_id)?;
    // The later token of an origin can do what the earlier could.
    configs.retain(|old| old.url.origin() != config.url.origin());
    if configs.len() >= RETIRED_CONFIGS_MAX {
        return Err(Error::BadRequest(format!(
            "organization `{}` has left {RETIRED_CONFIGS_MAX} origins at which tokens of it may be alive: \
             revoke those first",
            config.org_id
        )));
    }
    let maps: Vec<Map<String, Value>> = configs.iter().chain([config]).map(stored::to_map).collect();
    let value = serde_json::to_vec(&json!({ "configs": maps }))
        .map_err(|_| Error::Internal("a retired config could not be written as JSON".to_owned()))?;
    Ok(Write::Put(StorageEntry { key: key(&config.org_id), value, seal_wrap: true }))
}

fn retired(view: &(impl StorageView + ?Sized), org_id: &OrgId) -> Result<Vec<OrgConfig>, Error> {
    let Some(entry) = view.get(&key(org_id))? else { return Ok(Vec::new()) };
    let Ok(Value::Object(mut entry)) = serde_json::from_slice(&entry.value) else {
        return Err(Error::Internal(format!("the retired config of organization `{org_id}` is not JSON")));
    };
    let Some(Value::Array(configs)) = entry.remove("configs") else { return Ok(Vec::new()) };
    let maps = configs.into_iter().filter_map(|config| match config {
        Value::Object(map) => Some(map),
        _ => None,
    });
    Ok(maps.map(|map| stored::from_map(map, org_id)).collect())
}

fn key(org_id: &OrgId) -> String {
    format!("{RETIRED_PREFIX}{org_id}")
}
