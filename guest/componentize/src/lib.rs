//! Makes components of what toolchains write: of a core module with embedded WIT metadata, and of a component that imports
//! sockets because its toolchain always does. The build of our own guests also refuses a component that imports more than
//! the world in `wit/` names. A build tool: it knows nothing of what a guest does.

mod sockets;

use anyhow::{Context, Result, bail};
use wasmparser::Parser;
use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::{Resolve, WorldId};

/// The folder of the world that every guest is built for.
const WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");

/// The names of all interfaces that a guest may import, sorted: what the world `engine` imports, and what these
/// interfaces need themselves.
pub fn allowed_imports() -> Result<Vec<String>> {
    imports_of_world("engine")
}

fn imports_of_world(name: &str) -> Result<Vec<String>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(WIT).with_context(|| format!("failed to read the WIT in `{WIT}`"))?;
    let world = resolve.select_world(&[package], Some(name))?;
    Ok(imports_of(&resolve, world))
}

/// Makes a component of a core module, and of a component one that imports no sockets, validated. The same input gives the
/// same bytes.
pub fn component(wasm: &[u8]) -> Result<Vec<u8>> {
    if Parser::is_component(wasm) {
        return sockets::refuse_sockets(wasm);
    }
    ComponentEncoder::default()
        .module(wasm)
        .context("failed to read the core wasm or its WIT metadata")?
        .validate(true)
        .encode()
        .context("failed to make a component of it")
}

/// Makes a component of one of our own guests.
pub fn componentize(core_wasm: &[u8]) -> Result<Vec<u8>> {
    let component = component(core_wasm)?;
    let allowed = [allowed_imports()?, imports_of_world("inert")?].concat();
    let foreign: Vec<String> = imports(&component)?.into_iter().filter(|name| !allowed.contains(name)).collect();
    if !foreign.is_empty() {
        bail!("the component imports what no guest may: {}", foreign.join(", "));
    }
    Ok(component)
}

/// The names of what a component imports, sorted.
pub fn imports(component: &[u8]) -> Result<Vec<String>> {
    let decoded = wit_component::decode(component).context("failed to read the component")?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        bail!("this is no component, but a WIT package");
    };
    Ok(imports_of(&resolve, world))
}

fn imports_of(resolve: &Resolve, world: WorldId) -> Vec<String> {
    let mut names: Vec<String> = resolve.worlds[world].imports.keys().map(|key| resolve.name_world_key(key)).collect();
    names.sort();
    names
}
