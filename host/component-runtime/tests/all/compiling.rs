//! Compiling in a separate process: its output serves, and its failures affect nothing else.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests look at processes")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use component_runtime::{CompilerProgram, Limits, LoadError, Runtime};

use crate::support::{TestRuntime, limits, runtime, wasm};

/// The program that compiles as the plugin does.
const COMPILER: &str = env!("CARGO_BIN_EXE_compile-for-parent");

fn runtime_with(path: &str, arguments: &[&str], limits: Limits) -> TestRuntime {
    let runtime = runtime(limits, &[]);
    let arguments = arguments.iter().map(Into::into).collect();
    runtime.compile_in_processes(CompilerProgram { path: path.into(), arguments });
    runtime
}

/// A shell script in place of the compiler, with its input and output.
fn shell(script: &str, limits: Limits) -> TestRuntime {
    runtime_with("/bin/sh", &["-c", script], limits)
}

async fn fails(runtime: &Runtime) -> LoadError {
    runtime.load(&wasm("good")).await.err().unwrap()
}

#[tokio::test]
async fn a_module_from_the_compiler_process_serves_and_can_be_sealed() {
    let runtime = runtime_with(COMPILER, &[], limits());
    let module = runtime.load(&wasm("good")).await.unwrap();
    assert_eq!(module.description().name, "good");
    let key = component_runtime::SealKey::new([1; 32]);
    let sealed = module.seal(&key, [2; 32]).unwrap();
    drop(module);
    assert_eq!(runtime.load_sealed(&key, [2; 32], sealed).await.unwrap().description().name, "good");
}

#[tokio::test]
async fn a_compile_error_has_the_same_text_from_a_process() {
    let mut broken = wasm("good");
    let middle = broken.len() / 2;
    broken[middle..middle + 64].fill(0xff);
    let here = runtime(limits(), &[]).load(&broken).await.err().unwrap();
    let there = runtime_with(COMPILER, &[], limits()).load(&broken).await.err().unwrap();
    assert!(matches!(there, LoadError::Invalid(_)));
    assert_eq!(there.to_string(), here.to_string());
}

#[tokio::test]
async fn a_slow_compiler_process_is_killed_and_the_next_one_runs() {
    let folder = std::env::temp_dir().join(format!("compiling-{}", std::process::id()));
    let script = format!("echo $$ > {}; exec sleep 600", folder.display());
    let slow = shell(&script, Limits { compile_deadline: Duration::from_secs(2), ..limits() });
    assert!(matches!(fails(&slow).await, LoadError::Deadline(_)));
    let pid = std::fs::read_to_string(&folder).unwrap();
    std::fs::remove_file(&folder).unwrap();
    let began = Instant::now();
    while is_running(pid.trim()) {
        assert!(began.elapsed() < Duration::from_secs(30), "process {pid} goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(matches!(fails(&slow).await, LoadError::Deadline(_)), "it was begun, and not refused for want of a turn");
    assert!(folder.exists(), "the second one had its turn");
    std::fs::remove_file(&folder).unwrap();
}

/// True unless the process is gone, or is a zombie.
fn is_running(pid: &str) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    status.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[tokio::test]
async fn a_crashed_compiler_fails_alone_and_a_killed_one_may_be_repeated() {
    let crashed = fails(&shell("kill -ABRT $$", limits())).await;
    assert!(crashed.is_lasting() && crashed.to_string().contains("2048 MiB of memory"), "{crashed}");
    let nonsense = fails(&shell("cat > /dev/null & echo nonsense", limits())).await;
    assert!(matches!(nonsense, LoadError::Invalid(_)), "{nonsense}");
    for signal in ["KILL", "TERM"] {
        let killed = fails(&shell(&format!("kill -{signal} $$"), limits())).await;
        assert!(!killed.is_lasting(), "{killed}");
    }
}

#[tokio::test]
async fn without_a_compiler_process_the_host_compiles_itself() {
    let cannot = shell("exit 69", limits());
    let not_there = runtime_with("/nowhere", &[], limits());
    for runtime in [cannot, not_there] {
        assert_eq!(runtime.load(&wasm("good")).await.unwrap().description().name, "good");
    }
}

#[test]
fn a_compiler_process_ends_with_its_parent() {
    let good = wasm("good");
    assert!(!is_done_for_nobody(&good[..good.len() / 2], good.len()), "it waits for the rest in vain");
    // With all its input, it may sometimes finish before it notices the end of its parent.
    assert!((0..20).any(|_| !is_done_for_nobody(&good, good.len())));
}

/// Does it compile these bytes to the end, although its input closes right after them?
fn is_done_for_nobody(bytes: &[u8], length: usize) -> bool {
    let mut child = Command::new(COMPILER).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&(length as u64).to_le_bytes()).unwrap();
    input.write_all(bytes).unwrap();
    drop(input);
    child.wait().unwrap().success()
}
