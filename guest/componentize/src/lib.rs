//! Turns a core wasm file with embedded WIT metadata into a component, and
//! holds it to what the project's world imports. A build tool: it must not
//! know what any guest does.

use anyhow::{Context, Result, bail};
use wit_component::{ComponentEncoder, DecodedWasm};

/// All that a guest of the world `engine` may import: its imports, and what
/// these require themselves.
pub const ALLOWED_IMPORTS: &[&str] = &[
    "secrets-engine:backend/types@0.1.0",
    "secrets-engine:host/locks@0.1.0",
    "secrets-engine:host/logging@0.1.0",
    "secrets-engine:host/storage@0.1.0",
    "secrets-engine:host/system-view@0.1.0",
    "wasi:clocks/monotonic-clock@0.2.12",
    "wasi:clocks/wall-clock@0.2.12",
    "wasi:http/outgoing-handler@0.2.12",
    "wasi:http/types@0.2.12",
    "wasi:io/error@0.2.12",
    "wasi:io/poll@0.2.12",
    "wasi:io/streams@0.2.12",
    "wasi:random/random@0.2.12",
];

/// Makes the component, validated. The same input gives the same bytes.
pub fn componentize(core_wasm: &[u8]) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default()
        .module(core_wasm)
        .context("failed to read the core wasm or its WIT metadata")?
        .validate(true)
        .encode()
        .context("failed to make a component of it")?;
    let foreign: Vec<String> =
        imports(&component)?.into_iter().filter(|name| !ALLOWED_IMPORTS.contains(&name.as_str())).collect();
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
    let mut names: Vec<String> = resolve.worlds[world].imports.keys().map(|key| resolve.name_world_key(key)).collect();
    names.sort();
    Ok(names)
}
