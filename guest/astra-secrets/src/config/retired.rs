//! What is left of a config while its tokens live on: the tokens and URLs of
//! deleted configs and of left origins, kept hidden and seal-wrapped under
//! `retired-config/<org id>`. It serves revocation only and nothing reads it
//! for any other purpose; it goes when the organization's last record has.

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error};
use serde_json::{Map, Value, json};

use crate::limits::RETIRED_CONFIGS_MAX;
use crate::names::OrgId;

use super::together::Write;
use super::{OrgConfig, Origin, load, stored};

/// Where retired configs are; seal-wrapped.
pub(crate) const RETIRED_PREFIX: &str = "retired-config/";

/// The configs that are kept of one organization.
pub(crate) struct Retired {
    org_id: OrgId,
    /// One for each origin; the latest was added last.
    configs: Vec<OrgConfig>,
}

impl Retired {
    /// What is kept of an organization; mostly nothing.
    pub(crate) fn load(context: &Context<'_>, org_id: &OrgId) -> Result<Self, Error> {
        match super::entry(context.host.storage(), &key(org_id))? {
            Some(entry) => Self::decode(&entry, org_id),
            None => Ok(Self { org_id: org_id.clone(), configs: Vec::new() }),
        }
    }

    /// What an entry keeps, which was read with others.
    pub(crate) fn decode(entry: &StorageEntry, org_id: &OrgId) -> Result<Self, Error> {
        let mut retired = Self { org_id: org_id.clone(), configs: Vec::new() };
        let Ok(Value::Object(mut map)) = serde_json::from_slice(&entry.value) else {
            return Err(Error::Internal(format!("the retired config of organization `{org_id}` is not JSON")));
        };
        if let Some(Value::Array(configs)) = map.remove("configs") {
            let maps = configs.into_iter().filter_map(|config| match config {
                Value::Object(map) => Some(map),
                _ => None,
            });
            retired.configs = maps.map(|map| stored::from_map(map, org_id)).collect();
        }
        Ok(retired)
    }

    /// They themselves, the latest first.
    pub(crate) fn into_configs(self) -> impl Iterator<Item = OrgConfig> {
        self.configs.into_iter().rev()
    }

    /// The change that keeps `config`, which is about to go.
    pub(crate) fn keep(&mut self, config: &OrgConfig) -> Result<Write, Error> {
        self.check_room(config.url.origin())?;
        // The later token of an origin can do what the earlier could.
        self.configs.retain(|old| old.url.origin() != config.url.origin());
        self.configs.push(config.copy());
        self.write()
    }

    /// Checks that the config of one more origin can be kept.
    pub(crate) fn check_room(&self, origin: &Origin) -> Result<(), Error> {
        if self.configs.iter().filter(|old| old.url.origin() != origin).count() < RETIRED_CONFIGS_MAX {
            return Ok(());
        }
        Err(Error::BadRequest(format!(
            "organization `{}` has left {RETIRED_CONFIGS_MAX} origins at which tokens of it may be alive: revoke those first",
            self.org_id
        )))
    }

    /// The change that forgets what is kept for `origin`: a config that is
    /// there again serves it itself. None where nothing is kept for it.
    pub(crate) fn forget(&mut self, origin: &Origin) -> Result<Option<Write>, Error> {
        let count = self.configs.len();
        self.configs.retain(|config| config.url.origin() != origin);
        if self.configs.len() == count { Ok(None) } else { self.write().map(Some) }
    }

    fn write(&self) -> Result<Write, Error> {
        if self.configs.is_empty() {
            return Ok(Write::Delete(key(&self.org_id)));
        }
        let maps: Vec<Map<String, Value>> = self.configs.iter().map(stored::to_map).collect();
        let value = serde_json::to_vec(&json!({ "configs": maps }))
            .map_err(|_| Error::Internal("a retired config could not be written as JSON".to_owned()))?;
        Ok(Write::Put(StorageEntry { key: key(&self.org_id), value, seal_wrap: true }))
    }
}

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
    Ok(Retired::load(context, org_id)?.configs.into_iter().rev().find(fits))
}

/// Is anything kept of an organization, readable or not? One read.
pub(crate) fn has_retired(context: &Context<'_>, org_id: &OrgId) -> Result<bool, Error> {
    Ok(super::entry(context.host.storage(), &key(org_id))?.is_some())
}

/// Forgets all that was retired of an organization: its last record has gone.
pub(crate) fn drop_retired(context: &Context<'_>, org_id: &OrgId) -> Result<(), Error> {
    Ok(context.host.storage().delete(&key(org_id))?)
}

fn key(org_id: &OrgId) -> String {
    format!("{RETIRED_PREFIX}{org_id}")
}
