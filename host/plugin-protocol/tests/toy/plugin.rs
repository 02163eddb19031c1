//! A plugin with a toy backend, for `tests/server`.
//!
//! Does by name what a test wants to see: uses storage, fails, panics, hangs.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's other half; panicking is one of its jobs")]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use envelope::{
    Error, Operation, Request, Response, Secret, SpecialPaths, StorageEntry, StorageError, StorageView,
    SystemViewError, Transaction,
};
use plugin_protocol::testing::serve_watched;
use plugin_protocol::{Backend, Factory, ServeOptions, Setup};
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| args.iter().any(|arg| arg == name);
    let (fails, panics) = (has("factory-fails"), has("factory-panics"));
    let watchdog = has("impatient").then(|| Duration::from_millis(50));
    let options = ServeOptions { program: "toy-plugin", log_level: LevelFilter::DEBUG };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let code = runtime.block_on(serve_watched(options, watchdog, move || match (fails, panics) {
        (true, _) => Err("the toy is broken".to_owned()),
        (_, true) => panic!("the toy panics"),
        _ => Ok(Arc::new(ToyFactory)),
    }));
    runtime.shutdown_background();
    code
}

struct ToyFactory;

#[async_trait::async_trait]
impl Factory for ToyFactory {
    fn version(&self) -> String {
        "v1.2.3".to_owned()
    }

    async fn setup(&self, setup: Setup) -> Result<Arc<dyn Backend>, String> {
        match setup.config.get("setup").map(String::as_str) {
            Some("refuse") => Err("this mount is refused".to_owned()),
            Some("panic") => panic!("setup panics"),
            _ => Ok(Arc::new(Toy { setup, invalidated: AtomicU64::new(0), cleanups: AtomicU64::new(0) })),
        }
    }
}

struct Toy {
    setup: Setup,
    invalidated: AtomicU64,
    cleanups: AtomicU64,
}

/// Tells the log when it is dropped.
struct TellDrop(&'static str);

impl Drop for TellDrop {
    fn drop(&mut self) {
        tracing::info!("{} was dropped", self.0);
    }
}

#[async_trait::async_trait]
impl Backend for Toy {
    async fn initialize(&self) -> Result<(), Error> {
        match self.setup.config.get("initialize").map(String::as_str) {
            Some("refuse") => Err(Error::Plain("not initialized".into())),
            _ => Ok(()),
        }
    }

    async fn special_paths(&self) -> Result<SpecialPaths, Error> {
        Ok(SpecialPaths { seal_wrap_storage: vec!["config/".into()], ..SpecialPaths::default() })
    }

    async fn handle_request(&self, request: Request) -> Result<Option<Response>, Error> {
        let path = request.path.clone();
        match path.split_once('/').unwrap_or((&path, "")) {
            ("echo", _) => answer(&echo(&request)),
            ("uuid", _) => answer(&json!({ "uuid": self.setup.backend_uuid, "config": self.setup.config })),
            ("kv", key) => self.key_value(&request, key).await,
            ("page", prefix) => {
                let data = data(&request);
                let limit = u32::try_from(data["limit"].as_u64().unwrap()).unwrap();
                let after = data["after"].as_str().unwrap();
                let keys = self.setup.storage.list_page(prefix, after, limit).await.map_err(storage_error)?;
                answer(&json!({ "keys": keys }))
            }
            ("transaction", how) => self.transaction(how).await,
            ("system-view", _) => self.system_view().await,
            ("large", _) => answer(
                &json!({ "blob": "x".repeat(usize::try_from(data(&request)["bytes"].as_u64().unwrap()).unwrap()) }),
            ),
            ("length", _) => answer(&json!({ "length": request.data.len() })),
            ("lease", _) => lease(&request),
            ("fail", kind) => Err(error(kind)),
            ("text", text) => Ok(Some(Response { data: Some(text.to_owned()), ..Response::default() })),
            ("panic", "formatted") => panic!("the data was {}", request.data),
            ("panic", _) => panic!("a literal reason"),
            ("hang", _) => {
                let _told = TellDrop("a hanging request");
                tracing::info!("a request hangs");
                std::future::pending().await
            }
            ("log", _) => {
                tracing::info!(message = 5, "@level" = 5, error = %request.data, "{}", "x".repeat(100_000));
                Ok(None)
            }
            ("counts", _) => answer(&json!({ "invalidated": self.invalidated.load(Ordering::Relaxed) })),
            _ => Err(Error::UnsupportedPath),
        }
    }

    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error> {
        match request.path.split_once('/') {
            Some(("kv", key)) => Ok(Some(self.setup.storage.get(key).await.map_err(storage_error)?.is_some())),
            Some(("fail", kind)) => Err(error(kind)),
            Some(("panic", _)) => panic!("a check panics"),
            _ => Ok(None),
        }
    }

    async fn invalidate_key(&self, key: &str) {
        assert_ne!(key, "panic", "invalidation panics");
        self.invalidated.fetch_add(1, Ordering::Relaxed);
    }

    async fn cleanup(&self) {
        let before = self.cleanups.fetch_add(1, Ordering::Relaxed);
        tracing::info!(before, "cleaned up");
    }
}

impl Toy {
    async fn key_value(&self, request: &Request, key: &str) -> Result<Option<Response>, Error> {
        let storage = &self.setup.storage;
        match request.operation {
            Operation::Read => {
                let entry = storage.get(key).await.map_err(storage_error)?;
                let Some(entry) = entry else { return Ok(None) };
                answer(&json!({ "value": String::from_utf8(entry.value).unwrap(), "seal_wrap": entry.seal_wrap }))
            }
            Operation::Create | Operation::Update => {
                let value = data(request)["value"].as_str().unwrap().as_bytes().to_vec();
                let entry = StorageEntry { key: key.to_owned(), value, seal_wrap: true };
                storage.put(entry).await.map_err(storage_error)?;
                Ok(None)
            }
            Operation::Delete => storage.delete(key).await.map_err(storage_error).map(|()| None),
            Operation::List => {
                let keys = storage.list(key).await.map_err(storage_error)?;
                answer(&json!({ "keys": keys }))
            }
            _ => Err(Error::UnsupportedOperation),
        }
    }

    /// Works on the keys `a` and `b` in a transaction and ends it in some way.
    async fn transaction(&self, how: &str) -> Result<Option<Response>, Error> {
        let storage = &self.setup.storage;
        let Some(transaction) = storage.begin().await.map_err(storage_error)? else {
            return answer(&json!({ "transactions": false }));
        };
        match how {
            "many" => return many(transaction).await,
            "careless" => return careless(transaction).await,
            "two-reads" => return two_reads(transaction).await,
            _ => {}
        }
        let inside = self.work_in(&*transaction).await.map_err(storage_error)?;
        let outside = storage.get("a").await.map_err(storage_error)?.is_some();
        let outcome = match how {
            "commit" => transaction.commit().await,
            "abandon" => {
                drop(transaction);
                Ok(())
            }
            "conflict" => {
                storage.put(entry("a", "of another")).await.map_err(storage_error)?;
                transaction.commit().await
            }
            "hang" => {
                tracing::info!("a transaction hangs");
                std::future::pending().await
            }
            _ => return Err(Error::UnsupportedPath),
        };
        outcome.map_err(storage_error)?;
        answer(&json!({ "transactions": true, "inside": inside, "outside": outside }))
    }

    async fn work_in(&self, transaction: &dyn StorageView) -> Result<Vec<String>, StorageError> {
        transaction.put(entry("a", "1")).await?;
        transaction.put(entry("b", "2")).await?;
        transaction.put(entry("c", "3")).await?;
        transaction.delete("c").await?;
        assert_eq!(transaction.get("a").await?.unwrap().value, b"1");
        assert_eq!(transaction.list_page("", "a", 1).await?, ["b"]);
        transaction.list("").await
    }

    async fn system_view(&self) -> Result<Option<Response>, Error> {
        let view = &self.setup.system_view;
        let failed = |error: SystemViewError| Error::Plain(error.to_string());
        let replication = view.replication_state().await.map_err(failed)?;
        answer(&json!({
            "default_lease_ttl": view.default_lease_ttl().await.map_err(failed)?.as_secs(),
            "max_lease_ttl": view.max_lease_ttl().await.map_err(failed)?.as_secs(),
            "tainted": view.tainted().await.map_err(failed)?,
            "local_mount": view.local_mount().await.map_err(failed)?,
            "performance_standby": replication.performance_standby,
            "version": view.server_version().await.map_err(failed)?,
            "entity": view.entity_info("e1").await.map_err(failed)?.map(|entity| entity.name),
            "no_entity": view.entity_info("e2").await.map_err(failed)?.map(|entity| entity.name),
            "password": view.generate_password("strong").await.map_err(failed)?,
            "no_password": view.generate_password("missing").await.map_err(|error| error.to_string()).unwrap_err(),
        }))
    }
}

/// More writes than may wait together, and then more bytes.
async fn many(transaction: Box<dyn Transaction>) -> Result<Option<Response>, Error> {
    for number in 0..100 {
        transaction.put(entry(&format!("small/{number}"), "x")).await.map_err(storage_error)?;
    }
    for number in 0..3 {
        let large = "x".repeat(700 * 1024);
        transaction.put(entry(&format!("large/{number}"), &large)).await.map_err(storage_error)?;
    }
    transaction.commit().await.map_err(storage_error)?;
    answer(&json!({ "committed": true }))
}

/// Goes on after a write failed.
async fn careless(transaction: Box<dyn Transaction>) -> Result<Option<Response>, Error> {
    let written = transaction.put(entry("a", "1")).await;
    let seen = transaction.get("a").await;
    let committed = transaction.commit().await;
    let text = |error: Option<StorageError>| error.map(|error| error.to_string());
    answer(&json!({ "written": text(written.err()), "seen": text(seen.err()), "committed": text(committed.err()) }))
}

/// Reads twice at once, so that one of them waits for its turn.
async fn two_reads(transaction: Box<dyn Transaction>) -> Result<Option<Response>, Error> {
    let (first, second) = tokio::join!(transaction.get("a"), transaction.get("b"));
    answer(&json!({ "first": first.is_ok(), "second": second.is_ok() }))
}

fn entry(key: &str, value: &str) -> StorageEntry {
    StorageEntry { key: key.to_owned(), value: value.as_bytes().to_vec(), seal_wrap: false }
}

fn data(request: &Request) -> Value {
    serde_json::from_str(&request.data).unwrap()
}

fn answer(data: &Value) -> Result<Option<Response>, Error> {
    Ok(Some(Response { data: Some(data.to_string()), ..Response::default() }))
}

fn echo(request: &Request) -> Value {
    json!({
        "id": request.id,
        "operation": format!("{:?}", request.operation),
        "path": request.path,
        "data": serde_json::from_str::<Value>(&request.data).unwrap(),
        "headers": request.headers,
        "timeout_s": request.timeout.map(|timeout| timeout.as_secs()),
        "identity": format!("{:?}", request.identity),
    })
}

fn lease(request: &Request) -> Result<Option<Response>, Error> {
    let Some(lease) = &request.lease else {
        let secret = Secret {
            ttl: Some(Duration::from_secs(60)),
            max_ttl: Some(Duration::from_secs(120)),
            renewable: true,
            internal_data: json!({ "secret_type": "toy" }).to_string(),
        };
        return Ok(Some(Response { secret: Some(secret), warnings: vec!["leased".into()], ..Response::default() }));
    };
    answer(&json!({
        "id": lease.id,
        "increment_s": lease.increment.map(|increment| increment.as_secs()),
        "internal_data": serde_json::from_str::<Value>(&lease.internal_data).unwrap(),
    }))
}

fn error(kind: &str) -> Error {
    match kind {
        "user" => Error::User("a user's mistake".into()),
        "coded" => Error::Coded { code: 502, message: "upstream".into() },
        "denied" => Error::PermissionDenied,
        _ => Error::Plain("plain".into()),
    }
}

fn storage_error(error: StorageError) -> Error {
    let kind = match &error {
        StorageError::ReadOnly(_) => return Error::Plain(error.to_string()),
        StorageError::Conflict(_) => "conflict",
        StorageError::Failed(_) => "failed",
    };
    Error::Internal(format!("{kind}: {error}"))
}
