//! The imports and exports of a component that is not trusted, and whether the component loads.
//!
//! Only `describe` runs, in the sandbox of every load.

use std::sync::Arc;

use wasmtime::component::Component;

use crate::shared::Shared;
use crate::{LoadError, Module, loader};

/// The result of an inspection.
pub struct Inspection {
    /// Sorted names of the imports with versions, such as `secrets-engine:host/storage@0.1.0`.
    pub imports: Vec<String>,
    /// Sorted names of the exports.
    pub exports: Vec<String>,
    /// The module, or the reason why it cannot serve here.
    pub module: Result<Arc<Module>, LoadError>,
}

impl Inspection {
    /// The inspection of a loaded module.
    #[must_use]
    pub fn of(module: Arc<Module>) -> Self {
        let (imports, exports) = names(module.component());
        Self { imports, exports, module: Ok(module) }
    }
}

/// Compiles a component, reads its imports and exports, and loads it.
///
/// # Errors
/// When the bytes are not a component.
pub(crate) async fn inspect(runtime: &Arc<Shared>, wasm: &[u8]) -> Result<Inspection, LoadError> {
    let component = loader::compile(runtime, wasm).await?;
    let (imports, exports) = names(&component);
    let module = loader::module(runtime, &component).await;
    Ok(Inspection { imports, exports, module })
}

fn names(component: &Component) -> (Vec<String>, Vec<String>) {
    let ty = component.component_type();
    let mut imports: Vec<String> = ty.imports(component.engine()).map(|(name, _)| name.to_owned()).collect();
    let mut exports: Vec<String> = ty.exports(component.engine()).map(|(name, _)| name.to_owned()).collect();
    imports.sort();
    exports.sort();
    (imports, exports)
}
