//! The storage and the leases of a mount, in one file (redb) or in memory.
//!
//! Entries are read from memory; each change is in the file before the write returns. Nothing is encrypted, as there is
//! no seal.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use envelope::{Storage, StorageEntry, StorageError, StorageView, Transaction};
use local_server::{Changes, Entries, Leased, Leases, Work, apply, children};
use redb::backends::{FileBackend, InMemoryBackend};
use redb::{
    Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageBackend, TableDefinition,
    WriteTransaction,
};

use super::transaction::FileTransaction;
use crate::failure::Failure;
use crate::files;

/// Seal-wrap mark and value, by key.
const ENTRIES: TableDefinition<'_, &str, (bool, &[u8])> = TableDefinition::new("entries");
/// The leases as JSON, by ID.
const LEASES: TableDefinition<'_, &str, &str> = TableDefinition::new("leases");
/// The backend UUID, and the number of leases that were made.
const MOUNT: TableDefinition<'_, &str, &str> = TableDefinition::new("mount");

/// The storage. Clones share one.
#[derive(Clone)]
pub(super) struct FileStorage {
    database: Arc<Database>,
    entries: Arc<Mutex<Entries>>,
    backend_uuid: String,
}

impl FileStorage {
    /// Opens a storage file, and makes the file if needed; without a path, in memory.
    ///
    /// # Errors
    /// When the file cannot be opened, is no storage file, or is open in another process.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Self::start(InMemoryBackend::new()).map_err(|text| wrong("memory", &text));
        };
        let name = path.display().to_string();
        let file = files::open_private(path)?;
        let backend = FileBackend::new(file).map_err(|error| wrong(&name, &error.to_string()))?;
        Self::start(backend).map_err(|text| wrong(&name, &text))
    }

    fn start(backend: impl StorageBackend) -> Result<Self, String> {
        let database = Database::builder().create_with_backend(backend).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => "another process has it open".to_owned(),
            other => other.to_string(),
        })?;
        let backend_uuid = prepare(&database).map_err(|error| error.to_string())?;
        let entries = read_entries(&database).map_err(|error| error.to_string())?;
        Ok(Self { database: Arc::new(database), entries: Arc::new(Mutex::new(entries)), backend_uuid })
    }

    /// The UUID of the mount, which was made with the file.
    pub(super) fn backend_uuid(&self) -> &str {
        &self.backend_uuid
    }

    /// Works in a transaction of the file.
    fn write<T>(&self, work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>) -> Result<T, StorageError> {
        let writing = self.database.begin_write().map_err(failed)?;
        let done = work(&writing).map_err(failed)?;
        writing.commit().map_err(failed)?;
        Ok(done)
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the changes that follow from the present entries, in the file first.
    pub(super) fn change(
        &self,
        changes: impl FnOnce(&Entries) -> Result<Changes, StorageError>,
    ) -> Result<(), StorageError> {
        let mut entries = self.entries();
        let changes = changes(&entries)?;
        self.write(|writing| {
            let mut table = writing.open_table(ENTRIES)?;
            for (key, entry) in &changes {
                match entry {
                    Some(entry) => drop(table.insert(key.as_str(), (entry.seal_wrap, entry.value.as_slice()))?),
                    None => drop(table.remove(key.as_str())?),
                }
            }
            Ok(())
        })?;
        apply(&mut entries, changes);
        Ok(())
    }
}

fn failed(error: impl ToString) -> StorageError {
    StorageError::Failed(format!("storage file: {}", error.to_string()))
}

fn read_entries(database: &Database) -> Result<Entries, redb::Error> {
    let table = database.begin_read()?.open_table(ENTRIES)?;
    let mut entries = Entries::new();
    for found in table.iter()? {
        let (key, value) = found?;
        let (key, (seal_wrap, value)) = (key.value().to_owned(), value.value());
        entries.insert(key.clone(), StorageEntry { key, value: value.to_vec(), seal_wrap });
    }
    Ok(entries)
}

impl Leases for FileStorage {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    /// The ID is unique in this file.
    fn new_id(&self, path: &str) -> Result<String, StorageError> {
        self.write(|writing| {
            let mut mount = writing.open_table(MOUNT)?;
            let before = mount.get("leases_made")?.and_then(|number| number.value().parse::<u64>().ok());
            let number = before.unwrap_or_default() + 1;
            mount.insert("leases_made", number.to_string().as_str())?;
            Ok(format!("{path}/{number}"))
        })
    }

    fn get(&self, id: &str) -> Result<Option<Leased>, StorageError> {
        let table = self.database.begin_read().map_err(failed)?.open_table(LEASES).map_err(failed)?;
        let Some(json) = table.get(id).map_err(failed)? else { return Ok(None) };
        serde_json::from_str(json.value()).map(Some).map_err(failed)
    }

    fn put(&self, leased: Leased) -> Result<(), StorageError> {
        let json = serde_json::to_string(&leased).map_err(failed)?;
        self.write(|writing| {
            writing.open_table(LEASES)?.insert(leased.lease.id.as_str(), json.as_str())?;
            Ok(())
        })
    }

    fn remove(&self, id: &str) -> Result<(), StorageError> {
        self.write(|writing| {
            writing.open_table(LEASES)?.remove(id)?;
            Ok(())
        })
    }
}

/// Makes the tables, so that readers find them, and the mount's UUID if there is none.
fn prepare(database: &Database) -> Result<String, redb::Error> {
    let writing = database.begin_write()?;
    writing.open_table(ENTRIES)?;
    writing.open_table(LEASES)?;
    let mut mount = writing.open_table(MOUNT)?;
    let known = mount.get("backend_uuid")?.map(|uuid| uuid.value().to_owned());
    let backend_uuid = known.unwrap_or_else(unique);
    mount.insert("backend_uuid", backend_uuid.as_str())?;
    drop(mount);
    writing.commit()?;
    Ok(backend_uuid)
}

/// A new UUID. The UUID tells mounts apart and protects no secret, so the random seed of hash maps is enough.
fn unique() -> String {
    let [high, low] = [0, 1].map(|turn| RandomState::new().hash_one((std::process::id(), turn)));
    let hex = format!("{high:016x}{low:016x}");
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]);
    format!("{a}-{b}-4{c}-8{d}-{e}")
}

fn wrong(name: &str, text: &str) -> Failure {
    Failure::Failed(format!("`{name}` cannot hold a mount's storage: {text}"))
}

#[async_trait]
impl StorageView for FileStorage {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        Ok(self.entries().get(key).cloned())
    }

    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.change(|_| Ok(Changes::from([(entry.key.clone(), Some(entry))])))
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.change(|_| Ok(Changes::from([(key.to_owned(), None)])))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        Ok(children(&self.entries(), prefix, "", usize::MAX))
    }

    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        Ok(children(&self.entries(), prefix, after, limit as usize))
    }
}

#[async_trait]
impl Storage for FileStorage {
    async fn begin(&self) -> Result<Option<Box<dyn Transaction>>, StorageError> {
        let work = Work::new(self.entries().clone());
        Ok(Some(Box::new(FileTransaction::new(self.clone(), work))))
    }
}
