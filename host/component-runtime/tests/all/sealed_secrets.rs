//! A guest never gets a value that its engine declares as secret, whatever the guest does.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use component_runtime::{InvokeError, Module, Mount, Runtime};
use envelope::{Lease, Operation, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{MemoryStorage, TestRuntime, limits, mount, on_each_scheduler, request, result, runtime, wasm};

const TOKEN: &str = "id:client:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const MADE: &str = "id:made:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
/// The secret parts of both tokens.
const SECRETS: [&str; 2] = ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"];

/// An API that answers every request, and keeps the requests.
struct Api {
    address: SocketAddr,
    got: Arc<Mutex<String>>,
    _serving: JoinSet<()>,
}

impl Api {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&got);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut streams = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let kept = Arc::clone(&kept);
                streams.spawn(async move {
                    let mut buffer = [0; 4096];
                    while let Ok(bytes) = stream.read(&mut buffer).await
                        && bytes > 0
                    {
                        kept.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..bytes]));
                        let body = format!("{{\"made\":\"{MADE}\"}}");
                        let length = body.len();
                        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                });
            }
        });
        Self { address, got, _serving: serving }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn got(&self) -> String {
        self.got.lock().unwrap().clone()
    }
}

struct World {
    api: Api,
    other: Api,
    runtime: TestRuntime,
    storage: Arc<MemoryStorage>,
    mount: Arc<Mount>,
}

impl World {
    async fn new() -> Self {
        let (api, other) = (Api::start().await, Api::start().await);
        let runtime = runtime(limits(), &[&api.url(), &other.url()]);
        let storage = Arc::<MemoryStorage>::default();
        let config = |url: &str| format!("{{\"token\":\"{TOKEN}\",\"url\":\"{url}\"}}").into_bytes();
        storage.entries.lock().unwrap().insert("config/a".to_owned(), config(&api.url()));
        let mount = mount(&runtime, "m", &storage);
        Self { api, other, runtime, storage, mount }
    }

    /// The engine as the binary has it.
    async fn engine(&self) -> Arc<Module> {
        let compiled = Runtime::precompile(&wasm("sealed_engine")).unwrap().leak();
        self.runtime.load_embedded(compiled, b"").await.unwrap()
    }

    /// A module of the same name that declares nothing.
    async fn thief(&self) -> Arc<Module> {
        let _ = self.engine().await;
        let thief = self.runtime.load(&wasm("steal_secrets")).await.unwrap();
        assert!(thief.declaration().classes.is_empty());
        thief
    }

    async fn ask(&self, module: &Module, path: &str) -> Result<Option<Response>, InvokeError> {
        module.handle_request(&self.mount, request(path)).await
    }

    async fn says(&self, module: &Module, path: &str) -> String {
        result(self.ask(module, path).await.unwrap().as_ref())
    }
}

fn is_clean(text: &str) -> bool {
    !SECRETS.iter().any(|secret| text.contains(&secret[..16]))
}

#[test]
fn a_guest_uses_its_secrets_without_ever_holding_them() {
    on_each_scheduler(|| async {
        let world = World::new().await;
        // Storage in files takes both keys for the same one.
        let config = world.storage.entries.lock().unwrap().get("config/a").cloned().unwrap();
        world.storage.entries.lock().unwrap().insert("config/.//a".to_owned(), config);
        for module in [world.engine().await, world.thief().await] {
            for path in ["see/a", "see-spelled/a", "see-many/a"] {
                let seen: String = world.says(&module, path).await.chars().rev().collect();
                assert!(is_clean(&seen) && seen.contains("id:client:"), "{path}: {seen}");
            }
            assert!(world.says(&module, "use/a").await.starts_with("\"200"));
            assert!(world.api.got().contains(&format!("Bearer {TOKEN}\r\n")), "{}", world.api.got());
            // The client gets the new token.
            assert_eq!(world.says(&module, "mint/a").await, MADE);
            let backwards: String = TOKEN.chars().rev().take(48).collect();
            assert_eq!(world.says(&module, &format!("memory/a/{backwards}")).await, "(true, 0)");
            // The search works: it finds the public part of the token.
            let backwards: String = "id:client:".chars().rev().collect();
            assert_ne!(world.says(&module, &format!("memory/a/{backwards}")).await, "(true, 0)");
        }
    });
}

#[test]
fn a_thief_that_tries_every_way_ends_with_nothing() {
    on_each_scheduler(|| async {
        let world = World::new().await;
        let (url, other) = (world.api.url().replace('/', "~"), world.other.url().replace('/', "~"));
        for module in [world.engine().await, world.thief().await] {
            for (what, rest) in [
                ("data", ""),
                ("warning", ""),
                ("header", ""),
                ("lease", ""),
                ("error", ""),
                ("coded", ""),
                ("log", ""),
                ("counter", ""),
                ("panic", ""),
                ("key", ""),
                ("copy", ""),
                ("field", ""),
                ("foreign", other.as_str()),
                ("foreign", "http:~~127.0.0.1:1"),
                ("bare", url.as_str()),
                ("transaction", ""),
                ("url", ""),
                ("query", ""),
                ("other-header", ""),
                ("other-call", ""),
                ("other-method", ""),
                ("other-path", ""),
                ("second-call", ""),
                ("other-origin", other.as_str()),
                ("body", ""),
            ] {
                let failed = world.ask(&module, &format!("{what}/a/{rest}")).await.err();
                let Some(InvokeError::Sealed(place)) = &failed else { panic!("{what}: {failed:?}") };
                assert!(place.starts_with("a value of the class `admin-token` is in ") && is_clean(place), "{place}");
                let told = failed.unwrap().to_error(Some("r1")).to_string();
                assert!(told.contains("request ID r1") && !told.contains("admin-token"), "{told}");
            }
        }
        // A part of a surrogate is as useless as the whole, and is not always found.
        let thief = world.thief().await;
        let part = world.says(&thief, "part/a").await;
        assert!(part.len() > 32 && !TOKEN.contains(&part), "{part}");
        assert!(is_clean(&world.api.got()) && is_clean(&world.other.got()), "nothing was sent");
        assert_eq!(world.mount.counted(), [], "nothing was counted");
        let stored: Vec<_> = world.storage.entries.lock().unwrap().keys().cloned().collect();
        assert_eq!(stored, ["config/a"], "nothing was stored");
        // A token of one name is not available to a request for another name.
        for module in [world.engine().await, world.thief().await] {
            assert_eq!(world.says(&module, "lend/a/a").await, MADE);
            let Some(InvokeError::Sealed(place)) = world.ask(&module, "lend/b/a").await.err() else {
                panic!("it is lent")
            };
            assert!(place.contains("`made-token`") && place.contains("does not name the owner"), "{place}");
        }
    });
}

#[test]
fn a_secret_of_a_request_is_stored_and_not_seen() {
    on_each_scheduler(|| async {
        let world = World::new().await;
        for module in [world.engine().await, world.thief().await] {
            let data = format!("{{\"n\":1.0,\"token\":\"{TOKEN}\",\"url\":\"{}\"}}", world.api.url());
            let update = |path: &str, data: &str| Request {
                data: data.to_owned(),
                ..Request { operation: Operation::Update, ..request(path) }
            };
            module.handle_request(&world.mount, update("config", &data)).await.unwrap();
            let stored = world.storage.entries.lock().unwrap().get("config/from-request").cloned().unwrap();
            assert_eq!(String::from_utf8(stored).unwrap(), data, "byte for byte");
            let refused = module.handle_request(&world.mount, update("config", "{\"token\":7}")).await.err().unwrap();
            assert!(matches!(&refused, InvokeError::Refused(text) if text.contains("`token`")), "{refused}");
            assert_eq!(module.check_existence(&world.mount, update("config", "{\"token\":7}")).await, Ok(None));
        }
    });
}

#[test]
fn no_guest_gets_the_answer_that_the_server_stored_with_a_lease() {
    on_each_scheduler(|| async {
        let world = World::new().await;
        // Before the engine is loaded, nothing of its name is sealed.
        let unsealed = world.runtime.load(&wasm("steal_secrets")).await.unwrap();
        for module in [unsealed, world.engine().await, world.thief().await] {
            for operation in [Operation::Renew, Operation::Revoke] {
                let lease = Lease {
                    id: Some("mint/a/1".to_owned()),
                    issue_time: SystemTime::UNIX_EPOCH,
                    ttl: Duration::from_secs(60),
                    max_ttl: None,
                    increment: None,
                    renewable: true,
                    internal_data: "{\"secret_type\":\"x\"}".to_owned(),
                };
                let stored = format!("{{\"result\":\"{MADE}\",\"token\":\"{TOKEN}\"}}");
                let asked = Request { operation, lease: Some(lease), data: stored, ..request("lease-data/a/") };
                let answer = module.handle_request(&world.mount, asked).await.unwrap();
                let seen: String = result(answer.as_ref()).chars().rev().collect();
                assert_eq!(seen, "null", "{operation:?}");
            }
        }
    });
}
