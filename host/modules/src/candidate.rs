//! A module, before and after the host loads it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use component_runtime::{Capability, Module};
use thiserror::Error;

use crate::{Digest, ModuleId};

/// Source of a module's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The plugin's binary. The server checks the SHA-256 of the binary.
    Embedded,
    /// A file in the directory of modules, by its name there.
    File(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::File(name) => f.write_str(name),
        }
    }
}

/// Reason why these bytes may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approval {
    /// The bytes are part of the binary.
    Embedded,
    /// The catalog names their SHA-256.
    AllowListed,
    /// Enough trusted keys signed the bytes: these.
    Signed(Vec<String>),
}

/// Why a module does not serve a mount: a sentence without secrets, for the operator, the log and the status.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The same bytes with the same configuration fail again in the same way.
    #[error("{0}")]
    Permanent(String),
    /// The module itself may be good: the machine was busy, a directory slow, a file incomplete.
    #[error("{0}")]
    Transient(String),
}

impl Rejection {
    /// The sentence, without its class.
    #[must_use]
    pub fn text(&self) -> &str {
        let (Self::Permanent(text) | Self::Transient(text)) = self;
        text
    }

    /// Another sentence of the same class.
    #[must_use]
    pub fn map(self, text: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Permanent(reason) => Self::Permanent(text(reason)),
            Self::Transient(reason) => Self::Transient(text(reason)),
        }
    }

    /// The same sentence as a permanent rejection.
    #[must_use]
    pub fn into_permanent(self) -> Self {
        let (Self::Permanent(text) | Self::Transient(text)) = self;
        Self::Permanent(text)
    }

    /// The same sentence as a transient rejection.
    #[must_use]
    pub fn into_transient(self) -> Self {
        let (Self::Permanent(text) | Self::Transient(text)) = self;
        Self::Transient(text)
    }
}

/// A module that is available and not loaded.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Engine and version, from the name of the file.
    pub id: ModuleId,
    /// The SHA-256 of the bytes when the directory was listed.
    pub digest: Digest,
    /// Source of the bytes.
    pub origin: Origin,
    /// Whether the bytes may run, and why.
    pub approval: Result<Approval, Rejection>,
}

/// A module that can serve.
pub struct LoadedModule {
    /// Engine and version, from the module's own description. The name of the file says the same.
    pub id: ModuleId,
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// Source of the bytes.
    pub origin: Origin,
    /// Why the bytes may run.
    pub approval: Approval,
    /// The loaded component.
    pub module: Arc<Module>,
}

impl Candidate {
    /// The identity of a candidate. The same bytes under another file name are another candidate.
    pub(crate) fn key(&self) -> (ModuleId, Digest) {
        (self.id.clone(), self.digest)
    }
}

impl LoadedModule {
    /// The capabilities that the module imports.
    #[must_use]
    pub fn capabilities(&self) -> &BTreeSet<Capability> {
        self.module.capabilities()
    }
}
