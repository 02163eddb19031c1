//! No memory of the process holds a secret that is no longer used, however the instances ended that used it.
//!
//! The tokens are random. The test, its storage and its API keep them inverted, so that the search finds only the
//! runtime's copies.

#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, unreachable_pub, reason = "the harness has more use for it")]
#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the memory of a process is a file")]
#[path = "../../../../tests/harness/src/memory.rs"]
mod memory;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use component_runtime::limits::EGRESS_IDLE_TIMEOUT;
use component_runtime::{InvokeError, Limits, Module, Mount, Runtime};
use envelope::{Operation, Request, Storage, StorageEntry, StorageError, StorageView, Transaction};
use memory::Hidden;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use zeroizing_alloc::ZeroAlloc;

use crate::support::{limits, mount_on, request, result, runtime, wasm};

/// As in the plugin: freed memory is wiped.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

/// Digits of a token that the search needs, because a part of a token is a leak, too.
const SEARCHED: usize = 32;

/// The secrets of one test: an admin token in storage, a token from a client, and a token from the API.
#[derive(Clone)]
struct Canaries {
    kept: Hidden,
    sent: Hidden,
    made: Hidden,
}

impl Canaries {
    fn new() -> Self {
        let random = || Hidden::random(64);
        Self { kept: random(), sent: random(), made: random() }
    }

    /// Places of the secrets in the memory of the process.
    fn places(&self) -> Vec<String> {
        let texts = [&self.kept, &self.sent, &self.made].map(|canary| canary.beginning(SEARCHED));
        memory::places(std::process::id(), &texts).unwrap()
    }

    /// The form in which a guest is asked for them: reversed, so that the search does not find it.
    fn backwards(&self) -> String {
        let backwards = |canary: &Hidden| canary.beginning(SEARCHED).reveal().chars().rev().collect::<String>();
        [&self.kept, &self.made].map(backwards).join(":")
    }
}

/// A storage with one config, which stores nothing.
struct OneConfig {
    canaries: Canaries,
    url: String,
}

#[async_trait]
impl StorageView for OneConfig {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        if key == "gone" {
            return Err(StorageError::Failed("the server is gone".to_owned()));
        }
        let value = format!("{{\"token\":\"id:kept:{}\",\"url\":\"{}\"}}", self.canaries.kept.reveal(), self.url);
        let entry = StorageEntry { key: key.to_owned(), value: value.into_bytes(), seal_wrap: false };
        Ok((key == "config/a").then_some(entry))
    }
    async fn put(&self, entry: StorageEntry) -> Result<(), StorageError> {
        let sent = self.canaries.sent.reveal();
        let is_sent = entry.value.windows(sent.len()).any(|part| part == sent.as_bytes());
        is_sent.then_some(()).ok_or_else(|| StorageError::Failed("the token of the request is not there".to_owned()))
    }
    async fn delete(&self, _: &str) -> Result<(), StorageError> {
        Ok(())
    }
    async fn list(&self, _: &str) -> Result<Vec<String>, StorageError> {
        Ok(Vec::new())
    }
    async fn list_page(&self, _: &str, _: &str, _: u32) -> Result<Vec<String>, StorageError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Storage for OneConfig {
    async fn begin(&self) -> Result<Option<Box<dyn Transaction>>, StorageError> {
        Ok(None)
    }
}

/// An API that answers the kept token with another one, and anything else with 401. The API keeps no request.
async fn start_api(canaries: Canaries) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut streams = JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let canaries = canaries.clone();
            streams.spawn(async move {
                let mut buffer = vec![0; 4096];
                while let Ok(bytes) = stream.read(&mut buffer).await
                    && bytes > 0
                {
                    let kept = canaries.kept.reveal();
                    let is_kept = buffer.windows(kept.len()).any(|part| part == kept.as_bytes());
                    buffer.fill(0);
                    let (status, made) = if is_kept { (200, canaries.made.reveal()) } else { (401, String::new()) };
                    let body = format!("{{\"made\":\"id:made:{made}\"}}");
                    let length = body.len();
                    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n{body}");
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    (url, serving)
}

struct World {
    canaries: Canaries,
    module: Arc<Module>,
    mount: Arc<Mount>,
    _serving: JoinSet<()>,
}

impl World {
    async fn new(limits: Limits) -> Self {
        let canaries = Canaries::new();
        let (url, serving) = start_api(canaries.clone()).await;
        let runtime = runtime(limits, &[&url]);
        let compiled = Runtime::precompile(&wasm("sealed_engine")).unwrap().leak();
        let module = runtime.load_embedded(compiled, b"").await.unwrap();
        let storage = Arc::new(OneConfig { canaries: canaries.clone(), url });
        let mount = mount_on(&runtime, "m", storage, BTreeMap::new());
        Self { canaries, module, mount, _serving: serving }
    }

    /// Sends one request, and does not keep the answer.
    async fn ask(&self, request: Request) -> Result<String, InvokeError> {
        let answer = self.module.handle_request(&self.mount, request).await?;
        let made = self.canaries.made.reveal();
        Ok(result(answer.as_ref()).replace(&made, "made"))
    }

    /// A request that uses the secrets and ends in this way.
    fn ending(&self, way: &str) -> Request {
        request(&format!("end/a/{way}:{}", self.canaries.backwards()))
    }

    async fn end(&self, way: &str) -> Result<String, InvokeError> {
        self.ask(self.ending(way)).await
    }

    /// Asserts that the secrets leave the memory in time.
    async fn assert_wiped(&self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !self.canaries.places().is_empty() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        assert_eq!(self.canaries.places(), Vec::<String>::new(), "after all requests");
    }
}

/// The promised time on an idle machine.
const PROMISED: Duration = Duration::from_secs(5);
/// The time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pool checks at this interval for connections that were idle as long, and closes them.
const _: () = assert!(EGRESS_IDLE_TIMEOUT.as_millis() * 2 < PROMISED.as_millis());

#[test]
fn five_seconds_after_the_last_request_no_memory_holds_its_secrets() {
    let scheduler = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    scheduler.block_on(async {
        // A guest that fills its memory must meet the limit of memory first, also where page faults are slow.
        let limits = Limits { processor_time: Duration::from_secs(3), ..limits() };
        let world = World::new(limits).await;
        assert_eq!(world.canaries.places(), Vec::<String>::new(), "before any request");

        // An instance that is cancelled halfway: meanwhile the host holds the secrets that the guest may use.
        let mut cancelled = Box::pin(world.end("sleep"));
        let waited = tokio::time::timeout(Duration::from_millis(500), &mut cancelled).await;
        assert!(waited.is_err(), "{waited:?}");
        assert!(!world.canaries.places().is_empty(), "the search finds what is there");
        drop(cancelled);
        assert_eq!(world.ask(request("mint/a")).await.unwrap(), "id:made:made");
        let data = format!("{{\"token\":\"id:sent:{}\",\"url\":\"http://a\"}}", world.canaries.sent.reveal());
        let write = Request { operation: Operation::Update, data, ..request("config") };
        assert_eq!(world.ask(write).await.unwrap(), "true");
        assert!(matches!(world.end("return").await, Err(InvokeError::Sealed(_))));
        assert!(matches!(world.end("trap").await, Err(InvokeError::Trap(_))));
        assert!(matches!(world.end("spin").await, Err(InvokeError::ProcessorTime(_))));
        let memory = world.end("memory").await;
        assert!(matches!(memory, Err(InvokeError::Trap(_) | InvokeError::Limit { .. })), "{memory:?}");
        assert!(matches!(world.end("server").await, Err(InvokeError::Guest(_))));
        let timed = Request { timeout: Some(Duration::from_millis(500)), ..world.ending("sleep") };
        assert!(matches!(world.ask(timed).await, Err(InvokeError::Deadline(_))));
        world.assert_wiped().await;
    });
}
