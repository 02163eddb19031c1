//! Makes and loads code that is compiled ahead of time. Only this file of the crate has `unsafe`.

use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::io::Errno;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::{LoadError, engine};

/// Compiles for the baseline of this architecture.
///
/// # Errors
/// When the bytes are not a component.
pub(crate) fn precompile(wasm: &[u8]) -> Result<Vec<u8>, LoadError> {
    let engine = engine::for_precompiling()?;
    engine.precompile_component(wasm).map_err(|error| LoadError::Invalid(format!("{error:#}")))
}

/// Loads the output of `precompile`.
///
/// The bytes become machine code of this process, so they must be as trusted as the process itself: the caller passes
/// bytes that are embedded in its binary, whose digest the server checks, or the output of `sealed::open`.
///
/// # Errors
/// When another version made the code, or the code is for another machine or other settings.
pub(crate) fn deserialize(engine: &Engine, precompiled: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `Component::deserialize` demands that the bytes are unmodified output of wasmtime. The only callers pass
    // (1) a slice that the linker put into this executable, as `Runtime::load_embedded` demands; an attacker who can
    // change that slice can change any other code of the process as well; (2) bytes that `sealed::open` found to be the
    // bytes that `sealed::seal` was given, which are the output of `Component::serialize`. Those bytes are in memory
    // that only this process owns, from the check to the end of this call, and the key of the seal comes from the
    // plugin's registration, which decides anyway which code runs. Wasmtime itself recognises and refuses output of
    // another version, target or configuration.
    #[expect(unsafe_code, reason = "see SAFETY")]
    unsafe {
        Component::deserialize(engine, precompiled)
    }
}

/// Loads the output of another process of this program, from memory that is sealed against changes. The code is not
/// copied, and code that no request reaches is not even mapped.
///
/// # Errors
/// As `deserialize`.
pub(crate) fn deserialize_compiled(engine: &Engine, sealed: &OwnedFd) -> wasmtime::Result<Component> {
    let path = format!("/proc/self/fd/{}", sealed.as_raw_fd());
    // SAFETY: as for `deserialize`: the bytes are the output of `Engine::precompile_component`. A child wrote them that
    // this process started from its own executable, with only a pipe and this memory, and the child ended without an
    // error. A file in memory has no name except below `/proc`, where only users reach it who may read and change this
    // process anyway. Its seals refuse writing and resizing from before this call on, also to this process.
    #[expect(unsafe_code, reason = "see SAFETY")]
    unsafe {
        Component::deserialize_file(engine, path)
    }
}

/// Reason why code was not loaded. A system error says nothing about the code: other code would meet the same error.
pub(crate) fn not_loaded(error: &wasmtime::Error) -> LoadError {
    let text = format!("{error:#}");
    match error.downcast_ref::<Errno>() {
        Some(&(Errno::ACCESS | Errno::PERM)) => LoadError::ExecutableMemory(text),
        Some(_) => LoadError::Engine(text),
        None if error.is::<std::io::Error>() => LoadError::Engine(text),
        None => LoadError::Invalid(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_is_not_taken_for_code_that_does_not_fit() {
        let of = |errno: Errno| not_loaded(&wasmtime::Error::from(errno).context("unable to make memory executable"));
        for denied in [Errno::ACCESS, Errno::PERM] {
            let error = of(denied);
            assert!(matches!(error, LoadError::ExecutableMemory(_)) && error.is_of_the_machine(), "{error}");
            let text = error.to_string();
            assert!(text.contains("MemoryDenyWriteExecute=") && text.contains("execmem"), "{text}");
        }
        assert!(matches!(of(Errno::NOMEM), LoadError::Engine(_)));
        let file = wasmtime::Error::from(std::io::Error::other("no file")).context("failed to open");
        assert!(matches!(not_loaded(&file), LoadError::Engine(_)));
        let other = not_loaded(&wasmtime::Error::msg("Module was compiled with a different Wasmtime version"));
        assert!(matches!(other, LoadError::Invalid(_)) && !other.is_of_the_machine());
    }
}
