//! A module that is named on the command line.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use component_runtime::limits::WASM_BYTES_MAX;
use component_runtime::{Module, Runtime};

use super::sandbox;
use crate::component::{ASTRA_WASM, embedded};
use crate::failure::Failure;
use crate::files;

/// The argument that names a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ModuleFile {
    /// The module in this binary, by the word `embedded`.
    Embedded,
    /// A file.
    Path(PathBuf),
}

impl From<std::ffi::OsString> for ModuleFile {
    fn from(text: std::ffi::OsString) -> Self {
        if text == "embedded" { Self::Embedded } else { Self::Path(text.into()) }
    }
}

impl fmt::Display for ModuleFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

impl ModuleFile {
    /// Reads the bytes.
    ///
    /// # Errors
    /// When the file cannot be read, or is larger than any module may be.
    pub(crate) fn read(&self) -> Result<Cow<'static, [u8]>, Failure> {
        match self {
            Self::Embedded => Ok(Cow::Borrowed(ASTRA_WASM)),
            Self::Path(path) => files::read(path, WASM_BYTES_MAX).map(Cow::Owned),
        }
    }

    /// The module of these bytes, ready to serve.
    ///
    /// # Errors
    /// Why the module cannot serve.
    pub(crate) async fn load(&self, runtime: &Runtime, wasm: &[u8]) -> Result<Arc<Module>, Failure> {
        let loaded = match self {
            Self::Embedded => runtime.load_embedded(embedded().precompiled, ASTRA_WASM).await,
            Self::Path(_) => sandbox::load(runtime, wasm).await,
        };
        loaded.map_err(|error| Failure::Failed(format!("`{self}`: {error}")))
    }
}
