//! What both floor plugins share: how they are served, and the settings that they store.

pub mod astra;

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use plugin_protocol::{
    Backend, Error, Factory, Operation, Request, Response, ServeOptions, Setup, SpecialPaths, StorageClient,
    StorageEntry, StorageError, StorageView as _,
};
use serde_json::Value;
use tracing::level_filters::LevelFilter;

/// How a floor plugin answers what is no write of settings.
#[async_trait]
pub trait Floor: Send + Sync + 'static {
    /// Makes the floor of one mount.
    fn new(storage: StorageClient) -> Self;
    /// Serves one request.
    async fn answer(&self, request: Request) -> Result<Option<Response>, Error>;
}

/// Serves a floor until the server stops the plugin. Ignores all arguments.
#[must_use]
pub fn run<F: Floor>(program: &'static str) -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let options = ServeOptions { program, log_level: LevelFilter::INFO };
    let code =
        runtime.block_on(plugin_protocol::serve(options, || Ok(Arc::new(Mounts::<F>(std::marker::PhantomData)))));
    runtime.shutdown_background();
    code
}

struct Mounts<F>(std::marker::PhantomData<fn() -> F>);

#[async_trait]
impl<F: Floor> Factory for Mounts<F> {
    fn version(&self) -> String {
        concat!("v", env!("CARGO_PKG_VERSION")).to_owned()
    }

    async fn setup(&self, setup: Setup) -> Result<Arc<dyn Backend>, String> {
        let floor = F::new(setup.storage.clone());
        Ok(Arc::new(Mount { storage: setup.storage, floor }))
    }
}

struct Mount<F> {
    storage: StorageClient,
    floor: F,
}

#[async_trait]
impl<F: Floor> Backend for Mount<F> {
    async fn initialize(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn special_paths(&self) -> Result<SpecialPaths, Error> {
        Ok(SpecialPaths::default())
    }

    async fn handle_request(&self, request: Request) -> Result<Option<Response>, Error> {
        let is_write = matches!(request.operation, Operation::Create | Operation::Update);
        if let (true, Some(key)) = (is_write, settings_key(&request.path)) {
            let value = request.data.into_bytes();
            self.storage.put(StorageEntry { key, value, seal_wrap: false }).await.map_err(failed)?;
            return Ok(None);
        }
        self.floor.answer(request).await
    }

    async fn check_existence(&self, _: Request) -> Result<Option<bool>, Error> {
        Ok(None)
    }

    async fn invalidate_key(&self, _: &str) {}

    async fn cleanup(&self) {}
}

/// Where a config or a role is stored: `config/ORG` or `role/ORG:NAME`.
#[must_use]
pub fn settings_key(path: &str) -> Option<String> {
    match path.split('/').collect::<Vec<_>>()[..] {
        ["config", org] => Some(config_key(org)),
        ["roles", org, name] => Some(role_key(org, name)),
        _ => None,
    }
}

/// Where the config of an organization is stored.
#[must_use]
pub fn config_key(org: &str) -> String {
    format!("config/{org}")
}

/// Where a role is stored.
#[must_use]
pub fn role_key(org: &str, name: &str) -> String {
    format!("role/{org}:{name}")
}

/// An entry that must be there, as JSON.
///
/// # Errors
/// When storage fails, when there is no entry, and when the entry is no JSON.
pub async fn stored(storage: &StorageClient, key: &str) -> Result<Value, Error> {
    let entry = storage.get(key).await.map_err(failed)?;
    let entry = entry.ok_or_else(|| Error::BadRequest(format!("`{key}` is not stored")))?;
    serde_json::from_slice(&entry.value).map_err(|error| Error::Internal(format!("`{key}`: {error}")))
}

/// An answer with these data.
#[must_use]
pub fn answer(data: &Value) -> Response {
    Response { data: Some(data.to_string()), ..Response::default() }
}

/// A failure of storage.
#[must_use]
pub fn failed(error: StorageError) -> Error {
    match error {
        // The server forwards the request by this text.
        StorageError::ReadOnly(text) => Error::Plain(text),
        error => Error::Internal(error.to_string()),
    }
}

/// A text of a JSON object; empty if it is not there.
#[must_use]
pub fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}
