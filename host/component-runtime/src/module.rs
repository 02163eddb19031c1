//! A loaded component, ready to be instantiated for each request.

use std::sync::Arc;

use crate::{InvokeError, Mount, Request, Response, SpecialPaths};

/// What an engine says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Semantic version without leading `v`.
    pub version: String,
    /// See there.
    pub special_paths: SpecialPaths,
    /// Values of `secret_type`.
    pub secret_kinds: Vec<String>,
}

/// A loaded component.
pub struct Module {}

impl Module {
    /// As the guest described itself when loaded.
    pub fn description(&self) -> &Description {
        unimplemented!()
    }

    /// Serves one request in a fresh instance. Dropping the future ends the instance.
    pub async fn handle_request(&self, mount: &Arc<Mount>, request: Request) -> Result<Option<Response>, InvokeError> {
        let _ = (mount, request);
        unimplemented!()
    }

    /// Existence check in a fresh instance.
    pub async fn check_existence(&self, mount: &Arc<Mount>, request: Request) -> Result<Option<bool>, InvokeError> {
        let _ = (mount, request);
        unimplemented!()
    }
}
