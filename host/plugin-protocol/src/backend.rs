//! What a plugin implements.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use envelope::{Error, Request, Response, SpecialPaths, Storage, SystemView};

/// Makes backends: one for each mount, all in this process.
#[async_trait]
pub trait Factory: Send + Sync + 'static {
    /// The plugin's version, with a leading `v`: without it the server cannot mount what it registered.
    fn version(&self) -> String;

    /// Makes the backend of a mount. Storage and system view do not answer
    /// before this call has returned. An error refuses the mount with its text.
    async fn setup(&self, setup: Setup) -> Result<Arc<dyn Backend>, String>;
}

/// What the server tells of a mount.
pub struct Setup {
    /// Mount options, and the server's `plugin_name`, `plugin_type`, `plugin_version`.
    pub config: BTreeMap<String, String>,
    /// Identifies the mount for as long as it exists; `None` while the plugin is being registered.
    pub backend_uuid: Option<String>,
    /// The mount's storage, over its own connection to the server.
    pub storage: Arc<dyn Storage>,
    /// The server's view, over the same connection.
    pub system_view: Arc<dyn SystemView>,
}

/// The backend of one mount. Calls come concurrently; a call whose client has
/// gone is dropped at its next await.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Storage works from here on. An error is shown to who enables the mount, which stays mounted all the same.
    async fn initialize(&self) -> Result<(), Error>;
    /// Read once for each load.
    async fn special_paths(&self) -> Result<SpecialPaths, Error>;
    /// Serves one request. None = no response: 204 for a write, 404 for a read or list.
    async fn handle_request(&self, request: Request) -> Result<Option<Response>, Error>;
    /// Does what a write names exist? None = its path has no check. An error is told to the server as none, too: it
    /// would hide the text and answer 500, and so the request comes and tells its own.
    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error>;
    /// A storage key was changed by another node.
    async fn invalidate_key(&self, key: &str);
    /// The mount goes; comes twice when it is disabled.
    async fn cleanup(&self);
}
