//! The set-up of measurements through a server: a real one with its own kv-v2 engine, our plugin, and an Astra that
//! answers at once.

use std::path::Path;

use anyhow::Context;
use astra_simulator::{Settings, Simulator};
use harness::modules::{ModuleFile, ModulesDir};
use harness::openbao::{Client, Server, ServerKind};
use serde_json::{Value, json};

use crate::raw_client::RawClient;

/// The plugin's name in the catalog.
const PLUGIN: &str = "astra";

/// A server that measurements run against.
pub(crate) struct TestServer {
    server: Server,
    client: Client,
    address: String,
    token: String,
    pub(crate) astra: Simulator,
    pub(crate) org: String,
    /// Directory of modules beside the embedded one.
    _modules: Option<ModulesDir>,
}

impl TestServer {
    /// Starts all, mounts the plugin at `astra/` with one organization and one role, and writes a secret to
    /// `kv/data/secret`.
    pub(crate) fn start() -> anyhow::Result<Self> {
        Self::start_with(&[])
    }

    /// As [`Self::start`], with further arguments of the plugin's registration.
    pub(crate) fn start_with(arguments: &[String]) -> anyhow::Result<Self> {
        Self::start_on(Server::start(ServerKind::Dev), arguments)
    }

    /// As [`Self::start_with`], with mounts of the toy engine that floods and waits.
    pub(crate) fn start_with_floods(mounts: &[&str], arguments: &[String]) -> anyhow::Result<Self> {
        let module = ModuleFile::toy("floods", "10.20.30");
        let folder = ModulesDir::new();
        folder.drop_in(&module);
        let server = Self::start_with(&[&[module.pin(), folder.argument()], arguments].concat())?;
        for mount in mounts {
            server.mount_module(mount, "toy");
        }
        Ok(Self { _modules: Some(folder), ..server })
    }

    /// As [`Self::start`], with a server of this kind and another program as the plugin.
    pub(crate) fn start_plugin(kind: ServerKind, plugin: &Path, paths: Paths) -> anyhow::Result<Self> {
        Self::start_with_paths(Server::start_plugin(kind, plugin), &[], paths)
    }

    fn start_on(server: Server, arguments: &[String]) -> anyhow::Result<Self> {
        Self::start_with_paths(server, arguments, Paths::Own)
    }

    fn start_with_paths(server: Server, arguments: &[String], paths: Paths) -> anyhow::Result<Self> {
        let astra = Simulator::start(Settings::default()).context("failed to start the simulator")?;
        let client = server.client();
        // Without an engine's name, which the plugin of the base commit does not know.
        let egress = format!("--allow-egress={}", astra.url());
        server.register(PLUGIN, &[&[egress], arguments].concat());
        let token = child_token(&client)?;
        let address = server.address().trim_start_matches("http://").to_owned();
        let org = astra.organization(0).id.clone();

        client.must("POST", "sys/mounts/kv", &json!({"type": "kv", "options": {"version": "2"}}));
        client.must("POST", "kv/data/secret", &json!({"data": {"password": "x".repeat(100)}}));
        client.must("POST", "sys/mounts/astra", &json!({"type": PLUGIN}));
        paths.write_settings(&client, &astra)?;
        Ok(Self { server, client, address, token, astra, org, _modules: None })
    }

    pub(crate) fn raw_client(&self) -> anyhow::Result<RawClient> {
        RawClient::connect(&self.address, &self.token)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The process ID of the server.
    pub(crate) fn server_pid(&self) -> u32 {
        self.server.server_pid()
    }

    /// The process IDs of the plugin.
    pub(crate) fn plugin_pids(&self) -> Vec<u32> {
        self.server.plugin_pids()
    }

    /// Mounts a module of another engine.
    pub(crate) fn mount_module(&self, path: &str, engine: &str) {
        let mount = json!({"type": PLUGIN, "options": {"module": engine}});
        self.client.must("POST", &format!("sys/mounts/{path}"), &mount);
    }

    /// Mounts the plugin once more.
    pub(crate) fn mount(&self, path: &str) {
        self.client.must("POST", &format!("sys/mounts/{path}"), &json!({"type": PLUGIN}));
    }
}

/// The paths by which a plugin is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paths {
    /// Those that name organization and role.
    Own,
    /// Those of the Go plugin, where body or query name organization and role. The second organization is in sidecar mode.
    Go,
}

impl Paths {
    fn write_settings(self, client: &Client, astra: &Simulator) -> anyhow::Result<()> {
        let modes = match self {
            Self::Own => &["standard"][..],
            Self::Go => &["standard", "sidecar"],
        };
        for (org, mode) in astra.organizations().iter().zip(modes) {
            let role = astra.role_id(&org.id, "RO User").context("no role `RO User`")?;
            let (id, token) = (&org.id, &org.bootstrap.token);
            let mut config = json!({"astra_token": token, "url": astra.url()});
            let mut settings = json!({"role_id": role, "ttl": "1h"});
            let [config_path, role_path] = match self {
                Self::Own => [format!("astra/config/{id}"), format!("astra/roles/{id}/reader")],
                Self::Go => ["config", "role"].map(|path| format!("astra/{path}")),
            };
            if self == Self::Go {
                add(&mut config, &[("org_id", id), ("logical_name", &org.name), ("caller_mode", mode)]);
                add(&mut settings, &[("org_id", id), ("role_name", "reader"), ("max_ttl", "24h")]);
            }
            client.must("POST", &config_path, &config);
            client.must("POST", &role_path, &settings);
        }
        Ok(())
    }
}

fn add(body: &mut Value, fields: &[(&str, &str)]) {
    for (field, value) in fields {
        body[*field] = (*value).into();
    }
}

/// A token for the load generator.
fn child_token(client: &Client) -> anyhow::Result<String> {
    let made = client.must("POST", "auth/token/create", &json!({"ttl": "1h"}));
    text(&made, "/auth/client_token").context("the server made no token")
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().map(str::to_owned)
}
