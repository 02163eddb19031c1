//! Writes entries and leases directly into the server's own storage, as if they came from an earlier time.

use serde_json::{Value, json};

use super::Server;

/// Writes at a time: the server commits waiting writes in one step.
const WRITERS: usize = 32;

impl Server {
    /// Writes an entry into a mount's storage.
    ///
    /// # Panics
    /// When the server refuses the write.
    #[track_caller]
    pub fn put_entry(&self, mount_point: &str, key: &str, entry: &Value) {
        self.put_raw(&self.raw_key(mount_point, key), entry);
    }

    /// Writes many entries into a mount's storage, several at a time.
    ///
    /// # Panics
    /// When the server refuses a write.
    pub fn put_entries(&self, mount_point: &str, entries: &[(String, Value)]) {
        let folder = self.raw_key(mount_point, "");
        std::thread::scope(|scope| {
            for part in entries.chunks(entries.len().div_ceil(WRITERS).max(1)) {
                let folder = &folder;
                scope
                    .spawn(move || part.iter().for_each(|(key, entry)| self.put_raw(&format!("{folder}{key}"), entry)));
            }
        });
    }

    /// Deletes an entry of a mount's storage.
    ///
    /// # Panics
    /// When the server refuses the deletion.
    #[track_caller]
    pub fn delete_entry(&self, mount_point: &str, key: &str) {
        let key = self.raw_key(mount_point, key);
        self.client().must("DELETE", &format!("sys/raw/{key}"), &Value::Null);
    }

    #[track_caller]
    fn raw_key(&self, mount_point: &str, key: &str) -> String {
        let mount = mount_point.trim_end_matches('/');
        let mount = self.client().must("GET", &format!("sys/mounts/{mount}"), &Value::Null);
        let uuid = mount["data"]["uuid"].as_str().unwrap_or_default();
        assert!(!uuid.is_empty(), "the mount `{mount_point}` has no UUID: {mount}");
        format!("logical/{uuid}/{key}")
    }

    /// Writes a lease in the server's form, on behalf of the root token. The server loads the lease at its next unseal.
    ///
    /// # Panics
    /// When the server refuses the write.
    #[track_caller]
    pub fn put_lease(&self, id: &str, entry: &Value) {
        let mut entry = entry.clone();
        entry["client_token"] = json!(self.root_token());
        self.put_raw(&format!("sys/expire/id/{id}"), &entry);
    }

    #[track_caller]
    fn put_raw(&self, key: &str, entry: &Value) {
        let key = key.replace(' ', "%20");
        self.client().must("PUT", &format!("sys/raw/{key}"), &json!({ "value": entry.to_string() }));
    }
}
