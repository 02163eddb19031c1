//! Entries of the mount's storage that cannot be read. Walks pass over them,
//! so that nobody else notices; which organization most of them belong to is
//! not known, so each organization's check names all.

use secrets_framework::{Context, Error};

use super::{Item, named};
use crate::config::{self, Retired};
use crate::limits::{CHECKED_CONFIGS_MAX, CONFIGS_READ_AT_ONCE, LIST_PAGE, UNREADABLE_KEPT_MAX};
use crate::names::OrgId;
use crate::record;
use crate::schedule_queue;
use crate::storage::key::{CONFIG_PREFIX, RETIRED_PREFIX, ROLE_PREFIX, is_key};
use crate::storage::{self, read_many};

/// Can all entries be read, as far as they are looked at? `write_ahead` are those write-ahead entries that cannot.
pub(super) fn entries(context: &Context<'_>, write_ahead: &[String]) -> Result<Item, Error> {
    let mut keys = configs(context, CONFIG_PREFIX, |org_id, entry| config::decode(entry, org_id).map(drop))?;
    keys.extend(configs(context, RETIRED_PREFIX, |org_id, entry| {
        Retired::decode(entry, org_id).damage().map_or(Ok(()), |damage| Err(Error::Internal(damage)))
    })?);
    for prefix in [CONFIG_PREFIX, ROLE_PREFIX] {
        keys.extend(without_key(context, prefix)?);
    }
    keys.extend(record::passed_over(context)?);
    keys.extend(write_ahead.iter().take(UNREADABLE_KEPT_MAX).cloned());
    keys.extend(schedule_queue::unknown_keys(context, UNREADABLE_KEPT_MAX)?);
    keys.extend(record::unknown_read_keys(context)?);
    Ok(match named("entries of this mount's storage that cannot be read and are passed over", keys) {
        None => Item::yes("All entries of the mount's storage that were looked at can be read"),
        Some(told) => Item::no(format!(
            "There are {told}: the server's log says why. Write a `config/` anew, with `astra_token` and `url`; give up a \
             damaged `retired-config/` by deleting its config with `force=true`; revoke the lease of a record's token, or \
             delete the token in Astra's portal; let `tidy` end the token that a `wal/` entry may stand for; or restore the \
             entry. Then delete what is left of it in the server's storage (`sys/raw`)"
        )),
    })
}

/// Keys of configs that cannot be read.
fn configs(
    context: &Context<'_>,
    prefix: &str,
    decode: impl Fn(&OrgId, &secrets_framework::host::StorageEntry) -> Result<(), Error>,
) -> Result<Vec<String>, Error> {
    let storage = context.storage();
    let names = storage::first_keys_below(storage, prefix, CHECKED_CONFIGS_MAX)?;
    let mut unreadable = Vec::new();
    for names in names.chunks(CONFIGS_READ_AT_ONCE) {
        let keys: Vec<String> = names.iter().map(|name| format!("{prefix}{name}")).collect();
        let reads = read_many(storage, &keys)?;
        for ((name, key), read) in names.iter().zip(keys).zip(reads) {
            let org_id = OrgId::stored(name.as_str());
            if read.and_then(|found| found.map_or(Ok(()), |entry| decode(&org_id, &entry))).is_err() {
                unreadable.push(key);
            }
        }
    }
    Ok(unreadable)
}

/// Keys that storage lists and does not read: those of entries under the prefix itself.
fn without_key(context: &Context<'_>, prefix: &str) -> Result<Vec<String>, Error> {
    let names = context.storage().list_page(prefix, "", LIST_PAGE)?;
    let keys = names.into_iter().filter(|name| !name.ends_with('/')).map(|name| format!("{prefix}{name}"));
    Ok(keys.filter(|key| !is_key(key)).collect())
}
