//! The plugin, or the server with it, is killed at each step of an update. Afterwards the old or the new module serves,
//! no other one ever did, and the previous module is known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::modules::ModuleFile;
use harness::openbao::{Server, ServerKind};
use serde_json::{Value, json};

use super::{Toys, full, good, runs, toy};

/// A step, the module of the update, and the sign that the step is reached.
struct Step {
    name: &'static str,
    module: fn(u8) -> ModuleFile,
    is_there: fn(&Toys, &str) -> bool,
    /// Is the new module stored as the active one at this step?
    is_stored: bool,
}

const STEPS: [Step; 5] = [
    // The module pauses after this step, so that the test reads storage before the module is active.
    Step { name: "compiling", module: pauses, is_there: is_compiling, is_stored: false },
    Step { name: "describing itself", module: pauses, is_there: describes_itself, is_stored: false },
    Step {
        name: "being probed",
        module: pauses,
        is_there: |toys, version| says(toys, &format!("{version} is probed")),
        is_stored: false,
    },
    Step { name: "stored", module: good, is_there: |toys, version| stored(toys) == version, is_stored: true },
    Step { name: "live", module: good, is_there: |toys, version| runs(&toys.status()) == version, is_stored: true },
];

fn pauses(version: u8) -> ModuleFile {
    toy("pauses", version)
}

/// Shorter than the pause of the module in a step.
const COMPILING_CHECKED: Duration = Duration::from_millis(200);

/// Checks often without a pause, because a toy compiles within some ten milliseconds. If the check misses that, the
/// update is at its next step, where it stays for a while.
fn is_compiling(toys: &Toys, version: &str) -> bool {
    let (plugins, begun) = (toys.server.plugin_pids(), Instant::now());
    while begun.elapsed() < COMPILING_CHECKED {
        if plugins.iter().any(|pid| toys.server.is_compiling(*pid)) {
            return true;
        }
    }
    describes_itself(toys, version)
}

fn describes_itself(toys: &Toys, version: &str) -> bool {
    says(toys, &format!("{version} describes itself"))
}

/// The toy has logged these words.
fn says(toys: &Toys, words: &str) -> bool {
    toys.server.log().contains(words)
}

/// The stored version of the active module.
fn stored(toys: &Toys) -> String {
    let client = toys.server.client();
    let folder = format!("sys/raw/logical/{}/secrets-engine-host", toys.uuid());
    let keys = client.must("LIST", &folder, &Value::Null)["data"]["keys"].clone();
    let read = client.must("GET", &format!("{folder}/{}", keys[0].as_str().unwrap()), &Value::Null);
    let state: Value = serde_json::from_str(read["data"]["value"].as_str().unwrap()).unwrap();
    state["running"]["version"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_update_that_is_killed_at_any_step_ends_updated() {
    let modules: Vec<ModuleFile> =
        (31_u8..).zip(STEPS.iter().chain(&STEPS)).map(|(number, step)| (step.module)(number)).collect();
    let server = Arc::new(Server::start(ServerKind::Raft));
    // The first module needs the same capability as the others, the log.
    let trust = modules.iter().chain([&pauses(30)]).map(ModuleFile::pin).collect();
    let toys = Toys::mount(Arc::clone(&server), trust, |folder| folder.drop_in(&pauses(30)));
    let kill_plugin = || server.plugin_pids().into_iter().for_each(|pid| server.kill_plugin(pid));
    let kill_server = || {
        server.crash_and_restart();
        server.unseal();
    };
    let kills: [(&str, &dyn Fn()); 2] = [("the plugin", &kill_plugin), ("the server", &kill_server)];
    let rows = kills.into_iter().flat_map(|kill| STEPS.iter().map(move |step| (kill, step)));
    for (((who, kill), step), update) in rows.zip(&modules) {
        let _note = harness::Note::new(&format!("{who}, {}", step.name));
        toys.assert_serves(30);
        toys.folder.drop_in(update);
        server.wait_for(step.name, || (step.is_there)(&toys, &update.version));
        // The update waits meanwhile: on a busy machine these requests may take longer than a step.
        let at_step = server.with_stopped_plugins(|| stored(&toys));
        assert_eq!(at_step, if step.is_stored { update.version.clone() } else { full(30) });
        kill();
        server.wait_for("an answer", || {
            let read = toys.read("version");
            let version = read.text("version");
            let is_known = version == update.version || version == full(30) && !step.is_stored;
            assert!(read.status != 200 || is_known, "{read:#?}");
            read.status == 200
        });
        toys.wait_for_status(&update.version, |status| runs(status) == update.version);
        assert_eq!(toys.serving(), update.version);
        // The next pass stores what a start could not store while the mount was set up.
        toys.reload();
        assert_eq!(stored(&toys), update.version);
        assert_eq!(toys.status()["previous"]["version"], json!(full(30)));
        toys.must("module/rollback", Value::Null);
    }
    toys.assert_serves(30);
    assert_eq!(server.plugin_pids().len(), 1);
}
