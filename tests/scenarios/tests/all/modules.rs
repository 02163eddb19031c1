//! Modules under a real server: a good update is activated under load, a bad one never is, and a revert is possible.
//! The toy engine names its version in each answer.

mod back;
mod bad_files;
mod cache;
mod cluster;
mod consent;
mod directory;
mod floods;
mod killed;
pub(crate) mod leases;
mod life;
mod load;
mod names;
mod origins;
mod race;
mod sealed;
mod side_by_side;
mod trust;
mod update;
mod view;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use harness::limits::{CONDITION_DEADLINE, POLL_INTERVAL};
use harness::modules::{ModuleFile, ModulesDir, SigningKey};
use harness::openbao::{MountSettings, OpenBaoDriver, Server, ServerKind};
use harness::{Ask, Driver as _, Outcome, Stage, StageOptions, Verb, arguments, start_astra};
use serde_json::{Value, json};

/// The toy engine in a version.
pub(crate) fn good(version: u8) -> ModuleFile {
    toy("good", version)
}

/// A variant of the toy engine, by the last part of its version.
pub(crate) fn toy(variant: &str, version: u8) -> ModuleFile {
    ModuleFile::toy(variant, &full(version))
}

/// `10.20.31` for 31.
pub(crate) fn full(version: u8) -> String {
    format!("10.20.{version}")
}

/// The dev server of these scenarios: they restart plugins all the time, which would disturb others.
pub(crate) fn server() -> Arc<Server> {
    static SERVER: OnceLock<Arc<Server>> = OnceLock::new();
    Arc::clone(SERVER.get_or_init(|| Arc::new(Server::start(ServerKind::Dev))))
}

/// A mount of the Astra engine with a role, whose modules come from a directory and are signed with a key.
fn astra(name: &str, folder: &ModulesDir, key: &SigningKey) -> Stage {
    let options = StageOptions::default();
    let astra = start_astra(&options);
    let more = [folder.argument(), key.trust_for("astra")];
    let settings = MountSettings {
        plugin: name.to_owned(),
        mount_point: format!("{name}/"),
        arguments: [arguments(&options, Some(astra.url().to_owned())), more.to_vec()].concat(),
        ..MountSettings::default()
    };
    let stage = Stage::with_driver(Arc::new(OpenBaoDriver::mount(server(), &settings)), astra);
    stage.ready();
    stage
}

/// A mount of the toy engine, with its directory of modules.
pub(crate) struct Toys {
    pub(crate) server: Arc<Server>,
    pub(crate) folder: ModulesDir,
    pub(crate) mount: OpenBaoDriver,
    /// Name of the plugin, and path of the mount.
    pub(crate) name: String,
    pub(crate) settings: MountSettings,
}

impl Toys {
    /// A mount whose active module is version 30 and that trusts all of these.
    pub(crate) fn pinned(server: Arc<Server>, trusted: &[&ModuleFile]) -> Self {
        let first = good(30);
        let mut trust: Vec<String> = trusted.iter().map(|module| module.pin()).collect();
        trust.push(first.pin());
        Self::mount(server, trust, |folder| folder.drop_in(&first))
    }

    /// A mount of a registration with these arguments; `fill` writes the initial modules.
    pub(crate) fn mount(server: Arc<Server>, trust: Vec<String>, fill: impl FnOnce(&ModulesDir)) -> Self {
        Self::with(server, |folder| {
            fill(folder);
            MountSettings { arguments: trust, ..MountSettings::default() }
        })
    }

    /// A mount whose registration `settle` returns, after it has filled the directory.
    pub(crate) fn with(server: Arc<Server>, settle: impl FnOnce(&ModulesDir) -> MountSettings) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let folder = ModulesDir::new();
        let settings = settle(&folder);
        let name = format!("toys-{}", NEXT.fetch_add(1, Ordering::SeqCst));
        let settings = MountSettings {
            plugin: name.clone(),
            mount_point: format!("{name}/"),
            arguments: [vec![folder.argument(), "--log-level=debug".to_owned()], settings.arguments].concat(),
            options: json!({ "module": "toy" }),
            ..settings
        };
        let mount = OpenBaoDriver::mount(Arc::clone(&server), &settings);
        let toys = Self { server, folder, mount, name, settings };
        toys.wait_for(30);
        toys
    }

    pub(crate) fn read(&self, path: &str) -> Outcome {
        ask(&self.mount, Verb::Read, path, Value::Null)
    }

    pub(crate) fn write(&self, path: &str, data: Value) -> Outcome {
        ask(&self.mount, Verb::Write, path, data)
    }

    /// A write that must succeed.
    #[track_caller]
    pub(crate) fn must(&self, path: &str, data: Value) -> Outcome {
        let done = self.write(path, data);
        assert!(done.status < 300, "{done:#?}");
        done
    }

    /// The version of the module that answers a request.
    #[track_caller]
    pub(crate) fn serving(&self) -> String {
        self.read("version").expect(200).text("version").to_owned()
    }

    /// The host's report on the mount's module.
    #[track_caller]
    pub(crate) fn status(&self) -> Value {
        self.read("module").expect(200).data
    }

    /// Waits until the host reports that this version serves, and asserts that it does.
    #[track_caller]
    pub(crate) fn wait_for(&self, version: u8) {
        self.wait_for_status(&full(version), |status| runs(status) == full(version));
        assert_eq!(self.serving(), full(version));
    }

    /// Waits until the host reports why a version does not serve.
    #[track_caller]
    pub(crate) fn wait_for_refusal(&self, version: u8, words: &[&str]) {
        let version = full(version);
        let status = self.wait_for_status(&version, |status| !reason(status, &version).is_empty());
        let reason = reason(&status, &version);
        assert!(words.iter().all(|word| reason.contains(word)), "{version}: `{reason}` says nothing of {words:?}");
    }

    /// Waits until the report fulfils a condition.
    #[track_caller]
    fn wait_for_status(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + CONDITION_DEADLINE;
        loop {
            let status = self.read("module");
            if is(&status.data) {
                return status.data;
            }
            assert!(Instant::now() < deadline, "waited for {what}: {status:#?}");
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Makes the host read the directory now.
    #[track_caller]
    pub(crate) fn reload(&self) {
        self.must("module/reload", Value::Null);
    }

    /// Removes the pin: the highest version serves again.
    #[track_caller]
    pub(crate) fn follow(&self) {
        self.must("module/use", json!({ "version": "latest" }));
    }

    /// The mount's UUID, which names the mount in the log and its folder in storage.
    pub(crate) fn uuid(&self) -> String {
        let mount = self.server.client().must("GET", &format!("sys/mounts/{}", self.name), &Value::Null);
        mount["data"]["uuid"].as_str().unwrap().to_owned()
    }

    /// Makes the server restart the plugin.
    pub(crate) fn restart(&self) {
        self.server.client().must("PUT", "sys/plugins/reload/backend", &json!({ "plugin": self.name }));
    }

    /// Asserts that this version serves, by its answers and by the report.
    #[track_caller]
    pub(crate) fn assert_serves(&self, version: u8) {
        assert_eq!((self.serving(), runs(&self.status()).to_owned()), (full(version), full(version)));
    }
}

/// The version of the active module in a report.
pub(crate) fn runs(status: &Value) -> &str {
    status["version"].as_str().unwrap_or_default()
}

/// The reason in a report why a candidate or a file does not serve; empty if it may.
pub(crate) fn reason(status: &Value, version: &str) -> String {
    let lists = ["candidates", "refused_files"].map(|list| status[list].as_array());
    let is_of = |item: &Value| {
        let names = ["version", "origin", "file"].map(|field| item[field].as_str());
        names.into_iter().flatten().any(|name| name.contains(version))
    };
    let meant = lists.into_iter().flatten().flatten().filter(|item| is_of(item));
    meant.filter_map(|item| item["reason"].as_str()).collect::<Vec<_>>().join("; ")
}

pub(crate) fn ask(mount: &OpenBaoDriver, verb: Verb, path: &str, data: Value) -> Outcome {
    mount.ask(Ask { verb, path: path.to_owned(), data })
}
