//! One of the compared plugins on a server of its own, and its loads.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use harness::openbao::ServerKind;
use serde_json::{Value, json};

use super::goals::Action;
use super::spent::Spent;
use crate::load::{Load, Operation, Until, run, same};
use crate::raw_client::RawClient;
use crate::samples::{figure, milliseconds};
use crate::server::{Paths, TestServer};

/// A plugin, and the leases of the round.
pub(super) struct Subject {
    server: TestServer,
    paths: Paths,
    leases: Mutex<Vec<String>>,
    /// Logical names that were given to tokens.
    names: AtomicUsize,
    /// Live tokens in Astra before the first mint.
    live: usize,
}

/// Figures of one load.
pub(super) struct Measured {
    pub(super) per_second: f64,
    /// Latencies in milliseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// Processor time for 1,000 requests, in milliseconds.
    pub(super) plugin: f64,
    pub(super) server: f64,
}

impl Subject {
    pub(super) fn start(kind: ServerKind, plugin: &Path, paths: Paths) -> anyhow::Result<Self> {
        let server = TestServer::start_plugin(kind, plugin, paths)?;
        let live = live_tokens(&server);
        Ok(Self { server, paths, leases: Mutex::default(), names: AtomicUsize::new(0), live })
    }

    /// Use of the processor by the processes of the plugin.
    pub(super) fn spent_by_plugin(&self) -> anyhow::Result<Spent> {
        Spent::by(&self.server.plugin_pids())
    }

    fn spent_by_server(&self) -> anyhow::Result<Spent> {
        Spent::by(&[self.server.server_pid()])
    }

    pub(super) fn measure(&self, action: Action, clients: usize, length: Duration) -> anyhow::Result<Measured> {
        let before = (self.spent_by_plugin()?, self.spent_by_server()?);
        let load =
            self.load(action, clients, length).with_context(|| format!("failed to measure {}", action.name()))?;
        let spent = (self.spent_by_plugin()?.since(&before.0), self.spent_by_server()?.since(&before.1));
        if action == Action::Revoke {
            self.clear()?;
        }
        let of_thousand = |spent: &Spent| spent.milliseconds / figure(load.samples.count()) * 1_000.0;
        Ok(Measured {
            per_second: load.per_second,
            p50: milliseconds(load.samples.percentile(50)),
            p99: milliseconds(load.samples.percentile(99)),
            plugin: of_thousand(&spent.0),
            server: of_thousand(&spent.1),
        })
    }

    fn load(&self, action: Action, clients: usize, length: Duration) -> anyhow::Result<Load> {
        let server = &self.server;
        let passed = Until::Passed(length);
        let next = AtomicUsize::new(0);
        match action {
            Action::ReadConfig | Action::ReadRole | Action::ListRoles => {
                let path = self.path_of(action);
                run(server, clients, passed, |client| same(client.request("GET", &path, "")))
            }
            Action::MintNamed => run(server, clients, passed, |_| self.mint_named()),
            Action::Creds => {
                let path = self.path_of(action);
                run(server, clients, passed, |client| self.mint(client.request("GET", &path, "")))
            }
            Action::Renew => run(server, clients, passed, |_| self.of_lease("renew", &next)),
            Action::Revoke => {
                let each = self.leases().len() / clients;
                run(server, clients, Until::Done(each.max(1)), |_| self.of_lease("revoke", &next))
            }
        }
    }

    fn path_of(&self, action: Action) -> String {
        let org = &self.server.org;
        let path = match (self.paths, action) {
            (Paths::Own, Action::ReadConfig) => format!("config/{org}"),
            (Paths::Own, Action::ReadRole) => format!("roles/{org}/reader"),
            (Paths::Own, Action::ListRoles) => format!("roles/{org}?list=true"),
            (Paths::Own, _) => format!("creds/{org}/reader"),
            (Paths::Go, Action::ReadConfig) => format!("config?org_id={org}"),
            (Paths::Go, Action::ReadRole) => format!("role?org_id={org}&role_name=reader"),
            (Paths::Go, Action::ListRoles) => "roles?list=true".to_owned(),
            (Paths::Go, _) => format!("org/token?org_id={}&role_name=reader", self.server.astra.organization(1).id),
        };
        format!("astra/{path}")
    }

    fn leases(&self) -> MutexGuard<'_, Vec<String>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mint(&self, request: Vec<u8>) -> Operation<'_> {
        Box::new(move |client| self.keep_lease(&client.json(&request)?))
    }

    fn mint_named(&self) -> Operation<'_> {
        Box::new(move |client| {
            let name = format!("name-{}", self.names.fetch_add(1, Ordering::Relaxed));
            let body = json!({ "org_id": self.server.org, "role_name": "reader", "logical_name": name });
            let request = client.request("PUT", "astra/org/token", &body.to_string());
            self.keep_lease(&client.json(&request)?)
        })
    }

    fn keep_lease(&self, minted: &Value) -> anyhow::Result<()> {
        let lease = minted.get("lease_id").and_then(Value::as_str).context("a mint without a lease")?;
        self.leases().push(lease.to_owned());
        Ok(())
    }

    /// The same call for one lease after the other.
    fn of_lease<'a>(&'a self, call: &'static str, next: &'a AtomicUsize) -> Operation<'a> {
        Box::new(move |client: &mut RawClient| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let lease = {
                let leases = self.leases();
                leases.get(number % leases.len().max(1)).cloned().context("there is no lease")?
            };
            let body = json!({ "lease_id": lease, "sync": true }).to_string();
            let request = client.request("PUT", &format!("sys/leases/{call}"), &body);
            client.send(&request).map(drop)
        })
    }

    /// Ends the leases of a round.
    fn clear(&self) -> anyhow::Result<()> {
        self.server.client().must("PUT", "sys/leases/revoke-prefix/astra", &json!({ "sync": true }));
        self.leases().clear();
        let left = live_tokens(&self.server).saturating_sub(self.live);
        if left > 0 { bail!("{left} tokens are left in Astra") } else { Ok(()) }
    }
}

fn live_tokens(server: &TestServer) -> usize {
    server.astra.organizations().iter().map(|org| server.astra.counts(&org.id).live).sum()
}
