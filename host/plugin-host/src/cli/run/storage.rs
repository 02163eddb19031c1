//! The storage and the leases of a mount, in one file (redb) or in memory.
//!
//! Each write outside a transaction is a transaction of the file. Nothing is encrypted, as there is no seal.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use envelope::{Storage, StorageEntry, StorageError, StorageView, Transaction};
use local_server::{Leased, Leases};
use redb::backends::{FileBackend, InMemoryBackend};
use redb::{
    Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageBackend, TableDefinition,
    WriteTransaction,
};

use super::table::{self, ENTRIES, children, entry, failed};
use super::transaction::FileTransaction;
use crate::cli::{Failure, files};

/// The leases as JSON, by ID.
const LEASES: TableDefinition<'_, &str, &str> = TableDefinition::new("leases");
/// The backend UUID, and the number of leases that were made.
const MOUNT: TableDefinition<'_, &str, &str> = TableDefinition::new("mount");

/// The storage. Clones share one.
#[derive(Clone)]
pub(super) struct FileStorage {
    database: Arc<Database>,
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
        Ok(Self { database: Arc::new(database), backend_uuid })
    }

    /// The UUID of the mount, which was made with the file.
    pub(super) fn backend_uuid(&self) -> &str {
        &self.backend_uuid
    }

    fn write<T>(&self, work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>) -> Result<T, StorageError> {
        table::write(&self.database, work)
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&redb::ReadOnlyTable<&'static str, (bool, &'static [u8])>) -> Result<T, redb::StorageError>,
    ) -> Result<T, StorageError> {
        let table = self.database.begin_read().map_err(failed)?.open_table(ENTRIES).map_err(failed)?;
        work(&table).map_err(failed)
    }
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
    Failure::Not(format!("`{name}` cannot hold a mount's storage: {text}"))
}

#[async_trait]
impl StorageView for FileStorage {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        self.read(|table| entry(table, key))
    }

    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        self.write(|writing| {
            let value = (entry.seal_wrap, entry.value.as_slice());
            writing.open_table(ENTRIES)?.insert(entry.key.as_str(), value)?;
            Ok(())
        })
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        self.write(|writing| {
            writing.open_table(ENTRIES)?.remove(key)?;
            Ok(())
        })
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.read(|table| children(table, prefix, "", usize::MAX))
    }

    async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
        self.read(|table| children(table, prefix, after, limit as usize))
    }
}

#[async_trait]
impl Storage for FileStorage {
    async fn begin(&self) -> Result<Option<Box<dyn Transaction>>, StorageError> {
        let snapshot = self.database.begin_read().map_err(failed)?.open_table(ENTRIES).map_err(failed)?;
        Ok(Some(Box::new(FileTransaction::new(Arc::clone(&self.database), snapshot))))
    }
}
