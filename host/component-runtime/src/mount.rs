//! A mount, as guests see it through their imports.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::capability::{Storage, SystemView};

/// What a mount is made of.
pub struct MountSettings {
    /// The server's UUID of the backend.
    pub backend_uuid: String,
    /// For log lines.
    pub name: String,
    /// The mount's options.
    pub options: BTreeMap<String, String>,
    /// Its storage.
    pub storage: Arc<dyn Storage>,
    /// Its system view.
    pub system_view: Arc<dyn SystemView>,
}

/// One mount.
pub struct Mount {}
