//! The traits that a plugin implements.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use envelope::{Error, Request, Response, SpecialPaths, Storage, SystemView};

/// Makes one backend for each mount, all in this process.
#[async_trait]
pub trait Factory: Send + Sync + 'static {
    /// The plugin's version, with a leading `v`: without the `v` the server cannot mount a registered plugin.
    fn version(&self) -> String;

    /// Makes the backend of a mount. Storage and system view do not answer before this call has returned. The server
    /// shows the text of an error, and does not mount the plugin.
    async fn setup(&self, setup: Setup) -> Result<Arc<dyn Backend>, String>;
}

/// The settings of a mount, from the server.
pub struct Setup {
    /// Mount options, and the server's `plugin_name`, `plugin_type`, `plugin_version`.
    pub config: BTreeMap<String, String>,
    /// Identifies the mount for as long as it exists; `None` while the plugin is being registered.
    pub backend_uuid: Option<String>,
    /// The mount's storage. Each mount has a connection of its own to the server.
    pub storage: Arc<dyn Storage>,
    /// The server's view of the mount, over the same connection.
    pub system_view: Arc<dyn SystemView>,
}

/// The backend of one mount. The server makes calls concurrently; a call whose client has gone is dropped at its next
/// await.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Storage works from this call on. The server shows an error to the operator who enables the mount, and mounts the
    /// plugin all the same.
    async fn initialize(&self) -> Result<(), Error>;
    /// The server asks once each time it loads the mount.
    async fn special_paths(&self) -> Result<SpecialPaths, Error>;
    /// Serves one request. None = no response: 204 for a write, 404 for a read or list.
    async fn handle_request(&self, request: Request) -> Result<Option<Response>, Error>;
    /// Does the object exist that a write names? `None` = the path has no check. An error reaches the server as `None`
    /// too: the server would hide its text and answer 500, but the request itself comes next and has a text of its own.
    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error>;
    /// Another node changed a storage key.
    async fn invalidate_key(&self, key: &str);
    /// The server unloads the mount. Disabling a mount makes two such calls.
    async fn cleanup(&self);
}
