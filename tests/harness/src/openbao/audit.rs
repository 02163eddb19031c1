//! The audit device of a server: OpenBao enables it by the configuration file, Vault by the API.

use serde_json::json;

use super::{Product, Server};

/// The file of the audit device. The path is relative to the server's own folder, because nodes of one cluster must
/// have exactly the same path.
pub(super) const AUDIT_FILE: &str = "audit.log";

impl Server {
    /// Enables the audit device if the configuration does not.
    pub(super) fn enable_audit(&self) {
        if !Product::of_binary().audits_by_configuration() {
            let device = json!({ "type": "file", "options": { "file_path": AUDIT_FILE } });
            self.client().must("PUT", "sys/audit/to-file", &device);
        }
    }

    /// The audit device's lines so far.
    ///
    /// # Panics
    /// When there is no file; see [`Self::log`].
    pub fn audit_log(&self) -> String {
        self.audit_log_since(0)
    }

    /// The lines that were added since the file had this size.
    pub(super) fn audit_log_since(&self, bytes: u64) -> String {
        // A standby of Vault opens the device when it becomes active.
        let is_opened = Product::of_binary().audits_by_configuration() || self.is_active();
        let is_there = self.folder().join(AUDIT_FILE).exists();
        if is_opened || is_there { self.lines_since(AUDIT_FILE, bytes) } else { String::new() }
    }
}
