//! Plays the server against a real plugin process, `tests/toy/plugin.rs`:
//! handshake, TLS, broker, mounts, storage, faults and the end.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types, reason = "tests")]

mod end;
mod mounts;
mod peers;
mod requests;
mod start;
mod storage;

use std::time::Duration;

use envelope::{Entity, Error, Lease, Operation, StorageEntry};
use plugin_protocol::testing::{
    Announce, Launch, MemoryStorage, MemorySystemView, Mount, MountOptions, PluginProcess, StorageKind, TestError,
    request,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

fn toy() -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_toy-plugin"))
}

async fn mounted() -> (PluginProcess, Mount) {
    let plugin = toy().start().await.unwrap();
    let mount = plugin.mount(MountOptions::default()).await.unwrap();
    (plugin, mount)
}

async fn mounted_on(storage: &std::sync::Arc<MemoryStorage>) -> (PluginProcess, Mount) {
    let plugin = toy().start().await.unwrap();
    let options = MountOptions { storage: storage.clone(), ..MountOptions::default() };
    let mount = plugin.mount(options).await.unwrap();
    (plugin, mount)
}

/// The data of an answer.
async fn ask(mount: &Mount, operation: Operation, path: &str, data: &Value) -> Result<Option<Value>, TestError> {
    let response = mount.handle_request(request(operation, path, &data.to_string())).await?;
    Ok(response.and_then(|response| response.data).map(|data| serde_json::from_str(&data).unwrap()))
}

async fn read(mount: &Mount, path: &str) -> Result<Option<Value>, TestError> {
    ask(mount, Operation::Read, path, &Value::Null).await
}

fn call_message(error: TestError) -> String {
    match error {
        TestError::Call { message, .. } => message,
        other => panic!("expected gRPC's error, got {other:?}"),
    }
}

fn backend_error(outcome: Result<impl Sized, TestError>) -> Error {
    match outcome.map(|_| ()).unwrap_err() {
        TestError::Backend(error) => error,
        other => panic!("expected the backend's error, got {other:?}"),
    }
}

fn signal(plugin: &PluginProcess, name: &str) {
    let id = plugin.process_id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args([name, &id]).status().unwrap().success());
}

/// Every line that a plugin wrote to stderr must be one the server can read.
fn assert_hclog(log: &str) {
    for line in log.lines() {
        let object: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        for key in ["@level", "@message", "@timestamp"] {
            assert!(object[key].is_string(), "{line}");
        }
        assert!(line.len() < 64 << 10);
    }
}
