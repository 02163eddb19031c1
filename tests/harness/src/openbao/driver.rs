//! The OpenBao driver: the real plugin under a real server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::audit::AUDIT_FILE;
use super::process::OUTPUT;
use super::{Client, Reply, Server};
use crate::fake::Fake;
use crate::limits::{POLL_INTERVAL, REQUEST_DEADLINE, ROLLBACK_DEADLINE};
use crate::{Ask, Driver, DriverKind, Outcome, Verb};

/// Settings of a registration and its mount.
#[derive(Clone, Debug, Default)]
pub struct MountSettings {
    /// Name in the catalog. Mounts of one name share one process.
    pub plugin: String,
    /// Path, with trailing slash.
    pub mount_point: String,
    /// Arguments of the registration.
    pub arguments: Vec<String>,
    /// Environment of the registration, each as `NAME=value`.
    pub environment: Vec<String>,
    /// Lines of shell that the plugin's process runs first; empty = none.
    pub shell: String,
    /// Options of the mount: an object, or null.
    pub options: Value,
    /// The mount's default time to live of leases; `None` = the server's.
    pub default_ttl: Option<Duration>,
    /// The mount's longest time to live of leases; `None` = the server's.
    pub max_ttl: Option<Duration>,
}

/// One mount under a real server.
pub struct OpenBaoDriver {
    server: Arc<Server>,
    client: Client,
    mount_point: String,
    /// Sizes of log and audit log before the mount existed. Earlier lines say nothing of the mount's secrets, and the
    /// logs of a server that all scenarios share are long.
    logged_before: [u64; 2],
    /// Does the mount end with this value?
    owns_mount: bool,
}

impl OpenBaoDriver {
    /// Registers the plugin and enables the mount.
    ///
    /// # Panics
    /// When the server refuses either.
    #[track_caller]
    pub fn mount(server: Arc<Server>, settings: &MountSettings) -> Self {
        let MountSettings { plugin, arguments, environment, shell, .. } = settings;
        let logged_before = logged(&server);
        if shell.is_empty() {
            server.register_with(plugin, arguments, environment);
        } else {
            server.register_behind(shell, plugin, arguments, environment);
        }
        let mut mounted = Self::mount_registered(server, settings);
        mounted.logged_before = logged_before;
        mounted
    }

    /// Enables a mount of a registered plugin.
    ///
    /// # Panics
    /// When the server refuses the mount.
    #[track_caller]
    pub fn mount_registered(server: Arc<Server>, settings: &MountSettings) -> Self {
        let (client, logged_before) = (server.client(), logged(&server));
        let seconds = |ttl: Option<Duration>| ttl.map(|ttl| format!("{}s", ttl.as_secs())).unwrap_or_default();
        let config =
            json!({ "default_lease_ttl": seconds(settings.default_ttl), "max_lease_ttl": seconds(settings.max_ttl) });
        let body = json!({ "type": settings.plugin, "config": config, "options": settings.options });
        client.must("POST", &format!("sys/mounts/{}", settings.mount_point.trim_end_matches('/')), &body);
        Self { server, client, mount_point: settings.mount_point.clone(), logged_before, owns_mount: true }
    }

    /// The same mount, through another node of the cluster.
    pub fn through(&self, node: Arc<Server>) -> Self {
        let client = node.client();
        Self { server: node, client, mount_point: self.mount_point.clone(), logged_before: [0; 2], owns_mount: false }
    }

    /// The mount's path, with trailing slash.
    pub fn mount_point(&self) -> &str {
        &self.mount_point
    }

    /// The server of the mount.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    fn path(&self, path: &str) -> String {
        format!("{}{}", self.mount_point, path.trim_start_matches('/')).trim_end_matches('/').to_owned()
    }

    fn collect_leases(&self, prefix: &str, found: &mut Vec<String>) {
        let listed = self.client.call("LIST", &format!("sys/leases/lookup/{prefix}"), &Value::Null).outcome();
        for key in listed.keys() {
            if key.ends_with('/') {
                self.collect_leases(&format!("{prefix}{key}"), found);
            } else {
                found.push(format!("{prefix}{key}"));
            }
        }
    }
}

impl Driver for OpenBaoDriver {
    fn kind(&self) -> DriverKind {
        DriverKind::OpenBao
    }

    fn ask(&self, ask: Ask) -> Outcome {
        let path = self.path(&ask.path);
        let query = || format!("{path}{}", query_of(&ask.data));
        let merge_patch = [("content-type", "application/merge-patch+json")];
        match ask.verb {
            Verb::Read => self.client.call("GET", &query(), &Value::Null).outcome(),
            Verb::List => self.client.call("LIST", &query(), &Value::Null).outcome(),
            Verb::Delete => self.client.call("DELETE", &query(), &Value::Null).outcome(),
            Verb::Write => {
                let body = if ask.data.is_null() { json!({}) } else { ask.data };
                self.client.call("POST", &path, &body).outcome()
            }
            Verb::Patch => self.client.call_with("PATCH", &path, &ask.data, &merge_patch).outcome(),
            Verb::Help => {
                // An answer with help has no envelope around the data.
                let reply = self.client.call("GET", &format!("{path}?help=1"), &Value::Null);
                let outcome = reply.outcome();
                if reply.status == 200 { Outcome { data: reply.body, ..outcome } } else { outcome }
            }
        }
    }

    fn renew(&self, lease_id: &str, increment: Option<Duration>) -> Outcome {
        let mut body = json!({ "lease_id": lease_id });
        if let Some(increment) = increment {
            body["increment"] = json!(increment.as_secs());
        }
        self.client.call("PUT", "sys/leases/renew", &body).outcome()
    }

    fn revoke(&self, lease_id: &str) -> Outcome {
        self.client.call("PUT", "sys/leases/revoke", &json!({ "lease_id": lease_id, "sync": true })).outcome()
    }

    fn revoke_prefix(&self, prefix: &str) -> Outcome {
        let path = format!("sys/leases/revoke-prefix/{}", self.path(prefix));
        self.client.call("PUT", &path, &json!({ "sync": true })).outcome()
    }

    fn leases(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect_leases(&self.mount_point, &mut found);
        found
    }

    fn settle(&self, done: &dyn Fn() -> bool) -> bool {
        let deadline = Instant::now() + ROLLBACK_DEADLINE;
        while Instant::now() < deadline {
            if done() {
                return true;
            }
            // The wait is for the server's call each minute, so a shorter pause would only cost time.
            std::thread::sleep(POLL_INTERVAL * 10);
        }
        false
    }

    fn disable(&self) -> Outcome {
        self.client.call("DELETE", &format!("sys/mounts/{}", self.path("")), &Value::Null).outcome()
    }

    fn logs(&self) -> String {
        let [log, audit] = self.logged_before;
        format!("{}\n{}", self.server.lines_since(OUTPUT, log), self.server.audit_log_since(audit))
    }

    fn fake(&self) -> Option<&Fake> {
        None
    }
}

impl Drop for OpenBaoDriver {
    /// Removes the mount: a process for each mount of each scenario would be too many.
    fn drop(&mut self) {
        if !self.owns_mount {
            return;
        }
        let mount = self.path("");
        let call = |method, path: &str| self.client.try_call(method, path, &Value::Null, &[], REQUEST_DEADLINE);
        let disabled = |answer: Result<Reply, String>| answer.is_ok_and(|reply| reply.status < 300);
        if std::thread::panicking() || !disabled(call("DELETE", &format!("sys/mounts/{mount}"))) {
            // Best effort: the server itself ends with this process.
            let _ = call("PUT", &format!("sys/leases/revoke-force/{mount}"));
            let _ = call("DELETE", &format!("sys/mounts/{mount}"));
        }
    }
}

/// Sizes of the server's log and audit log.
fn logged(server: &Server) -> [u64; 2] {
    [OUTPUT, AUDIT_FILE].map(|name| server.bytes_of(name))
}

/// `?name=value&…`, escaped.
fn query_of(data: &Value) -> String {
    let Some(data) = data.as_object().filter(|data| !data.is_empty()) else { return String::new() };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs = data.iter().flat_map(|(name, value)| match value {
        Value::Array(items) => items.iter().map(|item| (name, text(item))).collect::<Vec<_>>(),
        other => vec![(name, text(other))],
    });
    let pairs: Vec<_> = pairs.map(|(name, value)| format!("{}={}", escaped(name), escaped(&value))).collect();
    format!("?{}", pairs.join("&"))
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped_and_repeat_list_items() {
        let data = json!({ "a": "x y/ü", "b": ["1", "2"], "c": true });
        assert_eq!(query_of(&data), "?a=x%20y%2F%C3%BC&b=1&b=2&c=true");
        assert_eq!(query_of(&Value::Null), "");
    }
}
