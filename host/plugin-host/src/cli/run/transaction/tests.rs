#![expect(clippy::unwrap_used, reason = "tests")]
use envelope::Storage as _;

use super::*;
use crate::cli::run::storage::FileStorage;

fn entry_of(key: &str, value: &str) -> StorageEntry {
    StorageEntry { key: key.to_owned(), value: value.as_bytes().to_vec(), seal_wrap: true }
}

async fn storage(keys: &[&str]) -> FileStorage {
    let storage = FileStorage::open(None).unwrap();
    for key in keys {
        storage.put(entry_of(key, "old")).await.unwrap();
    }
    storage
}

async fn value(view: &dyn StorageView, key: &str) -> Option<String> {
    view.get(key).await.unwrap().map(|entry| String::from_utf8(entry.value).unwrap())
}

#[tokio::test]
async fn lists_direct_children_with_folders_in_pages() {
    let storage = storage(&["a/b/c", "a/b/d", "a/x", "a/y", "a-", "z"]).await;
    let inside = storage.begin().await.unwrap().unwrap();
    for view in [&storage as &dyn StorageView, &*inside as &dyn StorageView] {
        assert_eq!(view.list("").await.unwrap(), ["a-", "a/", "z"]);
        assert_eq!(view.list("a/").await.unwrap(), ["b/", "x", "y"]);
        assert_eq!(view.list_page("a/", "b/", 1).await.unwrap(), ["x"]);
        assert_eq!(view.list_page("a/", "", 2).await.unwrap(), ["b/", "x"]);
        assert!(view.list("a/q/").await.unwrap().is_empty());
        assert!(view.list_page("a/", "", 0).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn writes_of_a_transaction_are_visible_outside_only_after_the_commit() {
    let storage = storage(&["kept", "gone"]).await;
    let transaction = storage.begin().await.unwrap().unwrap();
    transaction.put(entry_of("new", "1")).await.unwrap();
    transaction.delete("gone").await.unwrap();
    assert_eq!(transaction.list("").await.unwrap(), ["kept", "new"]);
    assert_eq!(value(&*transaction, "gone").await, None);
    assert_eq!(storage.list("").await.unwrap(), ["gone", "kept"]);
    transaction.commit().await.unwrap();
    assert_eq!(storage.list("").await.unwrap(), ["kept", "new"]);
    assert!(storage.get("new").await.unwrap().unwrap().seal_wrap);
}

#[tokio::test]
async fn a_dropped_transaction_changes_nothing_and_blocks_nobody() {
    let storage = storage(&[]).await;
    let transaction = storage.begin().await.unwrap().unwrap();
    transaction.put(entry_of("k", "1")).await.unwrap();
    storage.put(entry_of("beside", "2")).await.unwrap();
    drop(transaction);
    assert_eq!(storage.list("").await.unwrap(), ["beside"]);
}

#[tokio::test]
async fn a_commit_fails_if_another_transaction_wrote_what_this_one_read() {
    let storage = storage(&["k", "other", "list/a"]).await;
    let begin = async || storage.begin().await.unwrap().unwrap();
    let (reads, writes, lists, elsewhere) = (begin().await, begin().await, begin().await, begin().await);
    reads.get("k").await.unwrap();
    reads.put(entry_of("from-reads", "1")).await.unwrap();
    writes.put(entry_of("k", "mine")).await.unwrap();
    lists.list("list/").await.unwrap();
    elsewhere.put(entry_of("other", "new")).await.unwrap();
    storage.put(entry_of("k", "theirs")).await.unwrap();
    storage.put(entry_of("list/b", "theirs")).await.unwrap();
    for transaction in [reads, writes, lists] {
        assert!(matches!(transaction.commit().await, Err(StorageError::Conflict(_))));
    }
    elsewhere.commit().await.unwrap();
    assert_eq!(value(&storage, "k").await.as_deref(), Some("theirs"));
    assert_eq!(value(&storage, "other").await.as_deref(), Some("new"));
    assert_eq!(value(&storage, "from-reads").await, None);
}
