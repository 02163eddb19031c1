//! A module before and after it is loaded.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use component_runtime::{Capability, Module};
use thiserror::Error;

use crate::{Digest, ModuleId};

/// Where a module's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The plugin's binary, whose SHA-256 the server checks.
    Embedded,
    /// A file of the directory of modules, by its name there.
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

/// Why these bytes may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approval {
    /// They are part of the binary.
    Embedded,
    /// The catalog names their SHA-256.
    AllowListed,
    /// Enough of the catalog's keys signed them: these.
    Signed(Vec<String>),
}

/// Why a module does not serve a mount: a sentence without secrets, for the operator, the log and the status.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// Another attempt with the same bytes and the same configuration fails in the same way.
    #[error("{0}")]
    Permanent(String),
    /// Nothing is known against the module: the machine was busy, a directory slow, a file incomplete.
    #[error("{0}")]
    Transient(String),
}

impl Rejection {
    /// The sentence alone.
    #[must_use]
    pub fn text(&self) -> &str {
        let (Self::Permanent(text) | Self::Transient(text)) = self;
        text
    }

    /// The same sentence, where another attempt cannot help.
    #[must_use]
    pub fn into_permanent(self) -> Self {
        let (Self::Permanent(text) | Self::Transient(text)) = self;
        Self::Permanent(text)
    }

    /// The same sentence, where another attempt may succeed.
    #[must_use]
    pub fn into_transient(self) -> Self {
        let (Self::Permanent(text) | Self::Transient(text)) = self;
        Self::Transient(text)
    }
}

/// A module that is there, not loaded.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Engine and version, by the name of the file.
    pub id: ModuleId,
    /// The SHA-256 of the bytes when the directory was listed.
    pub digest: Digest,
    /// Where the bytes come from.
    pub origin: Origin,
    /// Whether its bytes may run at all.
    pub approval: Result<Approval, Rejection>,
}

/// A module that can serve.
pub struct LoadedModule {
    /// Engine and version by the module's own description; its file is named after them.
    pub id: ModuleId,
    /// The SHA-256 of the bytes that run.
    pub digest: Digest,
    /// Where the bytes come from.
    pub origin: Origin,
    /// Why the bytes may run.
    pub approval: Approval,
    /// The loaded component.
    pub module: Arc<Module>,
}

impl Candidate {
    /// The identity of a candidate: a file under another name is another candidate, also with the same bytes.
    pub(crate) fn key(&self) -> (ModuleId, Digest) {
        (self.id.clone(), self.digest)
    }
}

impl LoadedModule {
    /// The capabilities that the module asks for, by its imports.
    #[must_use]
    pub fn capabilities(&self) -> &BTreeSet<Capability> {
        self.module.capabilities()
    }
}
