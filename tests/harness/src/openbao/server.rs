//! Starts a server in a folder of its own on free loopback ports: a dev server in memory, or one with stored data that
//! is initialised and unsealed here.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::{GuardedProcess, OUTPUT, children_named, is_alive, signal};
use super::{Client, Product, server_config};
use crate::limits::{CONDITION_DEADLINE, HEALTH_DEADLINE, POLL_INTERVAL, SERVER_START_ATTEMPTS, SERVER_START_DEADLINE};
use crate::programs::place_program;
use crate::settings::{openbao_binary, plugin_binary};

/// Storage of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// `-dev`: in memory, unsealed, root token known.
    Dev,
    /// Raft storage in the server's folder; sealed at start.
    Raft,
}

/// A running server.
pub struct Server {
    process: Mutex<Option<GuardedProcess>>,
    kind: ServerKind,
    directory: TempDir,
    /// The program that was placed as the plugin.
    plugin: PathBuf,
    /// Is the server's folder its root, so that it sees no other file of this machine?
    is_confined: bool,
    address: String,
    cluster_port: u16,
    port: u16,
    keys: Mutex<Keys>,
}

#[derive(Clone, Default)]
struct Keys {
    root_token: String,
    unseal_key: String,
}

/// The dev server's root token. Not a secret: it opens a server that only this test reaches.
const DEV_TOKEN: &str = "dev-only-token";
const SERVER_FILE: &str = "bao";
const CONFIG_FILE: &str = "server.hcl";
pub(super) const PLUGIN_FILE: &str = "vault-plugin-secrets-datastax-astra";

impl Server {
    /// The dev server that all scenarios of this process share.
    pub fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Arc<Server>> = OnceLock::new();
        Arc::clone(SHARED.get_or_init(|| Arc::new(Self::start(ServerKind::Dev))))
    }

    /// Starts a server and waits until it serves.
    ///
    /// # Panics
    /// When the server does not start. The text has the end of its log.
    pub fn start(kind: ServerKind) -> Self {
        Self::start_plugin(kind, &plugin_binary())
    }

    /// As [`Self::start`], with another program as the plugin.
    ///
    /// # Panics
    /// As `start`.
    pub fn start_plugin(kind: ServerKind, plugin: &Path) -> Self {
        Self::attempt(|| Self::try_start(kind, plugin))
    }

    /// Starts a dev server whose root contains only itself, the plugin, `/proc` and these files by their names, as in a
    /// container image without a distribution. Needs a machine that allows user namespaces.
    ///
    /// # Panics
    /// When the server does not start. The text has the end of its log.
    pub fn start_in_bare_root(files: &[(&str, &[u8])]) -> Self {
        Self::attempt(|| {
            let server = Self::prepare(ServerKind::Dev, true, &plugin_binary())?;
            let root = server.directory.path();
            let placed = fs::create_dir(root.join("proc"))
                .and_then(|()| files.iter().try_for_each(|(name, bytes)| fs::write(root.join(name), bytes)));
            placed.map_err(|error| error.to_string())?;
            place_program(&openbao_binary(), &root.join(SERVER_FILE));
            server.launch()?;
            Ok(server)
        })
    }

    fn try_start(kind: ServerKind, plugin: &Path) -> Result<Self, String> {
        let server = Self::prepare(kind, false, plugin)?;
        server.launch()?;
        if kind == ServerKind::Raft {
            server.initialise();
            server.unseal();
            server.enable_audit();
        }
        Ok(server)
    }

    /// Starts a server that joins another one's raft storage, and waits until the new server serves.
    ///
    /// # Panics
    /// When the server does not start. The text has the end of its log.
    pub(super) fn start_joining(first: &Self) -> Self {
        Self::attempt(|| Self::try_start_joining(first))
    }

    fn attempt(start: impl Fn() -> Result<Self, String>) -> Self {
        let early = (1..SERVER_START_ATTEMPTS).find_map(|_| start().ok());
        early.unwrap_or_else(|| start().unwrap_or_else(|text| panic!("the server did not start: {text}")))
    }

    fn try_start_joining(first: &Self) -> Result<Self, String> {
        let server = Self::prepare(ServerKind::Raft, false, &first.plugin)?;
        let keys = first.keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *server.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
        server.launch()?;
        server.client().must("POST", "sys/storage/raft/join", &json!({ "leader_api_addr": first.address }));
        server.send_unseal_key();
        if comes_true(CONDITION_DEADLINE, || server.serves()) { Ok(server) } else { Err(server.end_of_log()) }
    }

    /// A folder with all files of a server. No process runs yet.
    fn prepare(kind: ServerKind, is_confined: bool, plugin: &Path) -> Result<Self, String> {
        let directory = tempfile::Builder::new().prefix("bao").tempdir().map_err(|error| error.to_string())?;
        let plugins = directory.path().join("plugins");
        fs::create_dir(&plugins).map_err(|error| error.to_string())?;
        // The server follows no symbolic link out of its folder.
        place_program(plugin, &plugins.join(PLUGIN_FILE));
        let [port, cluster_port] = free_ports().map_err(|error| error.to_string())?;
        let server = Self {
            process: Mutex::new(None),
            kind,
            directory,
            plugin: plugin.to_owned(),
            is_confined,
            address: format!("http://127.0.0.1:{port}"),
            cluster_port,
            port,
            keys: Mutex::new(Keys { root_token: DEV_TOKEN.to_owned(), unseal_key: String::new() }),
        };
        server.write_config()?;
        Ok(server)
    }

    /// The program that was placed as the plugin.
    pub(super) fn plugin(&self) -> &Path {
        &self.plugin
    }

    fn write_config(&self) -> Result<(), String> {
        let folder = self.directory.path();
        let mut text = server_config::common(Product::of_binary(), self.folder_as_seen());
        if self.kind == ServerKind::Raft {
            fs::create_dir(folder.join("raft")).map_err(|error| error.to_string())?;
            text += &server_config::raft(folder, self.port, self.cluster_port);
        }
        fs::write(self.config_file(), text).map_err(|error| error.to_string())
    }

    fn config_file(&self) -> PathBuf {
        self.directory.path().join(CONFIG_FILE)
    }

    /// The path of the server's folder as the server and its children see it.
    fn folder_as_seen(&self) -> &Path {
        if self.is_confined { Path::new("/") } else { self.directory.path() }
    }

    fn launch(&self) -> Result<(), String> {
        let mut arguments = vec![
            "server".to_owned(),
            format!("-config={}", self.folder_as_seen().join(CONFIG_FILE).display()),
            "-log-level=debug".to_owned(),
            "-log-format=json".to_owned(),
        ];
        if self.kind == ServerKind::Dev {
            arguments.extend([
                "-dev".to_owned(),
                "-dev-no-store-token".to_owned(),
                format!("-dev-root-token-id={DEV_TOKEN}"),
                format!("-dev-listen-address=127.0.0.1:{}", self.port),
            ]);
        }
        let process = self.start_process(arguments).map_err(|error| error.to_string())?;
        let pid = process.pid;
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        let client = self.client();
        let deadline = Instant::now() + SERVER_START_DEADLINE;
        while Instant::now() < deadline && is_alive(pid) {
            // 200 = unsealed, 501 = not initialised, 503 = sealed.
            let health = client.try_call("GET", "sys/health", &Value::Null, &[], HEALTH_DEADLINE);
            let ready = match self.kind {
                ServerKind::Dev => health.is_ok_and(|reply| reply.status == 200),
                ServerKind::Raft => health.is_ok(),
            };
            if ready {
                // A dev server stores nothing. The storage of the others keeps the device.
                if self.kind == ServerKind::Dev {
                    self.enable_audit();
                }
                return Ok(());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Err(self.end_of_log())
    }

    fn start_process(&self, arguments: Vec<String>) -> std::io::Result<GuardedProcess> {
        let folder = self.directory.path();
        if !self.is_confined {
            return GuardedProcess::start(&openbao_binary(), &arguments, folder);
        }
        // A container has no variables of this machine. A user namespace allows any user to change the root, and the
        // namespace of process IDs needs its own `/proc`.
        let confine = ["-i", "HOME=/", "TMPDIR=/", "unshare", "--user", "--map-root-user", "--mount", "--pid"];
        let inside = [format!("--root={}", folder.display()), format!("/{SERVER_FILE}")];
        let options = confine.into_iter().chain(["--kill-child", "--mount-proc"]).map(str::to_owned);
        GuardedProcess::start(Path::new("env"), &options.chain(inside).chain(arguments).collect::<Vec<_>>(), folder)
    }

    /// The last lines, the newest first.
    fn end_of_log(&self) -> String {
        self.log().lines().rev().take(20).collect::<Vec<_>>().join("\n")
    }

    fn initialise(&self) {
        let body = self.client().must("PUT", "sys/init", &json!({ "secret_shares": 1, "secret_threshold": 1 }));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let keys = Keys { root_token: text(&body["root_token"]), unseal_key: text(&body["keys"][0]) };
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Unseals the server and waits until the node is active.
    ///
    /// # Panics
    /// When the node does not become active in time.
    pub fn unseal(&self) {
        self.send_unseal_key();
        self.wait_for("the server to be active", || self.is_active());
    }

    fn send_unseal_key(&self) {
        let key = self.keys.lock().unwrap_or_else(PoisonError::into_inner).unseal_key.clone();
        self.client().must("PUT", "sys/unseal", &json!({ "key": key }));
    }

    /// Is the server's process alive?
    pub(super) fn runs(&self) -> bool {
        is_alive(self.pid())
    }

    /// Is the server unsealed, as the active node or as a standby?
    pub(super) fn serves(&self) -> bool {
        self.is_healthy("sys/health?standbyok=true&perfstandbyok=true")
    }

    /// Is the server the active node?
    pub fn is_active(&self) -> bool {
        self.is_healthy("sys/health")
    }

    fn is_healthy(&self, path: &str) -> bool {
        let health = self.client().try_call("GET", path, &Value::Null, &[], HEALTH_DEADLINE);
        health.is_ok_and(|reply| reply.status == 200)
    }

    /// Seals the server.
    pub fn seal(&self) {
        self.client().must("PUT", "sys/seal", &Value::Null);
    }

    /// Kills the server as a crash does, and starts it again with the same storage, sealed unless it is a dev server.
    ///
    /// # Panics
    /// When the server does not start.
    pub fn crash_and_restart(&self) {
        self.crash();
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        process.into_iter().for_each(GuardedProcess::end_keeping_folder);
        self.launch().unwrap_or_else(|text| panic!("the server did not start again: {text}"));
    }

    /// Kills the server process as a crash does, and no other process.
    pub fn crash(&self) {
        let pid = self.pid();
        signal(pid, "KILL");
        self.wait_for("the server to be gone", || !is_alive(pid));
    }

    /// A client with the root token.
    pub fn client(&self) -> Client {
        Client::new(&self.address, &self.root_token())
    }

    /// The root token.
    pub fn root_token(&self) -> String {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).root_token.clone()
    }

    /// Address of the server: `http://127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The server's own folder, in which the server and its plugins run.
    pub fn folder(&self) -> &Path {
        self.directory.path()
    }

    /// All that the server and its plugins logged so far.
    ///
    /// # Panics
    /// When there is no log, because then no log would be searched for secrets.
    pub fn log(&self) -> String {
        self.lines_of(OUTPUT)
    }

    /// Content of a file in the server's folder.
    pub(super) fn lines_of(&self, name: &str) -> String {
        self.lines_since(name, 0)
    }

    /// The part that was added to a file of the server's folder since it had this size. The whole file if a new start
    /// of the server began the file anew.
    pub(super) fn lines_since(&self, name: &str, bytes: u64) -> String {
        let read = File::open(self.directory.path().join(name)).and_then(|mut file| {
            let from = if file.metadata()?.len() < bytes { 0 } else { bytes };
            file.seek(SeekFrom::Start(from))?;
            let mut lines = Vec::new();
            file.read_to_end(&mut lines).map(|_| lines)
        });
        // A program may have written only a part of a character.
        match read {
            Ok(lines) => String::from_utf8_lossy(&lines).into_owned(),
            Err(error) => panic!("the server's `{name}` cannot be read: {error}"),
        }
    }

    /// Size of a file in the server's folder; 0 if the file does not exist.
    pub(super) fn bytes_of(&self, name: &str) -> u64 {
        fs::metadata(self.directory.path().join(name)).map_or(0, |metadata| metadata.len())
    }

    /// Process ID of the server.
    pub fn server_pid(&self) -> u32 {
        self.pid()
    }

    /// Living processes of the plugin that this server started.
    pub fn plugin_pids(&self) -> Vec<u32> {
        // The parent of a confined server is the program that confines it.
        let confined = || children_named(self.pid(), SERVER_FILE);
        let parents = if self.is_confined { confined() } else { vec![self.pid()] };
        parents.into_iter().flat_map(|parent| children_named(parent, PLUGIN_FILE)).collect()
    }

    /// Has this plugin process a child that compiles a module?
    pub fn is_compiling(&self, plugin: u32) -> bool {
        !children_named(plugin, "compile-for-parent").is_empty()
    }

    /// Kills a plugin process.
    pub fn kill_plugin(&self, pid: u32) {
        signal(pid, "KILL");
        self.wait_for("the plugin to be gone", || !is_alive(pid));
    }

    /// Runs something while the processes of the plugin are stopped, and lets them go on afterwards.
    pub fn with_stopped_plugins<T>(&self, run: impl FnOnce() -> T) -> T {
        let plugins = self.plugin_pids();
        plugins.iter().for_each(|pid| signal(*pid, "STOP"));
        let result = run();
        plugins.iter().for_each(|pid| signal(*pid, "CONT"));
        result
    }

    /// Is a process alive?
    pub fn is_alive(&self, pid: u32) -> bool {
        is_alive(pid)
    }

    /// Waits for a condition.
    ///
    /// # Panics
    /// When the condition does not become true in time.
    #[track_caller]
    pub fn wait_for(&self, what: &str, condition: impl FnMut() -> bool) {
        self.wait_at_most(CONDITION_DEADLINE, what, condition);
    }

    /// Waits for a condition that has a deadline of its own.
    ///
    /// # Panics
    /// When the condition does not become true in time.
    #[track_caller]
    pub fn wait_at_most(&self, longest: Duration, what: &str, condition: impl FnMut() -> bool) {
        assert!(comes_true(longest, condition), "waited {longest:?} for {what}");
    }

    /// The OpenAPI document of all mounts, with their paths. The server asks each mount for its part and fails with the first
    /// one that fails, such as a busy mount of another test, or one that is being disabled. So this asks again.
    ///
    /// # Panics
    /// When the server answers errors only.
    #[track_caller]
    pub fn openapi_document(&self) -> Value {
        let path = "sys/internal/specs/openapi?generic_mount_paths=false";
        let mut last = self.client().call("GET", path, &Value::Null);
        let is_there = comes_true(CONDITION_DEADLINE, || {
            if last.status >= 300 {
                last = self.client().call("GET", path, &Value::Null);
            }
            last.status < 300
        });
        assert!(is_there, "no OpenAPI document: {} {}", last.status, last.body);
        last.body
    }

    /// Waits for a line of the log. A plugin's line arrives a moment after the answer to its request.
    ///
    /// # Panics
    /// When there is no such line in time.
    #[track_caller]
    pub fn wait_for_line(&self, what: &str, is_it: impl Fn(&str) -> bool) {
        self.wait_for(&format!("a log line: {what}"), || self.log().lines().any(&is_it));
    }

    fn pid(&self) -> u32 {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |process| process.pid)
    }
}

/// Polls a condition; false if it did not become true in time.
pub(super) fn comes_true(longest: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + longest;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

fn free_ports() -> std::io::Result<[u16; 2]> {
    let first = TcpListener::bind("127.0.0.1:0")?;
    let second = TcpListener::bind("127.0.0.1:0")?;
    Ok([first.local_addr()?.port(), second.local_addr()?.port()])
}
