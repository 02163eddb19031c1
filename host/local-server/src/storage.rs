//! The entries of a mount in memory, and transactions by the rules of OpenBao.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use envelope::{StorageEntry, StorageError};

/// All entries of a mount, by key.
pub type Entries = BTreeMap<String, StorageEntry>;

/// Changes by key; `None` = deleted.
pub type Changes = BTreeMap<String, Option<StorageEntry>>;

/// The direct children of a prefix that are greater than `after`, sorted; folders end in `/`.
#[must_use]
pub fn children(entries: &Entries, prefix: &str, after: &str, limit: usize) -> Vec<String> {
    let from = entries.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
    let below = from.map_while(|(key, _)| key.strip_prefix(prefix));
    let mut names: Vec<String> = Vec::new();
    for name in below.map(|rest| rest.find('/').map_or(rest, |slash| &rest[..=slash])).filter(|name| *name > after) {
        if names.last().is_some_and(|last| last == name) {
            continue;
        }
        if names.len() == limit {
            break;
        }
        names.push(name.to_owned());
    }
    names
}

/// Makes changes.
pub fn apply(entries: &mut Entries, changes: Changes) {
    for (key, entry) in changes {
        match entry {
            Some(entry) => drop(entries.insert(key, entry)),
            None => drop(entries.remove(&key)),
        }
    }
}

/// The work of a transaction: it sees the entries of its beginning and its own writes.
pub struct Work {
    base: Entries,
    view: Entries,
    touched: BTreeSet<String>,
    listed: BTreeSet<String>,
    changes: Changes,
}

impl Work {
    /// Begins with these entries.
    #[must_use]
    pub fn new(base: Entries) -> Self {
        let view = base.clone();
        Self { base, view, touched: BTreeSet::new(), listed: BTreeSet::new(), changes: Changes::new() }
    }

    /// Reads an entry.
    pub fn get(&mut self, key: &str) -> Option<StorageEntry> {
        self.touched.insert(key.to_owned());
        self.view.get(key).cloned()
    }

    /// Writes or deletes an entry.
    pub fn change(&mut self, key: &str, entry: Option<StorageEntry>) {
        self.touched.insert(key.to_owned());
        let change = Changes::from([(key.to_owned(), entry)]);
        apply(&mut self.view, change.clone());
        self.changes.extend(change);
    }

    /// As [`children`].
    pub fn list(&mut self, prefix: &str, after: &str, limit: usize) -> Vec<String> {
        self.listed.insert(prefix.to_owned());
        children(&self.view, prefix, after, limit)
    }

    /// The changes of the transaction, for a storage that has these entries now.
    ///
    /// # Errors
    /// `Conflict` if another transaction has written what this one read or wrote.
    pub fn changes(self, now: &Entries) -> Result<Changes, StorageError> {
        let Self { base, touched, listed, changes, .. } = self;
        let is_changed = |key: &String| now.get(key) != base.get(key);
        let [before, after] = [&base, now].map(|entries| move |prefix: &str| children(entries, prefix, "", usize::MAX));
        let is_relisted = |prefix: &String| before(prefix) != after(prefix);
        if touched.iter().any(is_changed) || listed.iter().any(is_relisted) {
            return Err(StorageError::Conflict("transaction commit failed: conflict".to_owned()));
        }
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn entries(keys: &[&str]) -> Entries {
        let entry = |key: &str| StorageEntry { key: key.to_owned(), value: b"{}".to_vec(), seal_wrap: false };
        keys.iter().map(|key| ((*key).to_owned(), entry(key))).collect()
    }

    #[test]
    fn children_are_direct_with_folders_and_in_pages() {
        let entries = entries(&["a/b/c", "a/b/d", "a/x", "a/y", "a-", "z"]);
        let rows: [(&str, &str, usize, &[&str]); 6] = [
            ("", "", usize::MAX, &["a-", "a/", "z"]),
            ("a/", "", usize::MAX, &["b/", "x", "y"]),
            ("a/", "b/", 1, &["x"]),
            ("a/", "", 2, &["b/", "x"]),
            ("a/q/", "", usize::MAX, &[]),
            ("a/", "", 0, &[]),
        ];
        for (prefix, after, limit, expected) in rows {
            assert_eq!(children(&entries, prefix, after, limit), expected, "{prefix} after {after}");
        }
    }

    #[test]
    fn a_transaction_sees_its_own_writes_and_conflicts_with_others_writes() {
        let base = entries(&["gone", "kept"]);
        let written = || {
            let mut work = Work::new(base.clone());
            work.change("gone", None);
            work.change("new", entries(&["new"]).remove("new"));
            work
        };
        let mut work = written();
        assert_eq!(
            (work.list("", "", usize::MAX), work.get("gone")),
            (vec!["kept".to_owned(), "new".to_owned()], None)
        );
        let mut after = base.clone();
        apply(&mut after, work.changes(&base).unwrap());
        assert_eq!(after, entries(&["kept", "new"]));
        assert!(written().changes(&after).is_err(), "another transaction wrote the same keys");
        let mut reads = Work::new(base.clone());
        reads.get("kept");
        assert!(reads.changes(&after).unwrap().is_empty(), "nobody wrote what it read");
    }
}
