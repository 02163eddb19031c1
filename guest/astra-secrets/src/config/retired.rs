//! What is left of a config while its tokens live on: the tokens and URLs of
//! deleted configs and of left origins, kept hidden and seal-wrapped under
//! `retired-config/<org id>`. It serves revocation only and nothing reads it
//! for any other purpose. The config of an origin goes when nothing is left at
//! that origin, and all of it goes when the organization's last record has.
//!
//! A part of the entry that cannot be read stops nothing. A write carries the
//! part along, under `damaged`, for an operator who could still repair it; the
//! part goes with the entry, or when a config is deleted by force.

use secrets_framework::host::{StorageEntry, StorageView};
use secrets_framework::{Context, Error};
use serde_json::{Map, Value};

use crate::limits::{RETIRED_CONFIGS_MAX, RETIRED_DAMAGED_BYTES_MAX};
use crate::names::OrgId;
use crate::storage::json::{take_text, undecoded};
use crate::storage::key::RETIRED_PREFIX;
use crate::storage::{self, Write, key};

use super::{OrgConfig, Origin, load, stored};

const CONFIGS: &str = "configs";

const DAMAGED: &str = "damaged";

/// Field of a retired config: how far the search for tokens of its origin got.
const SEARCHED_UP_TO: &str = "searched_up_to";

/// The configs that are kept of one organization.
pub(crate) struct Retired {
    org_id: OrgId,
    /// One for each origin; the latest was added last.
    configs: Vec<Kept>,
    /// Parts of the entry that are no configs: JSON, text, or else the numbers of their bytes.
    damaged: Vec<Value>,
    /// Why a write would lose what the entry holds; none = a write keeps all of it.
    unkept: Option<String>,
    /// Fields that a newer version added.
    other: Map<String, Value>,
}

/// A config that is kept. A config that is retired anew begins with a new search.
struct Kept {
    config: OrgConfig,
    /// The last name of the index that the search for tokens of its origin looked at; empty = none.
    searched_up_to: String,
}

impl Kept {
    fn from_map(mut map: Map<String, Value>, org_id: &OrgId) -> Self {
        let searched_up_to = take_text(&mut map, SEARCHED_UP_TO);
        Self { config: OrgConfig { is_retired: true, ..stored::from_map(map, org_id) }, searched_up_to }
    }

    fn to_map(&self) -> Map<String, Value> {
        let mut map = stored::to_map(&self.config);
        if !self.searched_up_to.is_empty() {
            map.insert(SEARCHED_UP_TO.to_owned(), self.searched_up_to.as_str().into());
        }
        map
    }

    fn is_of(&self, origin: &Origin) -> bool {
        self.config.url.origin() == origin
    }
}

impl Retired {
    fn none(org_id: &OrgId) -> Self {
        Self { org_id: org_id.clone(), configs: Vec::new(), damaged: Vec::new(), unkept: None, other: Map::new() }
    }

    /// What is kept of an organization; mostly nothing. Fails only where storage fails as a whole.
    pub(crate) fn load(context: &Context<'_>, org_id: &OrgId) -> Result<Self, Error> {
        Ok(match read(context.storage(), org_id)? {
            Ok(Some(entry)) => Self::decode(&entry, org_id),
            Ok(None) => Self::none(org_id),
            Err(error) => Self { unkept: Some(error.to_string()), ..Self::none(org_id) },
        })
    }

    /// What an entry keeps, which was read with others.
    pub(crate) fn decode(entry: &StorageEntry, org_id: &OrgId) -> Self {
        let mut retired = Self::none(org_id);
        match serde_json::from_slice(&entry.value) {
            Ok(Value::Object(map)) => retired.take(map),
            Ok(value) => retired.damaged.push(value),
            Err(_) => retired.damaged.push(undecoded(&entry.value)),
        }
        if !retired.damaged.is_empty() && entry.value.len() > RETIRED_DAMAGED_BYTES_MAX {
            retired.unkept = Some(format!("its damaged entry is larger than {RETIRED_DAMAGED_BYTES_MAX} bytes"));
        }
        retired
    }

    fn take(&mut self, mut map: Map<String, Value>) {
        match map.remove(DAMAGED) {
            Some(Value::Array(damaged)) => self.damaged = damaged,
            damaged => self.damaged.extend(damaged),
        }
        match map.remove(CONFIGS) {
            Some(Value::Array(configs)) => configs.into_iter().for_each(|config| self.take_config(config)),
            configs => self.damaged.extend(configs),
        }
        self.other = map;
    }

    fn take_config(&mut self, config: Value) {
        match config {
            Value::Object(map) if stored::fault(&map).is_none() => {
                self.configs.push(Kept::from_map(map, &self.org_id));
            }
            // Its token could be sent to another URL than its own.
            damaged => self.damaged.push(damaged),
        }
    }

    /// Why not all of the entry can be used; none = all can. The sentence quotes nothing of the entry.
    pub(crate) fn damage(&self) -> Option<String> {
        let org_id = &self.org_id;
        let what = match (&self.unkept, self.damaged.len()) {
            (Some(reason), _) => reason.clone(),
            (None, 0) => return None,
            (None, parts) => format!("{parts} of its parts are no configs"),
        };
        Some(format!("the retired config `{RETIRED_PREFIX}{org_id}` cannot be read as a whole: {what}"))
    }

    /// Gives up what cannot be read; answers why it could not.
    pub(crate) fn discard_damage(&mut self) -> Option<String> {
        let damage = self.damage();
        self.damaged.clear();
        self.unkept = None;
        damage
    }

    /// Is any config of it readable?
    pub(crate) fn has_configs(&self) -> bool {
        !self.configs.is_empty()
    }

    /// They themselves, the latest first.
    pub(crate) fn into_configs(self) -> impl Iterator<Item = OrgConfig> {
        self.configs.into_iter().rev().map(|kept| kept.config)
    }

    /// The origins whose configs a write can forget, each with the name of the index after which the search for its tokens
    /// goes on.
    pub(crate) fn searches(&self) -> Vec<(Origin, String)> {
        let configs = if self.unkept.is_some() { &[] } else { self.configs.as_slice() };
        configs.iter().map(|kept| (kept.config.url.origin().clone(), kept.searched_up_to.clone())).collect()
    }

    /// Notes how far the search for tokens of `origin` got; `None` = it has looked at all, and the config goes. Answers
    /// whether that changes anything.
    pub(crate) fn note_search(&mut self, origin: &Origin, up_to: Option<String>) -> bool {
        let Some(up_to) = up_to else {
            self.configs.retain(|kept| !kept.is_of(origin));
            return true;
        };
        let changed = self.configs.iter_mut().find(|kept| kept.is_of(origin) && kept.searched_up_to != up_to);
        changed.map(|kept| kept.searched_up_to = up_to).is_some()
    }

    /// The change that keeps `config`, which is about to go.
    pub(crate) fn keep(&mut self, config: &OrgConfig) -> Result<Write, Error> {
        self.check_room(config.url.origin())?;
        // The later token of an origin can do what the earlier could.
        self.configs.retain(|old| !old.is_of(config.url.origin()));
        self.configs.push(Kept { config: config.copy(), searched_up_to: String::new() });
        self.write()
    }

    /// Checks that the config of one more origin can be kept.
    pub(crate) fn check_room(&self, origin: &Origin) -> Result<(), Error> {
        if let Some(damage) = self.damage().filter(|_| self.unkept.is_some()) {
            return Err(Error::Internal(format!(
                "{damage}; one more config could be kept only in its place, and nothing was changed: restore the \
                 entry, or delete the config of organization `{}` with `force=true`, which gives the damaged entry up",
                self.org_id
            )));
        }
        if self.configs.iter().filter(|old| !old.is_of(origin)).count() < RETIRED_CONFIGS_MAX {
            return Ok(());
        }
        Err(Error::BadRequest(format!(
            "organization `{}` has left {RETIRED_CONFIGS_MAX} origins at which tokens of it may be alive: revoke those first, and \
             rollback forgets an origin some minutes after its last token",
            self.org_id
        )))
    }

    /// The change that forgets what is kept for `origin`: a config that is
    /// there again serves it itself. None where nothing is kept for it.
    pub(crate) fn forget(&mut self, origin: &Origin) -> Result<Option<Write>, Error> {
        let count = self.configs.len();
        if self.unkept.is_some() {
            return Ok(None);
        }
        self.configs.retain(|kept| !kept.is_of(origin));
        if self.configs.len() == count { Ok(None) } else { self.write().map(Some) }
    }

    /// The change that stores what is kept.
    pub(crate) fn write(&self) -> Result<Write, Error> {
        if self.configs.is_empty() && self.damaged.is_empty() {
            return Ok(Write::Delete(key(&self.org_id)));
        }
        let mut map = self.other.clone();
        map.insert(CONFIGS.to_owned(), self.configs.iter().map(Kept::to_map).map(Value::Object).collect());
        if !self.damaged.is_empty() {
            map.insert(DAMAGED.to_owned(), Value::Array(self.damaged.clone()));
        }
        Ok(Write::Put(StorageEntry::json(key(&self.org_id), &map)?.sealed()))
    }
}

/// Reads the entry. A key that storage would refuse has none.
fn read(view: &(impl StorageView + ?Sized), org_id: &OrgId) -> Result<storage::OwnRead, Error> {
    let key = key(org_id);
    if key::is_key(&key) { storage::read_one(view, &key) } else { Ok(Ok(None)) }
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
    Ok(Retired::load(context, org_id)?.into_configs().find(fits))
}

/// Is anything kept of an organization, readable or not? One read.
pub(crate) fn has_retired(context: &Context<'_>, org_id: &OrgId) -> Result<bool, Error> {
    Ok(read(context.storage(), org_id)?.map_or(true, |entry| entry.is_some()))
}

/// Forgets all that was retired of an organization: its last record has gone.
pub(crate) fn drop_retired(context: &Context<'_>, org_id: &OrgId) -> Result<(), Error> {
    Ok(context.storage().delete(&key(org_id))?)
}

fn key(org_id: &OrgId) -> String {
    format!("{RETIRED_PREFIX}{org_id}")
}
