//! Turns an error of wasmtime into the limit that a guest reached, or the place of its trap.
//!
//! The text of a trap names wasm functions, but neither memory nor arguments. The message of a panic is in the guest's
//! own log line.

use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::FieldMapError;

use crate::InvokeError;
use crate::capability::LimitReached;
use crate::epoch::OutOfProcessorTime;
use crate::limits::bytes_text;
use crate::memory_account::MemoryLimit;
use crate::store_state::StoreState;

/// Frames of a trap in the text.
const FRAMES_MAX: usize = 8;
/// Bytes of a function's name. A mangled name can be longer.
const NAME_BYTES_MAX: usize = 200;

/// The error of a call, from wasmtime's error and the state of the store.
pub(crate) fn classify(error: &wasmtime::Error, state: &StoreState) -> InvokeError {
    let limits = &state.limits;
    if error.is::<OutOfProcessorTime>() {
        return InvokeError::ProcessorTime(state.meter.budget());
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return InvokeError::Busy("instances");
    }
    if let Some(limit) = error.downcast_ref::<MemoryLimit>() {
        return (*limit).into();
    }
    if let Some(LimitReached(limit)) = error.downcast_ref() {
        return InvokeError::Limit { limit: limit.clone() };
    }
    if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
        return InvokeError::Limit { limit: format!("{} resource handles", limits.handles_max) };
    }
    if matches!(error.downcast_ref(), Some(FieldMapError::TotalSizeTooBig | FieldMapError::TooManyFields)) {
        return InvokeError::Limit { limit: format!("{} of HTTP fields", bytes_text(limits.egress.header_bytes_max)) };
    }
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return InvokeError::Trap(format!("it called `exit` with status {status}"));
    }
    let Some(trap) = error.downcast_ref::<Trap>() else { return other(error, state) };
    // A guest panics if the host answers a call with an error for want of memory.
    if let (Trap::UnreachableCodeReached, Some(limit)) = (trap, state.account.refused()) {
        return limit.into();
    }
    match (trap, state.memory.denied()) {
        // A guest whose allocation fails aborts like one that panics; only the recorded denial shows the difference.
        (Trap::UnreachableCodeReached, Some(denied)) => InvokeError::Limit { limit: denied.to_owned() },
        (Trap::StackOverflow, _) => InvokeError::Limit { limit: "its call stack".into() },
        (Trap::UnreachableCodeReached, None) if state.panicked => {
            InvokeError::Trap(format!("panicked{}", frames(error)))
        }
        (trap, _) => InvokeError::Trap(format!("{trap}{}", frames(error))),
    }
}

/// An error without a type of its own, which is recognised by its text or comes from the host.
fn other(error: &wasmtime::Error, state: &StoreState) -> InvokeError {
    let text = error.root_cause().to_string();
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        let limit = format!("{} copied in one host call", bytes_text(state.limits.hostcall_bytes_max));
        return InvokeError::Limit { limit };
    }
    if text.contains("component handles") {
        return InvokeError::Limit { limit: format!("{} resource handles", state.limits.handles_max) };
    }
    match state.memory.denied() {
        Some(denied) => InvokeError::Limit { limit: denied.to_owned() },
        None => InvokeError::Trap(format!("{text}{}", frames(error))),
    }
}

/// ` in f < g < h`, innermost first.
fn frames(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let name = |frame: &wasmtime::FrameInfo| match frame.func_name() {
        Some(name) => name.get(..name.floor_char_boundary(NAME_BYTES_MAX)).unwrap_or_default().to_owned(),
        None => format!("function {}", frame.func_index()),
    };
    let names: Vec<_> = backtrace.frames().iter().take(FRAMES_MAX).map(name).collect();
    if names.is_empty() { String::new() } else { format!(" in {}", names.join(" < ")) }
}
