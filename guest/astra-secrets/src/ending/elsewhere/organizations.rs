//! The other organizations of the mount that may have a token, in the order in
//! which they are asked.

use std::collections::BTreeSet;

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error};

use crate::config::{self, OrgConfig, Retired};
use crate::limits::{CONFIGS_MAX, CONFIGS_READ_AT_ONCE};
use crate::names::{ClientId, OrgId};
use crate::storage::key::{CONFIG_PREFIX, RETIRED_PREFIX};
use crate::storage::{self, OwnRead, read_many};

/// An organization, and with what it is asked.
pub(super) struct Other {
    /// Its ID.
    pub(super) org_id: OrgId,
    /// Its ID and, of a retired config, the origin: what it is called in logs, errors and storage.
    pub(super) name: String,
    /// The config; the error of one that cannot be read.
    pub(super) config: Result<OrgConfig, Error>,
}

/// All that have a config or a retired one, but for what `asked` was asked with. First those at the same origin.
pub(super) fn others(context: &Context<'_>, asked: &OrgConfig) -> Result<Vec<Other>, Error> {
    let mut all = current(context)?;
    all.extend(retired(context)?);
    // One admin token at one origin tells the same. A config of another organization with the same token is asked all the
    // same: one of the two has the wrong token, and what its organization has is not known.
    let mut known: BTreeSet<_> = access(asked).into_iter().collect();
    all.retain(|other| other.config.as_ref().ok().and_then(access).is_none_or(|access| known.insert(access)));
    all.sort_by_cached_key(|other| {
        let is_near = other.config.as_ref().is_ok_and(|config| config.url.origin() == asked.url.origin());
        (!is_near, other.name.clone())
    });
    Ok(all)
}

/// What is asked, and with what; none where the admin token has no client ID, and so cannot be compared.
fn access(config: &OrgConfig) -> Option<(OrgId, String, ClientId)> {
    let client_id = config.admin_token.client_id()?;
    Some((config.org_id.clone(), config.url.origin().as_str().to_owned(), client_id))
}

fn current(context: &Context<'_>) -> Result<Vec<Other>, Error> {
    let decode = |org_id: &OrgId, entry: &StorageEntry| vec![config::decode(entry, org_id)];
    below(context, CONFIG_PREFIX, decode, |_| String::new())
}

fn retired(context: &Context<'_>) -> Result<Vec<Other>, Error> {
    let decode = |org_id: &OrgId, entry: &StorageEntry| {
        let retired = Retired::decode(entry, org_id);
        // What cannot be read may be any origin's, which then is not asked.
        let damage = retired.damage().map(|damage| Err(Error::Internal(damage)));
        retired.into_configs().map(Ok).chain(damage).collect()
    };
    let place = |config: Option<&OrgConfig>| {
        config.map_or_else(|| " at an unknown origin".to_owned(), |config| format!(" at {}", config.url.origin()))
    };
    below(context, RETIRED_PREFIX, decode, place)
}

fn below(
    context: &Context<'_>,
    prefix: &str,
    decode: impl Fn(&OrgId, &StorageEntry) -> Vec<Result<OrgConfig, Error>>,
    place: impl Fn(Option<&OrgConfig>) -> String,
) -> Result<Vec<Other>, Error> {
    let storage = context.storage();
    let names = storage::first_keys_below(storage, prefix, CONFIGS_MAX)?;
    let mut all = Vec::new();
    for names in names.chunks(CONFIGS_READ_AT_ONCE) {
        let keys: Vec<String> = names.iter().map(|name| format!("{prefix}{name}")).collect();
        for (name, read) in names.iter().zip(read_many(storage, &keys)?) {
            let org_id = OrgId::stored(name.as_str());
            all.extend(of_entry(&org_id, read, &decode, &place));
        }
    }
    Ok(all)
}

fn of_entry(
    org_id: &OrgId,
    read: OwnRead,
    decode: &impl Fn(&OrgId, &StorageEntry) -> Vec<Result<OrgConfig, Error>>,
    place: &impl Fn(Option<&OrgConfig>) -> String,
) -> Vec<Other> {
    let configs = read.map(|found| found.map(|entry| decode(org_id, &entry)).unwrap_or_default());
    let other = |config: Result<OrgConfig, Error>| {
        let place = place(config.as_ref().ok());
        Other { org_id: org_id.clone(), name: format!("{org_id}{place}"), config }
    };
    configs.unwrap_or_else(|error| vec![Err(error)]).into_iter().map(other).collect()
}
