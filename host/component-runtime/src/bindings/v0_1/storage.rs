//! Host side of `secrets-engine:host/storage`.

use std::sync::Arc;

use envelope::{StorageEntry, StorageError, StorageView};
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use wasmtime::component::Resource;

use super::host::storage::{Entry, Error, Host, HostTransaction};
use crate::capability::{RESERVED_PREFIX, is_reserved, list_visible};
use crate::limits::{READS_ADMITTED_AT_ONCE, READS_AT_ONCE, TEXT_FRAME_BYTES};
use crate::memory_account::{Account, Held, MemoryLimit};
use crate::storage_share::StorageCost::{Prepare, Read, Write};
use crate::store_state::{OpenTransaction, StoreState};

/// The outer error traps; the inner error goes to the guest.
type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl Host for StoreState {
    async fn get(&mut self, key: String) -> Answer<Option<Entry>> {
        granted!(self.quota.storage_call(&key), Error::Limit);
        self.mount.shared.storage.admit(Read, 1).await;
        let storage = Arc::clone(&self.mount.settings.storage);
        let found = get(&*storage, &key).await;
        self.count_read(&key, found)
    }

    async fn get_many(&mut self, keys: Vec<String>) -> Answer<Vec<Option<Entry>>> {
        // The calls count before the first read. The bytes count as they arrive, since 10,000 large entries would fill
        // the host's memory.
        for key in &keys {
            granted!(self.quota.storage_call(key), Error::Limit);
        }
        self.copy(texts_memory(&keys))?;
        let mut entries = Vec::new();
        for keys in keys.chunks(READS_ADMITTED_AT_ONCE) {
            self.mount.shared.storage.admit(Read, keys.len()).await;
            if let Err(error) = self.get_each(keys, &mut entries).await? {
                return Ok(Err(error));
            }
        }
        Ok(Ok(entries))
    }

    async fn put(&mut self, mut entry: Entry) -> Answer<()> {
        granted!(self.quota.storage_call(&entry.key), Error::Limit);
        granted!(self.quota.storage_bytes(entry.value.len()), Error::Limit);
        // Twice: the guest's value, which is here while the call waits, and the message to the server.
        self.copy(2 * entry.value.len())?;
        self.mount.shared.storage.admit(Write, 1).await;
        self.surrogates.open_entry(&entry.key, &mut entry.value)?;
        self.kept_lists.forget_key(&entry.key);
        let storage = Arc::clone(&self.mount.settings.storage);
        Ok(put(&*storage, entry).await)
    }

    async fn delete(&mut self, key: String) -> Answer<()> {
        granted!(self.quota.storage_call(&key), Error::Limit);
        self.mount.shared.storage.admit(Write, 1).await;
        self.kept_lists.forget_key(&key);
        let storage = Arc::clone(&self.mount.settings.storage);
        Ok(delete(&*storage, &key).await)
    }

    async fn list(&mut self, prefix: String) -> Answer<Vec<String>> {
        granted!(self.quota.storage_call(&prefix), Error::Limit);
        self.mount.shared.storage.admit(Read, 1).await;
        let storage = Arc::clone(&self.mount.settings.storage);
        let names = list(&*storage, &prefix, None).await;
        self.count_listed(names)
    }

    async fn list_page(&mut self, prefix: String, after: String, limit: u32) -> Answer<Vec<String>> {
        granted!(self.quota.storage_key(&after), Error::Limit);
        granted!(self.quota.storage_call(&prefix), Error::Limit);
        self.mount.shared.storage.admit(Read, 1).await;
        let storage = Arc::clone(&self.mount.settings.storage);
        let names = if storage.has_pages() || limit == 0 {
            list(&*storage, &prefix, Some((&after, limit))).await
        } else {
            self.page_of_all(&*storage, prefix, &after, limit).await?
        };
        self.count_listed(names)
    }

    async fn begin(&mut self) -> Answer<Option<Resource<OpenTransaction>>> {
        granted!(self.quota.storage_call(""), Error::Limit);
        self.mount.shared.storage.admit(Read, 1).await;
        granted!(self.quota.transaction_opened(), Error::Limit);
        let Some(place) = self.mount.shared.storage.transaction().await else {
            self.quota.transaction_closed();
            let max = self.limits.transactions_open_per_mount_max;
            return Ok(Err(Error::Limit(format!("limit of {max} open transactions of this mount reached"))));
        };
        let storage = Arc::clone(&self.mount.settings.storage);
        match storage.begin().await {
            Ok(Some(transaction)) => Ok(Ok(Some(self.table.push(OpenTransaction(Some((transaction, place))))?))),
            Ok(None) => {
                self.quota.transaction_closed();
                Ok(Ok(None))
            }
            Err(error) => {
                self.quota.transaction_closed();
                Ok(Err(into_wit(error)))
            }
        }
    }
}

impl HostTransaction for StoreState {
    async fn get(&mut self, transaction: Resource<OpenTransaction>, key: String) -> Answer<Option<Entry>> {
        granted!(self.quota.storage_call(&key), Error::Limit);
        self.mount.shared.storage.admit(Read, 1).await;
        let Some(view) = self.table.get(&transaction)?.view() else { return Ok(Err(finished())) };
        let found = get(view, &key).await;
        self.count_read(&key, found)
    }

    async fn put(&mut self, transaction: Resource<OpenTransaction>, mut entry: Entry) -> Answer<()> {
        granted!(self.quota.storage_call(&entry.key), Error::Limit);
        granted!(self.quota.storage_bytes(entry.value.len()), Error::Limit);
        // Twice: the guest's value, which is here while the call waits, and the message to the server.
        self.copy(2 * entry.value.len())?;
        self.mount.shared.storage.admit(Prepare, 1).await;
        self.surrogates.open_entry(&entry.key, &mut entry.value)?;
        let Some(view) = self.table.get(&transaction)?.view() else { return Ok(Err(finished())) };
        Ok(put(view, entry).await)
    }

    async fn delete(&mut self, transaction: Resource<OpenTransaction>, key: String) -> Answer<()> {
        granted!(self.quota.storage_call(&key), Error::Limit);
        self.mount.shared.storage.admit(Prepare, 1).await;
        let Some(view) = self.table.get(&transaction)?.view() else { return Ok(Err(finished())) };
        Ok(delete(view, &key).await)
    }

    async fn list(&mut self, transaction: Resource<OpenTransaction>, prefix: String) -> Answer<Vec<String>> {
        granted!(self.quota.storage_call(&prefix), Error::Limit);
        self.mount.shared.storage.admit(Read, 1).await;
        let Some(view) = self.table.get(&transaction)?.view() else { return Ok(Err(finished())) };
        let names = list(view, &prefix, None).await;
        self.count_listed(names)
    }

    async fn list_page(
        &mut self,
        transaction: Resource<OpenTransaction>,
        prefix: String,
        after: String,
        limit: u32,
    ) -> Answer<Vec<String>> {
        granted!(self.quota.storage_key(&after), Error::Limit);
        granted!(self.quota.storage_call(&prefix), Error::Limit);
        self.mount.shared.storage.admit(Read, 1).await;
        let Some(view) = self.table.get(&transaction)?.view() else { return Ok(Err(finished())) };
        let names = list(view, &prefix, Some((&after, limit))).await;
        self.count_listed(names)
    }

    async fn commit(&mut self, transaction: Resource<OpenTransaction>) -> Answer<()> {
        granted!(self.quota.storage_call(""), Error::Limit);
        self.mount.shared.storage.admit(Write, 1).await;
        let Some((open, _place)) = self.table.get_mut(&transaction)?.0.take() else { return Ok(Err(finished())) };
        self.quota.transaction_closed();
        Ok(open.commit().await.map_err(into_wit))
    }

    async fn drop(&mut self, transaction: Resource<OpenTransaction>) -> wasmtime::Result<()> {
        if self.table.delete(transaction)?.0.is_some() {
            self.quota.transaction_closed();
        }
        Ok(())
    }
}

impl StoreState {
    /// Reads entries, some at once, and adds them in the order of their keys.
    async fn get_each(&mut self, keys: &[String], entries: &mut Vec<Option<Entry>>) -> Answer<()> {
        let (storage, account) = (Arc::clone(&self.mount.settings.storage), self.account.clone());
        let mut waiting = keys.iter();
        let mut reads: FuturesOrdered<_> =
            waiting.by_ref().take(READS_AT_ONCE).map(|key| held_get(&*storage, key, &account)).collect();
        let mut answered = keys.iter();
        while let (Some((found, held)), Some(key)) = (reads.next().await, answered.next()) {
            self.copy_more(held?);
            match self.seal_read(key, found)? {
                Ok(entry) => entries.push(entry),
                Err(error) => return Ok(Err(error)),
            }
            reads.extend(waiting.next().map(|key| held_get(&*storage, key, &account)));
        }
        Ok(Ok(()))
    }

    /// A page, from a server that lists whole folders only.
    async fn page_of_all(
        &mut self,
        storage: &dyn StorageView,
        prefix: String,
        after: &str,
        limit: u32,
    ) -> Answer<Vec<String>> {
        if let Some(page) = self.kept_lists.page(&prefix, after, limit) {
            return Ok(Ok(page));
        }
        let names = match list(storage, &prefix, None).await {
            Ok(names) => names,
            Err(error) => return Ok(Err(error)),
        };
        let held = self.account.take(texts_memory(&names))?;
        Ok(Ok(self.kept_lists.keep(prefix, (names, held), after, limit)))
    }

    /// Reserves memory for an entry that was read, counts its bytes, and seals its secrets.
    fn count_read(&mut self, key: &str, found: Result<Option<Entry>, Error>) -> Answer<Option<Entry>> {
        self.copy(entry_memory(&found))?;
        self.seal_read(key, found)
    }

    /// Counts the bytes of an entry, then seals its secrets. The count comes after the read, but protects the guest's
    /// memory.
    fn seal_read(&mut self, key: &str, mut found: Result<Option<Entry>, Error>) -> Answer<Option<Entry>> {
        if let Ok(Some(entry)) = &mut found {
            granted!(self.quota.storage_bytes(entry.value.len()), Error::Limit);
            if let Err(error) = self.surrogates.seal_entry(key, &mut entry.value) {
                return Ok(Err(Error::Limit(error.to_string())));
            }
        }
        Ok(found)
    }

    fn count_listed(&mut self, names: Result<Vec<String>, Error>) -> Answer<Vec<String>> {
        if let Ok(names) = &names {
            granted!(self.quota.storage_keys_listed(names.len()), Error::Limit);
            self.copy(texts_memory(names))?;
        }
        Ok(names)
    }
}

/// Reads an entry and reserves its memory, because the entry waits for earlier ones.
async fn held_get(
    view: &dyn StorageView,
    key: &str,
    account: &Account,
) -> (Result<Option<Entry>, Error>, Result<Held, MemoryLimit>) {
    let found = get(view, key).await;
    let held = account.take(entry_memory(&found));
    (found, held)
}

fn entry_memory(found: &Result<Option<Entry>, Error>) -> usize {
    let entry = found.as_ref().ok().and_then(Option::as_ref);
    entry.map_or(0, |entry| TEXT_FRAME_BYTES + entry.key.len() + entry.value.len())
}

fn texts_memory(texts: &[String]) -> usize {
    texts.iter().map(|text| text.len() + size_of::<String>()).sum()
}

async fn get(view: &dyn StorageView, key: &str) -> Result<Option<Entry>, Error> {
    check_key(key)?;
    let entry = view.get(key).await.map_err(into_wit)?;
    Ok(entry.map(|entry| Entry { key: entry.key, value: entry.value, seal_wrap: entry.seal_wrap }))
}

async fn put(view: &dyn StorageView, entry: Entry) -> Result<(), Error> {
    check_key(&entry.key)?;
    let entry = StorageEntry { key: entry.key, value: entry.value, seal_wrap: entry.seal_wrap };
    view.put(entry).await.map_err(into_wit)
}

async fn delete(view: &dyn StorageView, key: &str) -> Result<(), Error> {
    check_key(key)?;
    view.delete(key).await.map_err(into_wit)
}

async fn list(view: &dyn StorageView, prefix: &str, page: Option<(&str, u32)>) -> Result<Vec<String>, Error> {
    if !prefix.is_empty() {
        check_path(prefix)?;
        if !prefix.ends_with('/') {
            return Err(Error::Failed("a storage prefix ends in `/`".into()));
        }
    }
    list_visible(view, prefix, page).await.map_err(into_wit)
}

/// Keeps a guest within its prefix. The server checks keys a second time.
fn check_key(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.ends_with('/') {
        return Err(Error::Failed("a storage key is not empty and does not end in `/`".into()));
    }
    check_path(key)
}

fn check_path(path: &str) -> Result<(), Error> {
    if path.starts_with('/') || path.split('/').any(|segment| segment == "..") {
        return Err(Error::Failed("a storage key has no leading `/` and no segment `..`".into()));
    }
    if is_reserved(path) {
        return Err(Error::Failed(format!("storage below `{RESERVED_PREFIX}` is the host's own")));
    }
    Ok(())
}

fn finished() -> Error {
    Error::Failed("the transaction is finished".into())
}

fn into_wit(error: StorageError) -> Error {
    match error {
        StorageError::ReadOnly(text) => Error::ReadOnly(text),
        StorageError::Conflict(text) => Error::Conflict(text),
        StorageError::Failed(text) => Error::Failed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_below_the_mount() {
        for good in ["role/a", "a", "a/b/c", "a..b", "..a"] {
            assert!(check_key(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "..", "../a", "a/../b", "a/..", "secrets-engine-host/module"] {
            assert!(check_key(bad).is_err(), "{bad}");
        }
    }
}
