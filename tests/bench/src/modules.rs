//! Modules: the time to load one, and the memory of a second version.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use component_runtime::egress::EgressSettings;
use component_runtime::{CompilePriority, CompilerProgram, Limits, Runtime, RuntimeSettings, SealKey};
use harness::modules::{ModuleFile, ModulesDir};
use serde_json::Value;
use tokio::runtime::Runtime as Tokio;

use crate::in_process::tokio;
use crate::memory::resident;
use crate::samples::{Samples, figure, milliseconds};
use crate::server::TestServer;
use crate::table::{Table, Target, quantity};

const LOADS: usize = 21;
const COMPILES: usize = 5;
const SWITCH_DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let path = harness::component_wasm();
    let wasm = std::fs::read(&path).with_context(|| format!("failed to read `{}`", path.display()))?;
    let code: &'static [u8] = Vec::leak(Runtime::precompile(&wasm).context("failed to precompile")?);
    table.section("modules: the Astra engine's");
    loads(table, &wasm, code)?;
    second_version(table, code.len())
}

fn loads(table: &mut Table, wasm: &[u8], code: &'static [u8]) -> anyhow::Result<()> {
    let tokio = tokio()?;
    let settings = RuntimeSettings {
        egress: EgressSettings::default(),
        upstream_read_only: false,
        wal_minimum_age: Duration::from_secs(600),
        compile_priority: CompilePriority::Background,
        memory_limit: None,
        limits: Limits::default(),
    };
    let runtime = tokio.block_on(async { Runtime::new(settings) }).context("failed to start the runtime")?;
    let mut embedded = Samples::default();
    for _ in 0..LOADS {
        let before = Instant::now();
        tokio.block_on(runtime.load_embedded(code, wasm)).context("failed to load")?;
        embedded.add(before.elapsed());
    }
    // In a separate process, as the plugin does.
    let (path, arguments) = (harness::plugin_binary(), vec!["compile-for-parent".into()]);
    runtime.compile_in_processes(CompilerProgram { path, arguments });
    let mut compiled = Samples::default();
    for _ in 0..COMPILES {
        let before = Instant::now();
        tokio.block_on(runtime.load(wasm)).context("failed to compile")?;
        compiled.add(before.elapsed());
    }
    let cached = cached_loads(&tokio, &runtime, wasm)?;
    let of = |samples: &Samples| milliseconds(samples.percentile(50));
    table.target("load of the embedded one: median", of(&embedded), "ms", Target::AtMost(2.0));
    table.target("load of a cached one: median", of(&cached), "ms", Target::AtMost(5.0));
    table.target("compile: median", of(&compiled), "ms", Target::AtMost(300.0));
    Ok(())
}

/// As from the cache: reads, unseals and loads.
fn cached_loads(tokio: &Tokio, runtime: &Runtime, wasm: &[u8]) -> anyhow::Result<Samples> {
    let (key, digest) = (SealKey::new([7; 32]), [1; 32]);
    let module = tokio.block_on(runtime.load(wasm)).context("failed to compile")?;
    let folder = tempfile::tempdir().context("failed to make a folder")?;
    let file = folder.path().join("sealed");
    std::fs::write(&file, module.seal(&key, digest).context("failed to seal")?).context("failed to write")?;
    let mut samples = Samples::default();
    for _ in 0..LOADS {
        let before = Instant::now();
        let sealed = std::fs::read(&file).context("failed to read")?;
        tokio.block_on(runtime.load_sealed(&key, digest, sealed)).context("failed to load what was sealed")?;
        samples.add(before.elapsed());
    }
    Ok(samples)
}

/// Memory of the previous module, which is kept for a revert.
fn second_version(table: &mut Table, code_bytes: usize) -> anyhow::Result<()> {
    let front = &harness::modules::ASTRA_VERSION[..harness::modules::ASTRA_VERSION.len() - 1];
    let modules: Vec<ModuleFile> = (1..=3).map(|number| ModuleFile::astra(&format!("{front}{number}"))).collect();
    let folder = ModulesDir::new();
    let arguments: Vec<String> = modules.iter().map(ModuleFile::pin).chain([folder.argument()]).collect();
    let server = TestServer::start_with(&arguments)?;
    let before = resident(&server)?;
    let mut after = resident(&server)?;
    for module in &modules {
        folder.drop_in(module);
        wait_for(&server, module)?;
        after = resident(&server)?;
    }
    // Two modules are loaded beside the embedded one: the active and the previous one.
    let each = |before: usize, after: usize| figure(after.saturating_sub(before)) / 2.0 / 1024.0;
    let resident = each(before.total_kib, after.total_kib);
    let code_mib = figure(code_bytes) / 1024.0 / 1024.0;
    table.target("memory of a further version that is kept / its code", resident / code_mib, "×", Target::AtMost(1.0));
    let note = format!("its code {}", quantity(code_mib, "MiB"));
    table.figure("memory of a further version that is kept", quantity(resident, "MiB"), note);
    // Code that no request has reached is in memory, but not mapped by the process.
    let whole = each(before.anonymous_kib, after.anonymous_kib) + code_mib;
    table.figure("the same, all of its code counted", quantity(whole, "MiB"), "");
    Ok(())
}

fn wait_for(server: &TestServer, module: &ModuleFile) -> anyhow::Result<()> {
    let begin = Instant::now();
    loop {
        let status = server.client().must("GET", "astra/module", &Value::Null);
        if status.pointer("/data/version").and_then(Value::as_str) == Some(&module.version) {
            return Ok(());
        }
        if begin.elapsed() > SWITCH_DEADLINE {
            bail!("{} does not go live: {status}", module.version);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
