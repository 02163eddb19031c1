//! The systemd unit: it leaves the plugin what the plugin needs, systemd knows its settings, and the server with the
//! plugin runs under those restrictions that a process can impose on itself.

use harness::openbao::ClientProgram;
use harness::openbao_binary;
use serde_json::{Value, json};

use super::example;
use crate::own_server::{OwnServer, dev_arguments, free_port, plugin_folder};

const PLUGIN: &str = "vault-plugin-secrets-datastax-astra";

fn settings(unit: &str) -> Vec<(&str, &str)> {
    unit.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')).collect()
}

#[test]
fn the_unit_leaves_the_plugin_what_it_needs() {
    let unit = example("systemd/openbao.service");
    let settings = settings(&unit);
    let value =
        |name: &str| settings.iter().filter(|(key, _)| *key == name).map(|(_, value)| *value).collect::<Vec<_>>();
    // The plugin runs code that it compiled, its compiler sets a filter of its own, and it uses TCP and a Unix socket.
    assert_eq!(value("MemoryDenyWriteExecute"), ["no"]);
    assert_eq!(value("SystemCallFilter"), ["@system-service"]);
    for family in ["AF_INET", "AF_INET6", "AF_UNIX"] {
        assert!(value("RestrictAddressFamilies")[0].contains(family), "{family}");
    }
    for name in ["NoNewPrivileges", "ProtectSystem", "PrivateTmp", "RestrictNamespaces", "UMask", "LimitCORE"] {
        assert_eq!(value(name).len(), 1, "{name}");
    }
    let mut names: Vec<&str> =
        settings.iter().map(|(name, _)| *name).filter(|name| *name != "SystemCallFilter").collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "a setting stands twice");
}

/// Settings of systemd.unit(5), systemd.service(5), systemd.exec(5) and systemd.kill(5). Another name is a mistake,
/// which systemd ignores with a line in its log.
const KNOWN: &str = "After AmbientCapabilities CapabilityBoundingSet ConditionFileNotEmpty Description ExecReload ExecStart Group \
    KillSignal LimitCORE LimitNOFILE LockPersonality MemoryDenyWriteExecute NoNewPrivileges PrivateDevices \
    PrivateTmp ProtectClock ProtectControlGroups ProtectHome ProtectHostname ProtectKernelLogs \
    ProtectKernelModules ProtectKernelTunables ProtectProc ProtectSystem ReadOnlyPaths RemoveIPC Restart \
    RestartSec RestrictAddressFamilies RestrictNamespaces RestrictRealtime RestrictSUIDSGID StateDirectory \
    StateDirectoryMode SystemCallArchitectures SystemCallErrorNumber SystemCallFilter TimeoutStopSec Type UMask \
    User WantedBy Wants";

#[test]
fn systemd_knows_every_setting_of_the_unit() {
    let unit = example("systemd/openbao.service");
    let known: Vec<&str> = KNOWN.split_whitespace().collect();
    let unknown: Vec<&str> =
        settings(&unit).iter().map(|(name, _)| *name).filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// A read-only root except for one folder, no new privileges, no core dumps, no capabilities, files for the owner only.
const CONFINED: &str = r#"
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,bind,ro /
cd "$1"
! touch /usr/written-by-the-test 2>/dev/null
umask 0077
ulimit -c 0
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
shift
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"#;

#[test]
fn the_plugin_serves_under_the_restrictions_of_the_unit() {
    let program = ClientProgram::new();
    let plugins = plugin_folder(&program).display().to_string();
    let config = program.write("server.hcl", &format!("plugin_directory = {plugins:?}\n"));
    let port = free_port();
    let folder = program.path("").display().to_string();
    let server = openbao_binary().display().to_string();
    let confine = ["--user", "--map-root-user", "--mount", "bash", "-c", CONFINED, "confined", &folder, &server];
    let arguments = [confine.map(str::to_owned).to_vec(), dev_arguments(port, &config)].concat();
    let server = OwnServer::start(program, "unshare".as_ref(), &arguments, port);
    let sum = harness::sha256_hex(&std::fs::read(harness::plugin_binary()).unwrap());
    let client = &server.client;
    client.must("PUT", &format!("sys/plugins/catalog/secret/{PLUGIN}"), &json!({ "sha256": sum, "command": PLUGIN }));
    client.must("POST", "sys/mounts/astra", &json!({ "type": PLUGIN }));
    let module = client.must("GET", "astra/module", &Value::Null);
    assert_eq!(module["data"]["origin"], "embedded", "{module}");
}
