//! A dev server that is started as a text of this repository says, with the test's own arguments.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::openbao::{Client, ClientProgram};
use serde_json::Value;

/// Root token of a server that only this test reaches.
pub(crate) const TOKEN: &str = "dev-only-token";

/// Time to the first answer of a program, on a machine that is busy with other tests.
const START_DEADLINE: Duration = Duration::from_secs(120);
const HEALTH_DEADLINE: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A free port of the loopback address.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits for an effect of a program; the panic has the program's output.
#[track_caller]
pub(crate) fn wait_for(program: &ClientProgram, what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + START_DEADLINE;
    while !is_so() {
        let goes_on = Instant::now() < deadline && program.is_running();
        assert!(goes_on, "{what} is not there:\n{}", program.output());
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// A server program in a folder of its own.
pub(crate) struct OwnServer {
    pub(crate) program: ClientProgram,
    pub(crate) client: Client,
    pub(crate) address: String,
}

impl OwnServer {
    /// Starts `PROGRAM ARGUMENT…`, which must make the server listen on the port.
    pub(crate) fn start(mut program: ClientProgram, executable: &Path, arguments: &[String], port: u16) -> Self {
        let address = format!("http://127.0.0.1:{port}");
        let client = Client::new(&address, TOKEN);
        program.start(executable, arguments);
        wait_for(&program, "the server", || {
            let health = client.try_call("GET", "sys/health", &Value::Null, &[], HEALTH_DEADLINE);
            health.is_ok_and(|reply| reply.status == 200)
        });
        Self { program, client, address }
    }
}

/// The arguments of a dev server with a configuration file.
pub(crate) fn dev_arguments(port: u16, config: &Path) -> Vec<String> {
    [
        "server".to_owned(),
        "-dev".to_owned(),
        "-dev-no-store-token".to_owned(),
        format!("-dev-root-token-id={TOKEN}"),
        format!("-dev-listen-address=127.0.0.1:{port}"),
        format!("-config={}", config.display()),
    ]
    .into()
}

/// A folder of plugins with the plugin under test.
pub(crate) fn plugin_folder(program: &ClientProgram) -> PathBuf {
    let folder = program.path("plugins");
    std::fs::create_dir(&folder).unwrap();
    let plugin = harness::plugin_binary();
    harness::place_program(&plugin, &folder.join(plugin.file_name().unwrap()));
    folder
}
