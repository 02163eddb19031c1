//! Write-ahead entries: what may have to be undone, written before the outside
//! world is changed. Key `wal/<uuid>`, value `{"type","data","created_at"}`:
//! the form of the server's own framework (`sdk/framework/wal.go`), so that
//! entries of a Go engine are undone, too.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::host::StorageEntry;
use crate::limits::{WAL_NAMES_MAX, WAL_NAMES_PER_PAGE};
use crate::{Context, Error};

/// The prefix of all entries in storage.
pub const PREFIX: &str = "wal/";

/// Names one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalId(pub(crate) String);

impl WalId {
    /// The part of the ID that entries of one group share.
    pub(crate) fn group(&self) -> &str {
        self.0.len().checked_sub(GROUP_DIGITS).and_then(|start| self.0.get(start..)).unwrap_or(&self.0)
    }
}

/// Entries that are undone at one upstream, by a number that the engine chooses, such as a hash of a name: they are found
/// without reading those of other groups, and do not keep those of other groups waiting. By chance two names may have one
/// group, so the data of an entry has the last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalGroup(pub u32);

impl WalGroup {
    /// What the IDs of its entries end in.
    fn end(self) -> String {
        format!("{:0GROUP_DIGITS$x}", self.0)
    }
}

/// The last digits of an ID, which are those of its group.
const GROUP_DIGITS: usize = 8;

/// One entry, as rollback and checks see it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct WalEntry {
    /// What it undoes: the engine's own word.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it needs for that.
    #[serde(default)]
    pub data: Value,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub created_at: u64,
}

fn stored_entry(context: &Context<'_>, id: &WalId, kind: &str, data: Value) -> Result<StorageEntry, Error> {
    let created_at = context.now().as_secs();
    let entry = WalEntry { kind: kind.to_owned(), data, created_at };
    let value = serde_json::to_vec(&entry)
        .map_err(|error| Error::Internal(format!("could not write a write-ahead entry: {error}")))?;
    Ok(StorageEntry { key: key(id), value, seal_wrap: true })
}

/// Writes an entry, seal-wrapped.
pub fn put(context: &Context<'_>, group: WalGroup, kind: &str, data: Value) -> Result<WalId, Error> {
    let mut id = random_uuid(context);
    id.truncate(id.len() - GROUP_DIGITS);
    let id = WalId(id + &group.end());
    put_again(context, &id, kind, data)?;
    Ok(id)
}

/// Writes an entry under the ID that it had, whether or not it was dropped meanwhile.
pub fn put_again(context: &Context<'_>, id: &WalId, kind: &str, data: Value) -> Result<(), Error> {
    Ok(context.storage().put(stored_entry(context, id, kind, data)?)?)
}

/// Drops an entry; one that is not there is dropped already.
pub fn delete(context: &Context<'_>, id: &WalId) -> Result<(), Error> {
    Ok(context.storage().delete(&key(id))?)
}

/// The key of an entry, for dropping it within a transaction.
pub fn key(id: &WalId) -> String {
    format!("{PREFIX}{}", id.0)
}

/// Reads an entry. None = it has been dropped meanwhile. A damaged one is an
/// error that names its key, never its content.
pub fn read(context: &Context<'_>, id: &WalId) -> Result<Option<WalEntry>, Error> {
    let key = key(id);
    let Some(stored) = context.storage().get(&key)? else {
        return Ok(None);
    };
    serde_json::from_slice(&stored.value).map(Some).map_err(|_| {
        Error::Internal(format!("write-ahead entry `{key}` is damaged; it is kept until someone repairs or deletes it"))
    })
}

/// The IDs of the first `max` entries.
pub fn first_ids(context: &Context<'_>, max: usize) -> Result<Vec<WalId>, Error> {
    let mut ids = Vec::new();
    visit_ids(context, "", max, |id| ids.push(id))?;
    Ok(ids)
}

/// The IDs of the entries from a random one on, up to a limit: where there are more, each has its turn in some calls.
pub(crate) fn ids_from_random(context: &Context<'_>) -> Result<Vec<WalId>, Error> {
    let start = random_uuid(context);
    let mut ids = Vec::new();
    visit_ids(context, &start, WAL_NAMES_MAX, |id| ids.push(id))?;
    let left = WAL_NAMES_MAX - ids.len();
    let mut before = first_ids(context, left)?;
    before.retain(|id| id.0 <= start);
    ids.extend(before);
    Ok(ids)
}

/// The IDs of the entries of a group.
///
/// # Errors
/// Also where there are too many entries to list all.
pub fn ids_in(context: &Context<'_>, group: WalGroup) -> Result<Vec<WalId>, Error> {
    let (end, mut ids) = (group.end(), Vec::new());
    let listed = visit_ids(context, "", WAL_NAMES_MAX, |id| ids.extend((id.group() == end).then_some(id)))?;
    if listed >= WAL_NAMES_MAX {
        return Err(Error::Internal(format!(
            "{WAL_NAMES_MAX} or more write-ahead entries are open, which rollback settles as soon as the upstream answers"
        )));
    }
    Ok(ids)
}

/// Visits the IDs of at most `max` entries after the name `after`, and answers of how many.
fn visit_ids(context: &Context<'_>, after: &str, max: usize, mut visit: impl FnMut(WalId)) -> Result<usize, Error> {
    let (mut visited, mut after) = (0, after.to_owned());
    while visited < max {
        let page = u32::try_from(max - visited).unwrap_or(WAL_NAMES_PER_PAGE).min(WAL_NAMES_PER_PAGE);
        let names = context.storage().list_page(PREFIX, &after, page)?;
        let is_last = names.len() < page as usize;
        let Some(last) = names.last() else { break };
        after.clone_from(last);
        // An entry under the prefix itself has no name, and no key under which it could be read.
        for name in names.into_iter().filter(|name| !name.is_empty() && !name.ends_with('/')) {
            visit(WalId(name));
            visited += 1;
        }
        if is_last {
            break;
        }
    }
    Ok(visited)
}

/// A random UUID (version 4), as the server's framework names entries.
fn random_uuid(context: &Context<'_>) -> String {
    let mut bytes = [0; 16];
    context.host.random().fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 0x0f] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;
    use crate::Operation;
    use crate::testing::{TestHost, request};

    #[test]
    fn entries_have_the_servers_form() {
        let host = TestHost::new();
        let request = request(Operation::Update, "creds", Value::Null);
        let context = Context { host: &host, request: &request };
        let id = put(&context, WalGroup(0xabc), "astra_token", json!({"mark": "m"})).unwrap();

        let uuid =
            regex::Regex::new("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{4}00000abc$").unwrap();
        assert!(uuid.is_match(&id.0), "{}", id.0);
        let stored = host.storage.snapshot().remove(&key(&id)).unwrap();
        assert!(stored.seal_wrap);
        let expected = r#"{"type":"astra_token","data":{"mark":"m"},"created_at":1767225600}"#;
        assert_eq!(String::from_utf8(stored.value).unwrap(), expected);

        assert_eq!(first_ids(&context, 10).unwrap(), std::slice::from_ref(&id));
        assert_eq!(read(&context, &id).unwrap().unwrap().data, json!({"mark": "m"}));
        delete(&context, &id).unwrap();
        delete(&context, &id).unwrap();
        assert_eq!(read(&context, &id), Ok(None));
        assert!(host.storage.keys().is_empty());
        put_again(&context, &id, "astra_token", json!({"mark": "m"})).unwrap();
        assert_eq!(first_ids(&context, 10).unwrap(), [id]);
    }

    #[test]
    fn entries_of_a_group_are_found_without_others() {
        let host = TestHost::new();
        let request = request(Operation::Update, "creds", Value::Null);
        let context = Context { host: &host, request: &request };
        let in_group = |group: u32| put(&context, WalGroup(group), "token", Value::Null).unwrap();
        let (first, second, other) = (in_group(7), in_group(7), in_group(0x1_0007));
        for name in ["x", "é", "00000007x", "7"] {
            host.storage.seed(&format!("wal/{name}"), "");
        }
        let found = ids_in(&context, WalGroup(7)).unwrap();
        assert!(found.len() == 2 && found.contains(&first) && found.contains(&second), "{found:?}");
        assert_eq!(ids_in(&context, WalGroup(0x1_0007)).unwrap(), [other]);
        assert_eq!(ids_in(&context, WalGroup(9)).unwrap(), []);
        assert_eq!((first_ids(&context, 10).unwrap().len(), first_ids(&context, 3).unwrap().len()), (7, 3));
    }

    #[test]
    fn more_entries_than_are_listed_are_told_and_each_is_listed_at_times() {
        let host = TestHost::new();
        let request = request(Operation::Rollback, "", Value::Null);
        let context = Context { host: &host, request: &request };
        let seed = |number: usize| host.storage.seed(&format!("wal/{:012x}", number * 0x3_0000_0000), "");
        (1..10).map(|number| number * 2_000).for_each(seed);
        for _ in 0..10 {
            let mut ids: Vec<String> = ids_from_random(&context).unwrap().into_iter().map(|id| id.0).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), 9);
        }
        (1..WAL_NAMES_MAX).for_each(seed);
        assert_eq!(ids_in(&context, WalGroup(1)).unwrap(), []);
        assert_eq!(ids_from_random(&context).unwrap().len(), WAL_NAMES_MAX - 1);
        (WAL_NAMES_MAX..=WAL_NAMES_MAX + 1_000).for_each(seed);
        let error = ids_in(&context, WalGroup(1)).unwrap_err().to_string();
        assert!(error.contains("20000 or more"), "{error}");
        let mut listed = std::collections::BTreeSet::new();
        for _ in 0..50 {
            let ids = ids_from_random(&context).unwrap();
            let names: std::collections::BTreeSet<String> = ids.into_iter().map(|id| id.0).collect();
            assert_eq!(names.len(), WAL_NAMES_MAX, "none twice");
            listed.extend(names);
        }
        assert_eq!(listed.len(), WAL_NAMES_MAX + 1_000);
    }

    #[test]
    fn a_damaged_entry_is_named_without_its_content() {
        let host = TestHost::new();
        host.storage.seed("wal/x", "AstraCS:canary");
        let request = request(Operation::Rollback, "", Value::Null);
        let context = Context { host: &host, request: &request };
        let error = read(&context, &WalId("x".to_owned())).unwrap_err().to_string();
        assert!(error.contains("`wal/x` is damaged") && !error.contains("canary"), "{error}");
    }
}
