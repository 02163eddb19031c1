//! Measures one request within the process: a fresh instance, the guest, and one read from a simulated storage.
//!
//! `invoke_cost COMPONENT.wasm [REQUESTS]` reads a role with the Astra engine on one thread and on two, and prints p50,
//! p99 and requests per second. Run it under `strace -f -c -e trace=memory` with two numbers of requests: the counts
//! must not differ.

#![expect(clippy::print_stdout, reason = "a measuring tool prints what it measured")]
#![expect(clippy::disallowed_methods, reason = "a measuring tool reads the component that it measures")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use component_runtime::egress::{EgressSettings, Policy};
use component_runtime::{CompilePriority, Limits, Module, Mount, MountSettings, Runtime, RuntimeSettings};
use envelope::{
    Operation, Request, Storage, StorageEntry, StorageError, StorageView, SystemView, SystemViewError, Transaction,
};

const REQUESTS: usize = 50_000;
const ROLE_KEY: &str = "role/6ba7b810-9dad-11d1-80b4-00c04fd430c8:reader";
const ROLE: &str = r#"{"role_name":"reader","role_id":"6ba7b811-9dad-11d1-80b4-00c04fd430c8",
    "org_id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","ttl":3600000000000,"max_ttl":7200000000000}"#;
const DATA: &str = r#"{"org_id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","role_name":"reader"}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: invoke_cost COMPONENT.wasm [REQUESTS]")?;
    let requests = arguments.next().map_or(Ok(REQUESTS), |text| text.parse())?;
    let wasm = std::fs::read(path)?;
    println!("threads  requests  p50_us  p99_us  requests_per_s");
    for threads in [1, 2] {
        let scheduler = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .event_interval(Runtime::EVENT_INTERVAL)
            .enable_all()
            .build()?;
        let (mut times, elapsed) = scheduler.block_on(measure(&wasm, threads, requests))?;
        times.sort_unstable();
        let at = |percent: usize| times.get(times.len() * percent / 100).map_or(0.0, |time| micros(*time));
        let per_second = times.len() as f64 / elapsed.as_secs_f64();
        println!("{threads:>7}  {:>8}  {:>6.1}  {:>6.1}  {per_second:>14.0}", times.len(), at(50), at(99));
    }
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The times of all requests, and the time from the begin of the first to the end of the last.
async fn measure(wasm: &[u8], threads: usize, requests: usize) -> Result<(Vec<Duration>, Duration), Box<dyn Error>> {
    let settings = RuntimeSettings {
        egress: EgressSettings::default(),
        upstream_read_only: false,
        wal_minimum_age: Duration::from_secs(600),
        compile_priority: CompilePriority::Background,
        memory_limit: None,
        limits: Limits::default(),
    };
    let runtime = Runtime::new(settings)?;
    let module = runtime.load(wasm).await?;
    let mount = runtime.mount(MountSettings {
        backend_uuid: Some("6ba7b812-9dad-11d1-80b4-00c04fd430c8".to_owned()),
        name: "astra/".to_owned(),
        options: BTreeMap::new(),
        egress: Policy::default(),
        storage: Arc::new(OneRole),
        system_view: Arc::new(OneRole),
    });
    let times = Arc::new(Mutex::new(Vec::with_capacity(threads * requests)));
    let began = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..threads {
        let (module, mount, times) = (Arc::clone(&module), Arc::clone(&mount), Arc::clone(&times));
        workers.spawn(async move {
            let own = serve(&module, &mount, requests).await?;
            times.lock().unwrap_or_else(PoisonError::into_inner).extend(own);
            Ok::<_, String>(())
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    let elapsed = began.elapsed();
    let times = std::mem::take(&mut *times.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((times, elapsed))
}

async fn serve(module: &Module, mount: &Arc<Mount>, requests: usize) -> Result<Vec<Duration>, String> {
    let mut times = Vec::with_capacity(requests);
    for _ in 0..requests {
        let request = read_role();
        let began = Instant::now();
        let answer = module.handle_request(mount, request).await.map_err(|error| error.to_string())?;
        times.push(began.elapsed());
        if answer.is_none_or(|answer| answer.data.is_none_or(|data| !data.contains("6ba7b811"))) {
            return Err("the engine did not answer with the role".to_owned());
        }
    }
    Ok(times)
}

fn read_role() -> Request {
    Request {
        id: Some("6ba7b813-9dad-11d1-80b4-00c04fd430c8".to_owned()),
        mount_point: "astra/".to_owned(),
        ..Request::new(Operation::Read, "role", DATA)
    }
}

/// A storage with one role, whose reads cost nothing.
struct OneRole;

#[async_trait]
impl StorageView for OneRole {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>, StorageError> {
        let entry = StorageEntry { key: key.to_owned(), value: ROLE.as_bytes().to_vec(), seal_wrap: false };
        Ok((key == ROLE_KEY).then_some(entry))
    }
    async fn put(&self, _: StorageEntry) -> Result<(), StorageError> {
        Ok(())
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
impl Storage for OneRole {
    async fn begin(&self) -> Result<Option<Box<dyn Transaction>>, StorageError> {
        Ok(None)
    }
}

#[async_trait]
impl SystemView for OneRole {
    async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Ok(Duration::from_secs(3600))
    }
    async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
        Ok(Duration::from_secs(86_400))
    }
}
