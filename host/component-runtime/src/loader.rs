//! Turns bytes into a module that can serve: compiles or deserializes them, checks the world, links and describes the
//! component.

use std::sync::Arc;

use wasmtime::component::Component;

use crate::bindings::{v0_1, v0_2};
use crate::limits::bytes_text;
use crate::module::Optional;
use crate::sealed::{self, Subject};
use crate::shared::Shared;
use crate::{LoadError, Module, SealKey, aot, header, imports};

/// Compiles in turn, away from the threads that serve.
///
/// # Errors
/// When there are too many bytes, or they are not a component.
pub(crate) async fn compile(runtime: &Arc<Shared>, wasm: &[u8]) -> Result<Component, LoadError> {
    let max = runtime.limits.wasm_bytes_max;
    if wasm.len() > max {
        return Err(LoadError::Invalid(format!("it has {} bytes; at most {}", wasm.len(), bytes_text(max))));
    }
    header::check_header(wasm)?;
    runtime.compiler.compile(&runtime.pools, wasm).await
}

/// A component from code that this program sealed.
///
/// # Errors
/// When the seal has another key, or is for another module or engine.
pub(crate) async fn sealed(
    runtime: &Arc<Shared>,
    key: &SealKey,
    digest: [u8; 32],
    sealed: Vec<u8>,
) -> Result<Component, LoadError> {
    let (runtime, key) = (Arc::clone(runtime), key.clone());
    // A large component takes milliseconds, too long for a thread that serves.
    let loaded = tokio::task::spawn_blocking(move || {
        let code = sealed::open(&key, Subject::new(runtime.pools.engine(), digest), &sealed)?;
        let loaded = runtime.pools.load(|engine| aot::deserialize(engine, code));
        loaded.map_err(|error| aot::not_loaded(&error))
    });
    loaded.await.map_err(|stopped| LoadError::Engine(stopped.to_string()))?
}

/// A component from the program's own precompiled code, or compiled now if this engine refuses the code.
///
/// # Errors
/// As `compile`.
pub(crate) async fn embedded(runtime: &Arc<Shared>, precompiled: &[u8], wasm: &[u8]) -> Result<Component, LoadError> {
    if precompiled.is_empty() {
        tracing::warn!(
            "the binary carries no precompiled code, because its build was not finished: the component is compiled now"
        );
        return compile(runtime, wasm).await;
    }
    let loaded = runtime.pools.load(|engine| aot::deserialize(engine, precompiled));
    match loaded.map_err(|error| aot::not_loaded(&error)) {
        Ok(component) => Ok(component),
        // Compiling would fail in the same way.
        Err(error) if error.is_of_the_machine() => Err(error),
        Err(refused) => {
            tracing::warn!(reason = %refused, "the embedded precompiled code does not fit this engine: the component is compiled now");
            compile(runtime, wasm).await
        }
    }
}

/// A module from a component: links and describes it.
///
/// # Errors
/// When the component is of another world, or cannot describe itself.
pub(crate) async fn module(runtime: &Arc<Shared>, component: &Component) -> Result<Arc<Module>, LoadError> {
    let capabilities = imports::capabilities(component)?;
    let world = |error: wasmtime::Error| LoadError::World(format!("{error:#}"));
    let pre = runtime.pools.of(component).linker.instantiate_pre(component).map_err(world)?;
    let declares = imports::has_export(component, v0_2::DECLARATION);
    let additions = declares.then(|| v0_2::AdditionsPre::new(pre.clone())).transpose().map_err(world)?;
    let says = imports::has_export(component, v0_2::EXISTENCE);
    let existence = says.then(|| v0_2::ExistenceChecksPre::new(pre.clone())).transpose().map_err(world)?;
    let pre = v0_1::EnginePre::new(pre).map_err(world)?;
    Ok(Arc::new(Module::describe(Arc::clone(runtime), pre, Optional { additions, existence }, capabilities).await?))
}
