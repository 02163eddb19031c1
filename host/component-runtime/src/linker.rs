//! Links the interfaces that guests may import: those of the world, their dependencies, and inert ones.
//!
//! Toolchains import inert interfaces whether a program needs them or not: there are no files, arguments or
//! environment, standard input is empty, standard output and error go to the log, and `exit` is a trap. Sockets and
//! insecure randomness are not linked.

use wasmtime::Engine;
use wasmtime::component::{HasData, HasSelf, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io, random};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi_http::p2::bindings::http;
use wasmtime_wasi_http::{WasiHttp, WasiHttpView};

use crate::bindings::v0_1::host;
use crate::bindings::v0_2::metrics;
use crate::store_state::StoreState;
use crate::{LoadError, http_types};

/// A linker with all interfaces.
///
/// # Errors
/// Never in practice: the names are known.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<StoreState>, LoadError> {
    let mut linker = Linker::new(engine);
    link(&mut linker).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
    Ok(linker)
}

fn link(l: &mut Linker<StoreState>) -> wasmtime::Result<()> {
    host::locks::add_to_linker::<_, HasSelf<StoreState>>(l, |state| state)?;
    host::logging::add_to_linker::<_, HasSelf<StoreState>>(l, |state| state)?;
    host::storage::add_to_linker::<_, HasSelf<StoreState>>(l, |state| state)?;
    host::system_view::add_to_linker::<_, HasSelf<StoreState>>(l, |state| state)?;
    metrics::counters::add_to_linker::<_, HasSelf<StoreState>>(l, |state| state)?;

    clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(l, StoreState::clocks)?;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(l, StoreState::clocks)?;
    random::random::add_to_linker::<_, WasiRandom>(l, StoreState::random)?;
    io::error::add_to_linker::<_, Table>(l, |state| &mut state.table)?;
    io::poll::add_to_linker::<_, Table>(l, |state| &mut state.table)?;
    io::streams::add_to_linker::<_, Table>(l, |state| &mut state.table)?;

    let options = wasmtime_wasi_http::p2::bindings::LinkOptions::default();
    http::outgoing_handler::add_to_linker::<_, WasiHttp>(l, StoreState::http)?;
    http::types::add_to_linker::<_, WasiHttp>(l, &(&options).into(), StoreState::http)?;
    http_types::link(l)?;
    link_inert(l)
}

fn link_inert(l: &mut Linker<StoreState>) -> wasmtime::Result<()> {
    cli::environment::add_to_linker::<_, WasiCli>(l, StoreState::cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(l, StoreState::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(l, StoreState::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(l, StoreState::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(l, StoreState::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, StoreState::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, StoreState::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, StoreState::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, StoreState::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, StoreState::cli)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, StoreState::filesystem)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(l, StoreState::filesystem)
}

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}
