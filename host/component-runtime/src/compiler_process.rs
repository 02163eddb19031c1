//! Compiles in a separate process: the same program, started again for one component.
//!
//! The end of the process frees the compiler's memory. A process that uses too much processor time ends, and one that
//! uses none for long is killed; one that takes too much memory or crashes affects no mount; and its memory operations do
//! not stop the threads that serve. This process compiles only where the machine allows no such process at all: what the
//! compiler does with a hostile component must not be the business of the process that serves.

use std::ffi::OsString;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use low_priority::{NICE_MAX, lower_priority_by};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr};
use tokio::time::timeout;
use wasmtime::component::Component;

use crate::compiler_progress::{Idle, processor_ticks, unless_idle};
use crate::limits::{
    COMPILE_MEMORY_BYTES_MAX, COMPILE_PROCESSOR_TIME, COMPILE_PROCESSOR_TIME_TO_END, COMPILED_BYTES_MAX,
    WASM_BYTES_MAX, bytes_text,
};
use crate::pool::Pools;
use crate::{LoadError, aot, compiler_sandbox, engine, harden_process};

/// Exit code if the component does not compile; the output has the reason in place of the code.
const EXIT_INVALID: i32 = 65;
/// Exit code if the process could not start to compile.
const EXIT_UNAVAILABLE: i32 = 69;
/// This signal and SIGTERM come from outside: the process does not send them to itself.
const SIGKILL: i32 = rustix::process::Signal::KILL.as_raw();
const SIGTERM: i32 = rustix::process::Signal::TERM.as_raw();
/// The signal to a process that has used up its processor time.
const SIGXCPU: i32 = rustix::process::Signal::XCPU.as_raw();
/// Bytes of the reason.
const REASON_BYTES_MAX: u64 = 4096;
/// The words with which Rust's library ends a process that gets no memory.
const NO_MEMORY: &str = "memory allocation of ";

/// The program that compiles, by a call of [`compile_for_parent`]: the running program itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompilerProgram {
    /// Path of the program.
    pub path: PathBuf,
    /// The arguments with which the program compiles.
    pub arguments: Vec<OsString>,
}

/// The process made no component.
pub(crate) enum Failed {
    /// This machine allows no process that compiles; a thread may.
    NotAllowed(std::io::Error),
    Load(LoadError),
}

/// Compiles in a process that ends when the future is dropped, or when the process makes no progress for `idle`.
///
/// # Errors
/// When no process can compile here, or the component does not load.
pub(crate) async fn compile(
    program: &CompilerProgram,
    pools: &Arc<Pools>,
    wasm: &[u8],
    idle: Duration,
) -> Result<Component, Failed> {
    let output = memfd_create("compiled", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING);
    let output = output.map_err(|error| not_started(error.into()))?;
    let mut child = start(program, &output).map_err(not_started)?;
    let last_words = child.stderr.take();
    let used = child.id();
    let used = move || used.and_then(processor_ticks);
    let ended = match unless_idle(idle, used, feed(&mut child, wasm)).await {
        Ok(ended) => ended.map_err(|error| Failed::Load(LoadError::Engine(error.to_string())))?,
        Err(Idle) => return Err(Failed::Load(LoadError::Idle(idle))),
    };
    let had_memory = ended.success() || !ran_out_of_memory(last_words, idle).await;
    let pools = Arc::clone(pools);
    let loaded = tokio::task::spawn_blocking(move || take(&pools, ended, had_memory, output)).await;
    loaded.unwrap_or_else(|stopped| Err(Failed::Load(LoadError::Engine(stopped.to_string()))))
}

/// Writes the component to the process, and waits for the end of the process.
async fn feed(child: &mut Child, wasm: &[u8]) -> std::io::Result<ExitStatus> {
    // The input stays open until the end: if the serving process ends, the compiler sees the end of its input and ends,
    // too.
    let mut input = child.stdin.take();
    if let Some(input) = &mut input {
        // A process that does not read all of the component ends with a reason.
        let _ = input.write_all(&(wasm.len() as u64).to_le_bytes()).await;
        let _ = input.write_all(wasm).await;
    }
    child.wait().await
}

/// Did the process say that it got no memory? What it said is shown to nobody: it may be a trace.
async fn ran_out_of_memory(last_words: Option<ChildStderr>, wait: Duration) -> bool {
    let Some(last_words) = last_words else { return false };
    let mut said = Vec::new();
    // What came before a failed read, or before the end of the wait, counts.
    let _ = timeout(wait, last_words.take(REASON_BYTES_MAX).read_to_end(&mut said)).await;
    String::from_utf8_lossy(&said).contains(NO_MEMORY)
}

/// Only an error that stays on this machine allows this process to compile. Others, such as too many open files, pass, and
/// the load is tried again.
fn not_started(error: std::io::Error) -> Failed {
    let stays = [Errno::ACCESS, Errno::INVAL, Errno::NOENT, Errno::NOEXEC, Errno::NOSYS, Errno::NOTDIR, Errno::PERM];
    match Errno::from_io_error(&error) {
        Some(errno) if stays.contains(&errno) => Failed::NotAllowed(error),
        _ => {
            Failed::Load(LoadError::Engine(format!("a process that compiles it, which could not be started: {error}")))
        }
    }
}

/// Starts the process without environment, files or log.
#[expect(clippy::disallowed_types, reason = "the one place that starts a process")]
fn start(program: &CompilerProgram, output: &OwnedFd) -> std::io::Result<Child> {
    let mut command = std::process::Command::new(&program.path);
    command.args(&program.arguments).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::from(output.try_clone()?)).stderr(Stdio::piped());
    tokio::process::Command::from(command).kill_on_drop(true).spawn()
}

fn take(pools: &Pools, ended: ExitStatus, had_memory: bool, output: OwnedFd) -> Result<Component, Failed> {
    let failed = match (ended.code(), ended.signal()) {
        (Some(0), _) => {
            // After this, nobody can change the memory, and no other process has it.
            let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
            let unsealed = |error| LoadError::Engine(format!("the code that it compiled could not be sealed: {error}"));
            fcntl_add_seals(&output, seals).map_err(|error| Failed::Load(unsealed(error)))?;
            return load(pools, output);
        }
        (Some(EXIT_INVALID), _) => LoadError::Invalid(reason(output)),
        // The operator's limit of file sizes counts for the output, too, and may be too small for any code.
        (Some(EXIT_UNAVAILABLE), _) if is_output_limited() => return Err(Failed::NotAllowed(Errno::FBIG.into())),
        (Some(EXIT_UNAVAILABLE), _) => LoadError::Engine("the process that compiles it could not begin".to_owned()),
        // The signal came from outside: the machine was out of memory, or a person killed the process.
        (_, Some(SIGKILL | SIGTERM)) => LoadError::Engine("the process that compiled it was killed".to_owned()),
        (_, Some(SIGXCPU)) => LoadError::ProcessorTime(COMPILE_PROCESSOR_TIME),
        _ if !had_memory => LoadError::Invalid(format!(
            "compiling it took more than {} of memory",
            bytes_text(COMPILE_MEMORY_BYTES_MAX)
        )),
        _ => LoadError::Invalid(format!("the compiler crashed on it ({ended})")),
    };
    Err(Failed::Load(failed))
}

/// Where this machine does not map it, it is copied. What is not loaded then cannot run here, however it is compiled.
fn load(pools: &Pools, output: OwnedFd) -> Result<Component, Failed> {
    match pools.load(|engine| aot::deserialize_compiled(engine, &output)).map_err(|error| aot::not_loaded(&error)) {
        Ok(component) => return Ok(component),
        Err(error @ LoadError::ExecutableMemory(_)) => return Err(Failed::Load(error)),
        Err(_) => {}
    }
    let code = content(output, COMPILE_MEMORY_BYTES_MAX as u64).map_err(|error| {
        Failed::Load(LoadError::Engine(format!("the code that it compiled cannot be read: {error}")))
    })?;
    pools.load(|engine| aot::deserialize(engine, &code)).map_err(|error| Failed::Load(aot::not_loaded(&error)))
}

fn reason(output: OwnedFd) -> String {
    let read = content(output, REASON_BYTES_MAX);
    read.map_or_else(|error| error.to_string(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[expect(clippy::disallowed_types, reason = "memory that is read as a file")]
fn content(output: OwnedFd, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    let (mut output, mut bytes) = (std::fs::File::from(output), Vec::new());
    output.rewind()?;
    output.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The program of [`CompilerProgram`]: compiles the component on standard input for this machine, and writes the code
/// to standard output.
#[must_use]
pub fn compile_for_parent() -> ExitCode {
    // Only serving processes start it: commands for people compile on threads of their own.
    lower_priority_by(NICE_MAX);
    // This process has no log. If the system refuses one of these measures, the others and the parent's patience still
    // hold.
    let _ = harden_process();
    limit(Resource::Data, COMPILE_MEMORY_BYTES_MAX as u64, 0);
    limit(Resource::Fsize, COMPILED_BYTES_MAX, 0);
    limit(Resource::Cpu, COMPILE_PROCESSOR_TIME.as_secs(), COMPILE_PROCESSOR_TIME_TO_END.as_secs());
    let _ = compiler_sandbox::enter();
    let code = compile_input().unwrap_or(EXIT_UNAVAILABLE);
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// May a process of this one write less than a compiled component may have?
fn is_output_limited() -> bool {
    getrlimit(Resource::Fsize).current.is_some_and(|most| most < COMPILED_BYTES_MAX)
}

/// Lowers the limit of a resource. A lower one that the process was started with stays.
fn limit(resource: Resource, most: u64, to_end: u64) {
    let now = getrlimit(resource);
    let lower = |limit: u64, now: Option<u64>| Some(now.map_or(limit, |now| now.min(limit)));
    let limits = Rlimit { current: lower(most, now.current), maximum: lower(most + to_end, now.maximum) };
    let _ = setrlimit(resource, limits);
}

fn compile_input() -> Result<i32, LoadError> {
    let io = |error: std::io::Error| LoadError::Engine(error.to_string());
    let wasm = read_component().map_err(io)?;
    std::thread::Builder::new().spawn(end_with_parent).map_err(io)?;
    let (output, code) = match engine::for_compiling()?.precompile_component(&wasm) {
        Ok(code) => (code, 0),
        Err(error) => (format!("{error:#}").into_bytes(), EXIT_INVALID),
    };
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&output).and_then(|()| stdout.flush()).map_err(io)?;
    Ok(code)
}

/// The length of the component in eight bytes, then the component.
fn read_component() -> std::io::Result<Vec<u8>> {
    let (mut stdin, mut length) = (std::io::stdin().lock(), [0; 8]);
    stdin.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length).min(WASM_BYTES_MAX as u64);
    let mut wasm = vec![0; usize::try_from(length).unwrap_or(WASM_BYTES_MAX)];
    stdin.read_exact(&mut wasm)?;
    Ok(wasm)
}

/// Ends this process when standard input closes, because the parent is gone then.
#[expect(clippy::disallowed_methods, clippy::exit, reason = "nobody is left to work for, and nothing to clean up")]
fn end_with_parent() {
    let _ = std::io::stdin().lock().read(&mut [0]);
    std::process::exit(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_that_stays_lets_this_process_compile() {
        for errno in [Errno::NOENT, Errno::ACCESS, Errno::PERM, Errno::NOSYS] {
            assert!(matches!(not_started(errno.into()), Failed::NotAllowed(_)), "{errno}");
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::NOMEM, Errno::TXTBSY, Errno::NOSPC] {
            let Failed::Load(error) = not_started(errno.into()) else { panic!("{errno}") };
            assert!(!error.is_lasting() && error.is_of_the_machine(), "{error}");
        }
    }
}
