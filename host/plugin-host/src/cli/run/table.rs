//! The table of entries in a storage file.

use envelope::{StorageEntry, StorageError};
use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};

/// Seal-wrap mark and value, by key.
pub(super) const ENTRIES: TableDefinition<'_, &str, (bool, &[u8])> = TableDefinition::new("entries");

/// Works in a transaction of the file.
pub(super) fn write<T>(
    database: &Database,
    work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
) -> Result<T, StorageError> {
    let writing = database.begin_write().map_err(failed)?;
    let done = work(&writing).map_err(failed)?;
    writing.commit().map_err(failed)?;
    Ok(done)
}

pub(super) fn failed(error: impl ToString) -> StorageError {
    StorageError::Failed(format!("storage file: {}", error.to_string()))
}

/// Reads an entry from the table or a snapshot of the table.
pub(super) fn entry(
    table: &impl ReadableTable<&'static str, (bool, &'static [u8])>,
    key: &str,
) -> Result<Option<StorageEntry>, redb::StorageError> {
    let found = table.get(key)?;
    Ok(found.map(|found| {
        let (seal_wrap, value) = found.value();
        StorageEntry { key: key.to_owned(), value: value.to_vec(), seal_wrap }
    }))
}

/// Direct children below a prefix that are greater than `after`, sorted; folders end in `/`.
pub(super) fn children(
    table: &impl ReadableTable<&'static str, (bool, &'static [u8])>,
    prefix: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<String>, redb::StorageError> {
    let mut names: Vec<String> = Vec::new();
    for found in table.range(format!("{prefix}{after}").as_str()..)? {
        let (key, _) = found?;
        let Some(rest) = key.value().strip_prefix(prefix) else { break };
        let name = child(rest);
        if name <= after || names.last().is_some_and(|last| last == name) {
            continue;
        }
        if names.len() == limit {
            break;
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// `a/` of `a/b/c`.
pub(super) fn child(rest: &str) -> &str {
    rest.find('/').map_or(rest, |slash| &rest[..=slash])
}
