//! The engine of the templates in each language, beside that in Rust: time of a request through OpenBao, and memory. `module new` writes
//! the projects, and their own toolchains build them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use harness::modules::{ModuleFile, ModulesDir};
use serde_json::json;

use crate::load::{Until, run, same};
use crate::memory::resident;
use crate::samples::{Samples, figure, milliseconds};
use crate::server::TestServer;
use crate::table::{Table, quantity};

/// Each language, with the name of its engine and the commands that build the module. Rust is the first.
const LANGUAGES: [(&str, &str, &str); 3] = [
    ("rust", "in-rust", "make module PLUGIN=\"$PLUGIN\""),
    ("js", "in-js", "npm ci --no-audit --no-fund --silent && npm run build"),
    ("python", "in-python", "make module PLUGIN=\"$PLUGIN\""),
];

const VERSION: &str = "0.1.0";

/// Requests of one client, one after the other.
const REQUESTS: usize = 500;

/// Requests at once, for the memory that several instances take.
const THREADS: usize = 8;

/// Between two looks at the memory.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    table.section(format!("engines of the templates through OpenBao, one client, {REQUESTS} requests"));
    let mut of_rust = None;
    for (word, engine, build) in LANGUAGES {
        let module = built(word, engine, build).with_context(|| format!("failed to build the project in {word}"))?;
        let measured = one(&module)?;
        let beside: &Measured = of_rust.get_or_insert(measured);
        rows(table, word, &module, &measured, beside);
    }
    Ok(())
}

/// Writes the project and builds its module.
fn built(word: &str, engine: &'static str, build: &str) -> anyhow::Result<ModuleFile> {
    let folder = tempfile::tempdir().context("failed to make a folder")?;
    let plugin = harness::plugin_binary();
    let status = Command::new(&plugin).args(["module", "new", engine, "--lang", word]).current_dir(&folder).status()?;
    if !status.success() {
        bail!("`module new` ended with {status}");
    }
    let project = folder.path().join(engine);
    let path = with_tools(&std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("bash");
    shell.args(["-c", build]).current_dir(&project).env("PLUGIN", &plugin).env("PATH", path);
    shell.env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", harness::python_wheels());
    // The artefacts of this project would lie between those of the measured program.
    let status = shell.env("CARGO_TARGET_DIR", project.join("target")).env_remove("RUSTFLAGS").status()?;
    if !status.success() {
        bail!("`{build}` ended with {status}");
    }
    let wasm = std::fs::read(project.join(format!("{engine}-{VERSION}.wasm"))).context("there is no module")?;
    Ok(ModuleFile { engine, version: VERSION.to_owned(), wasm })
}

/// The search path with the node of `make tools` before it.
fn with_tools(path: &str) -> String {
    let node = harness::tool("javascript/bin/node");
    format!("{}:{path}", node.parent().unwrap_or(Path::new("")).display())
}

/// What one language costs.
#[derive(Clone, Copy)]
struct Measured {
    read_ms: f64,
    lease_ms: f64,
    /// Resident memory that the module adds: after the first request, and at the most while several are served at once.
    first_mib: f64,
    several_mib: f64,
}

fn one(module: &ModuleFile) -> anyhow::Result<Measured> {
    let folder = ModulesDir::new();
    let server = TestServer::start_with(&[module.pin(), folder.argument()])?;
    let before = resident(&server)?.total_kib;
    // The plugin reads a file as soon as the file is there. The memory for that belongs to the module.
    folder.drop_in(module);
    server.mount_module("greetings", module.engine);
    server.client().must("POST", "greetings/greetings/alice", &json!({ "text": "Welcome" }));
    let grown = || -> anyhow::Result<f64> { Ok(figure(resident(&server)?.total_kib.saturating_sub(before)) / 1024.0) };
    let first_mib = grown()?;
    let read = requests(&server, 1, "greetings/greetings/alice")?;
    let lease = requests(&server, 1, "greetings/passes/alice")?;
    let several_mib = most_during(grown, || requests(&server, THREADS, "greetings/greetings/alice").map(drop))?;
    let ms = |samples: &Samples| milliseconds(samples.percentile(50));
    Ok(Measured { read_ms: ms(&read), lease_ms: ms(&lease), first_mib, several_mib })
}

/// The largest figure that is met until the work is done: memory is given back soon after it.
fn most_during(
    figure: impl Fn() -> anyhow::Result<f64>,
    work: impl FnOnce() -> anyhow::Result<()> + Send,
) -> anyhow::Result<f64> {
    std::thread::scope(|scope| {
        let worker = scope.spawn(work);
        let mut most = figure()?;
        while !worker.is_finished() {
            most = most.max(figure()?);
            std::thread::sleep(PAUSE);
        }
        worker.join().unwrap_or_else(|_| bail!("the load panicked"))?;
        Ok(most)
    })
}

fn requests(server: &TestServer, threads: usize, path: &str) -> anyhow::Result<Samples> {
    let load = run(server, threads, Until::Done(REQUESTS), |client| same(client.request("GET", path, "")))?;
    Ok(load.samples)
}

fn rows(table: &mut Table, word: &str, module: &ModuleFile, measured: &Measured, rust: &Measured) {
    let mib = |mib: f64| quantity(mib, "MiB");
    let beside = |own: f64, rust: f64| format!("{} as in Rust", quantity(own / rust, "×"));
    let Measured { read_ms, lease_ms, first_mib, several_mib } = *measured;
    table.figure(format!("{word}: read, p50"), quantity(read_ms, "ms"), beside(read_ms, rust.read_ms));
    table.figure(format!("{word}: lease, p50"), quantity(lease_ms, "ms"), beside(lease_ms, rust.lease_ms));
    let size = format!("the module has {}", mib(figure(module.wasm.len()) / 1024.0 / 1024.0));
    table.figure(format!("{word}: memory after the first request"), mib(first_mib), size);
    let note = beside(several_mib, rust.several_mib);
    table.figure(format!("{word}: memory while {THREADS} are served at once"), mib(several_mib), note);
}
