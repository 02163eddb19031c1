//! Compiling in a separate process: its output serves, its failures affect nothing else, and each failure has its cause.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests look at processes")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use component_runtime::{CompilerProgram, Limits, LoadError, Runtime};
use wasm_encoder::{
    CodeSection, ComponentSection as _, Function, FunctionSection, Module, ModuleSection, TypeSection, ValType,
};

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

/// The file to which a script writes its process ID.
fn pid_file(test: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("compiling-{test}-{}", std::process::id()))
}

async fn assert_gone(pid: &str) {
    let began = Instant::now();
    while is_running(pid) {
        assert!(began.elapsed() < Duration::from_secs(30), "process {pid} goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// One that computes, but for longer than the largest deadline of a machine that leaves it little.
#[tokio::test]
async fn a_slow_compiler_process_is_killed_and_the_next_one_runs() {
    let folder = pid_file("slow");
    let script = format!("echo $$ > {}; while :; do :; done", folder.display());
    let slow = shell(&script, Limits { compile_deadline: Duration::from_secs(2), ..limits() });
    assert!(matches!(fails(&slow).await, LoadError::Deadline(_)));
    let pid = std::fs::read_to_string(&folder).unwrap();
    std::fs::remove_file(&folder).unwrap();
    assert_gone(pid.trim()).await;
    assert!(matches!(fails(&slow).await, LoadError::Deadline(_)), "it was begun, and not refused for want of a turn");
    assert!(folder.exists(), "the second one had its turn");
    std::fs::remove_file(&folder).unwrap();
}

/// The process that compiles is stopped for a while, as on a machine that gives it nothing: it goes on afterwards.
#[tokio::test]
async fn a_compiler_process_that_stands_still_for_a_while_is_waited_for() {
    let script = format!("(sleep 1; kill -CONT $$) & kill -STOP $$; exec {COMPILER}");
    let limits = Limits { compile_idle_max: Duration::from_secs(60), ..limits() };
    let module = shell(&script, limits).load(&wasm("good")).await.unwrap();
    assert_eq!(module.description().name, "good");
}

#[tokio::test]
async fn a_compiler_process_that_hangs_is_killed_long_before_the_deadline() {
    let file = pid_file("hangs");
    for script in ["kill -STOP $$", "exec sleep 600"] {
        let script = format!("echo $$ > {}; {script}", file.display());
        let hangs = shell(&script, Limits { compile_idle_max: Duration::from_secs(1), ..limits() });
        let failed = fails(&hangs).await;
        assert!(matches!(failed, LoadError::Idle(_)) && !failed.is_lasting(), "{failed}");
        assert!(failed.to_string().contains("no processor time for 1s"), "{failed}");
        assert_gone(std::fs::read_to_string(&file).unwrap().trim()).await;
    }
    std::fs::remove_file(&file).unwrap();
}

/// A component that takes seconds to compile: `good`, with many functions that nobody calls.
fn much_code(functions: u32, additions: u32) -> Vec<u8> {
    let (mut types, mut declared, mut code) = (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([ValType::I32], [ValType::I32]);
    for _ in 0..functions {
        declared.function(0);
        let mut function = Function::new([]);
        let mut body = function.instructions();
        body.local_get(0);
        for _ in 0..additions {
            body.local_get(0).i32_add();
        }
        body.end();
        code.function(&function);
    }
    let mut module = Module::new();
    module.section(&types).section(&declared).section(&code);
    let mut component = wasm("good");
    ModuleSection(&module).append_to_component(&mut component);
    component
}

#[tokio::test]
async fn a_component_that_takes_too_much_processor_time_is_named_so() {
    // The process keeps lower limits than its own.
    let runtime = shell(&format!("ulimit -St 1; exec {COMPILER}"), limits());
    let failed = runtime.load(&much_code(5_000, 300)).await.err().unwrap();
    assert!(matches!(failed, LoadError::ProcessorTime(_)) && !failed.is_lasting(), "{failed}");
    assert_eq!(failed.to_string(), "compiling it took more than 60s of processor time");
    assert_eq!(runtime.load(&wasm("good")).await.unwrap().description().name, "good");
}

#[tokio::test]
async fn a_component_that_takes_too_much_memory_is_named_so() {
    let runtime = shell(&format!("ulimit -d 60000; exec {COMPILER}"), limits());
    let failed = runtime.load(&much_code(5_000, 300)).await.err().unwrap();
    assert!(failed.is_lasting(), "{failed}");
    assert_eq!(failed.to_string(), "not a component that can run here: compiling it took more than 2048 MiB of memory");
    assert_eq!(runtime.load(&wasm("good")).await.unwrap().description().name, "good");
}

/// True unless the process is gone, or is a zombie.
fn is_running(pid: &str) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    status.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[tokio::test]
async fn a_crashed_compiler_fails_alone_and_a_killed_one_may_be_repeated() {
    for crash in ["kill -ABRT $$", "kill -SEGV $$", "exit 101"] {
        let script = format!("echo \"thread 'main' panicked at cranelift.rs:1:2\" >&2; {crash}");
        let crashed = fails(&shell(&script, limits())).await;
        assert!(crashed.is_lasting() && crashed.to_string().contains("the compiler crashed on it"), "{crashed}");
        assert!(!crashed.to_string().contains("cranelift.rs"), "a trace is shown: {crashed}");
    }
    let nonsense = fails(&shell("cat > /dev/null & echo nonsense", limits())).await;
    assert!(matches!(nonsense, LoadError::Invalid(_)), "{nonsense}");
    for signal in ["KILL", "TERM"] {
        let killed = fails(&shell(&format!("kill -{signal} $$"), limits())).await;
        assert!(!killed.is_lasting(), "{killed}");
    }
}

#[tokio::test]
async fn where_no_compiler_process_is_allowed_the_host_compiles_itself() {
    for program in ["/nowhere", "/etc/passwd"] {
        let runtime = runtime_with(program, &[], limits());
        assert_eq!(runtime.load(&wasm("good")).await.unwrap().description().name, "good");
    }
}

/// What compiles a hostile component must not be the process that serves, because the machine was short of something.
#[tokio::test]
async fn a_compiler_process_that_does_not_start_for_a_while_is_tried_again() {
    let path = pid_file("busy");
    std::fs::copy(COMPILER, &path).unwrap();
    let runtime = runtime_with(path.to_str().unwrap(), &[], limits());
    // The system starts no program that is open for writing.
    let written = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    for runtime in [runtime, shell("exit 69", limits())] {
        let failed = fails(&runtime).await;
        assert!(matches!(failed, LoadError::Engine(_)) && !failed.is_lasting(), "{failed}");
    }
    drop(written);
    std::fs::remove_file(&path).unwrap();
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
