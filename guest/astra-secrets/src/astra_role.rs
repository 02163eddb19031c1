//! What Astra's own roles are called and what they reach, as the mount saw them last. `sync-roles`, `tidy` and `check` note
//! what they see; reads of tokens and static roles show what was noted, and a read of a role does if it asks. Nothing
//! depends on a note: a note that is missing or damaged is left out, and one that cannot be written fails nothing.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error, Field, FieldType};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client::ListedRole;
use crate::config;
use crate::events;
use crate::limits::{
    ASTRA_ROLE_BYTES_MAX, ASTRA_ROLE_KEPT, ASTRA_ROLE_NOTED_AGAIN, ASTRA_ROLES_NOTED_MAX, ASTRA_ROLES_PER_WRITE,
    NAME_BYTES_MAX,
};
use crate::names::OrgId;
use crate::storage::key::{ASTRA_ROLE_PREFIX, segment};
use crate::storage::{Write, first_keys_below, read_many, write_batch};
use crate::time_text;

/// The field of an answer that shows what was noted.
pub(crate) const FIELD: Field = Field::new(
    "astra_roles",
    FieldType::Slice,
    "What the mount knows of the Astra roles in `role_ids`: for each `id`, `name`, `resources` (what its policy reaches), \
     `resources_left_out` (how many more, where they are too many to keep) and `seen_at` (when Astra last listed it to \
     `sync-roles`, `tidy` or `check`). Left out where nothing is known.",
);

/// The stored form of a note.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
struct Note {
    /// The ID as Astra writes it.
    id: String,
    name: String,
    /// What the policy reaches, as far as the entry has room.
    resources: Vec<String>,
    /// How many resources more the policy has.
    #[serde(skip_serializing_if = "is_zero")]
    left_out: usize,
    /// When Astra listed the role, in seconds since 1970-01-01T00:00:00Z.
    seen_at: u64,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// An Astra role, as reads show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct KnownRole {
    id: String,
    name: String,
    resources: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    resources_left_out: usize,
    seen_at: Option<String>,
}

impl KnownRole {
    /// Its ID, as Astra writes it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What Astra calls it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What its policy reaches, as far as that is known.
    pub(crate) fn resources(&self) -> &[String] {
        &self.resources
    }

    /// Are these all resources of its policy?
    pub(crate) fn is_whole(&self) -> bool {
        self.resources_left_out == 0
    }
}

/// How many notes a request may still look at.
pub(crate) struct Room(Cell<usize>);

impl Room {
    /// That of a request.
    pub(crate) fn new() -> Self {
        Self(Cell::new(ASTRA_ROLES_NOTED_MAX))
    }

    fn take(&self, wanted: usize) -> usize {
        let taken = wanted.min(self.0.get());
        self.0.set(self.0.get() - taken);
        taken
    }

    /// Is there any?
    pub(crate) fn is_left(&self) -> bool {
        self.0.get() > 0
    }
}

/// Notes the roles that Astra lists for an organization, as far as there is room.
pub(crate) fn note(context: &Context<'_>, org_id: &OrgId, listed: &[ListedRole], room: &Room) {
    // A node that cannot write goes on without, and so does all else: the next look notes them.
    if let Err(error) = try_note(context, org_id, listed, room) {
        let fields = [("org", org_id.as_str()), ("error", &error.to_string())];
        events::ASTRA_ROLES_NOT_NOTED.log(context, &fields);
    }
}

fn try_note(context: &Context<'_>, org_id: &OrgId, listed: &[ListedRole], room: &Room) -> Result<(), Error> {
    // The config may have been deleted since Astra was asked, and its notes go with it.
    if listed.is_empty() || !room.is_left() || config::load(context, org_id)?.is_none() {
        return Ok(());
    }
    let now = context.now().as_secs();
    let mut listed: Vec<&ListedRole> = listed.iter().filter(|role| role.id.len() <= NAME_BYTES_MAX).collect();
    listed.truncate(room.take(listed.len()));
    let keys: Vec<String> = listed.iter().map(|role| key(org_id, &role.id)).collect();
    let mut writes = Vec::new();
    for ((role, key), read) in listed.iter().zip(&keys).zip(read_many(context.storage(), &keys)?) {
        let noted = read.ok().flatten().and_then(|entry| Note::read(&entry));
        let note = Note::of(role, now);
        if !noted.is_some_and(|noted| note.is_told_by(&noted, now)) {
            writes.push(Write::Put(StorageEntry::json(key.clone(), &note)?));
        }
    }
    writes.extend(outdated(context, org_id, &keys, room, now)?);
    write_batches(context, &writes)
}

/// The notes of roles that Astra has not listed for long.
fn outdated(
    context: &Context<'_>,
    org_id: &OrgId,
    listed: &[String],
    room: &Room,
    now: u64,
) -> Result<Vec<Write>, Error> {
    let listed: BTreeSet<&String> = listed.iter().collect();
    let mut others = stored_keys(context, org_id)?;
    others.retain(|key| !listed.contains(key));
    others.truncate(room.take(others.len()));
    let read = read_many(context.storage(), &others)?;
    let is_outdated = |entry: &StorageEntry| {
        Note::read(entry).is_none_or(|noted| noted.seen_at.saturating_add(ASTRA_ROLE_KEPT.as_secs()) < now)
    };
    let with_entries = others.into_iter().zip(read).filter(|(_, read)| match read {
        Ok(Some(entry)) => is_outdated(entry),
        _ => false,
    });
    Ok(with_entries.map(|(key, _)| Write::Delete(key)).collect())
}

fn stored_keys(context: &Context<'_>, org_id: &OrgId) -> Result<Vec<String>, Error> {
    let folder = folder(org_id);
    let names = first_keys_below(context.storage(), &folder, 2 * ASTRA_ROLES_NOTED_MAX)?;
    Ok(names.into_iter().map(|name| format!("{folder}{name}")).collect())
}

/// Forgets all that was noted of an organization.
pub(crate) fn forget(context: &Context<'_>, org_id: &OrgId) -> Result<(), Error> {
    loop {
        let writes: Vec<Write> = stored_keys(context, org_id)?.into_iter().map(Write::Delete).collect();
        if writes.is_empty() {
            return Ok(());
        }
        write_batches(context, &writes)?;
    }
}

fn write_batches(context: &Context<'_>, writes: &[Write]) -> Result<(), Error> {
    writes.chunks(ASTRA_ROLES_PER_WRITE).try_for_each(|writes| write_batch(context, writes))
}

/// What is known of these Astra roles, in their order; mostly in the time of one read.
pub(crate) fn known<'a>(
    context: &Context<'_>,
    org_id: &OrgId,
    role_ids: impl Iterator<Item = &'a str>,
) -> Vec<KnownRole> {
    let keys: Vec<String> = role_ids.map(|id| key(org_id, id)).collect();
    if keys.is_empty() {
        return Vec::new();
    }
    let read = read_many(context.storage(), &keys).unwrap_or_default();
    let by_key: BTreeMap<&String, KnownRole> =
        keys.iter().zip(read).filter_map(|(key, read)| Some((key, Note::read(&read.ok()??)?.shown()))).collect();
    keys.iter().filter_map(|key| by_key.get(key).cloned()).collect()
}

impl Note {
    /// The note of a listed role, with as many resources as the entry has room for.
    fn of(role: &ListedRole, now: u64) -> Self {
        let mut room = ASTRA_ROLE_BYTES_MAX - NAMES_BYTES_MAX;
        let fits = |resource: &&String| {
            let size = Value::from(resource.as_str()).to_string().len() + 1;
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        };
        let resources: Vec<String> = role.resources.iter().take_while(fits).cloned().collect();
        Self {
            id: role.id.clone(),
            name: role.name.chars().take(NAME_BYTES_MAX).collect(),
            left_out: role.resources.len() - resources.len(),
            resources,
            seen_at: now,
        }
    }

    /// The note of an entry; none of one that is damaged.
    fn read(entry: &StorageEntry) -> Option<Self> {
        entry.parsed().filter(|note: &Self| !note.id.is_empty())
    }

    /// Does `noted` say the same, and lately?
    fn is_told_by(&self, noted: &Self, now: u64) -> bool {
        let is_fresh = (noted.seen_at..noted.seen_at.saturating_add(ASTRA_ROLE_NOTED_AGAIN.as_secs())).contains(&now);
        is_fresh && *self == Self { seen_at: self.seen_at, ..noted.clone() }
    }

    fn shown(self) -> KnownRole {
        let Self { id, name, resources, left_out, seen_at } = self;
        KnownRole { id, name, resources, resources_left_out: left_out, seen_at: time_text::of_seconds(seen_at) }
    }
}

/// A quarter of the entry, for all but the resources: ID and name have [`NAME_BYTES_MAX`] characters, some of which JSON
/// writes as six bytes.
const NAMES_BYTES_MAX: usize = ASTRA_ROLE_BYTES_MAX / 4;

fn folder(org_id: &OrgId) -> String {
    format!("{ASTRA_ROLE_PREFIX}{}/", segment(org_id.as_str()))
}

/// Letter case does not tell IDs of Astra roles apart.
fn key(org_id: &OrgId, role_id: &str) -> String {
    format!("{}{}", folder(org_id), segment(&role_id.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests;
