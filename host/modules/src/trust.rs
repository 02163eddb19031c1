//! The digests and keys that the operator trusts for each engine, from the plugin's registration.
//!
//! The server checks the SHA-256 of the binary, and the arguments of the registration say which other modules may run.
//! No file in the directory of modules can widen that. Trust counts for one engine only: otherwise a signer of one
//! engine's modules could replace the module of another, and read the storage of its mounts.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::signature::{PublicKey, Statement};
use crate::signature_file::SignatureFile;
use crate::{Approval, Rejection};

/// Contradictions in the trust settings.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TrustError {
    /// Modules without a signature would be trusted.
    #[error("a threshold of 0 would trust modules that nobody signed")]
    ThresholdZero,
    /// The threshold is higher than the number of keys.
    #[error("a threshold of {threshold} cannot be reached with {keys} different keys")]
    ThresholdUnreachable {
        /// The threshold.
        threshold: usize,
        /// Number of different keys.
        keys: usize,
    },
}

/// The trusted modules of a directory, for each engine. By default there are none.
#[derive(Clone, Debug, Default)]
pub struct TrustPolicy {
    by_engine: BTreeMap<String, EngineTrust>,
}

/// The trusted modules of one engine.
#[derive(Clone, Debug)]
pub struct EngineTrust {
    pins: BTreeSet<crate::Digest>,
    keys: BTreeSet<PublicKey>,
    threshold: usize,
}

impl TrustPolicy {
    /// Adds `trust` for this engine.
    pub fn trust(&mut self, engine: &str, trust: EngineTrust) {
        self.by_engine.insert(engine.to_owned(), trust);
    }

    /// True if no module of a directory may run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_engine.values().all(EngineTrust::is_empty)
    }

    /// Decides whether the module of this statement may run. `signatures` is the content of its signature file.
    ///
    /// # Errors
    /// When the module may not run. The text says why.
    pub fn approve(&self, module: &Statement, signatures: Option<&[u8]>) -> Result<Approval, Rejection> {
        match self.by_engine.get(&module.id.engine) {
            Some(trust) => trust.approve(module, signatures),
            None => Err(nobody_is_trusted(module)),
        }
    }
}

impl EngineTrust {
    /// Trusts pinned modules, and those that at least `threshold` of the keys signed.
    ///
    /// # Errors
    /// When the threshold is 0, or above the number of different keys.
    pub fn new(
        pins: impl IntoIterator<Item = crate::Digest>,
        keys: impl IntoIterator<Item = PublicKey>,
        threshold: usize,
    ) -> Result<Self, TrustError> {
        let (pins, keys) = (pins.into_iter().collect(), BTreeSet::from_iter(keys));
        if threshold == 0 {
            return Err(TrustError::ThresholdZero);
        }
        // The default threshold means nothing without keys.
        if threshold > keys.len().max(1) {
            return Err(TrustError::ThresholdUnreachable { threshold, keys: keys.len() });
        }
        Ok(Self { pins, keys, threshold })
    }

    fn is_empty(&self) -> bool {
        self.pins.is_empty() && self.keys.is_empty()
    }

    fn approve(&self, module: &Statement, signatures: Option<&[u8]>) -> Result<Approval, Rejection> {
        if self.pins.contains(&module.digest) {
            return Ok(Approval::AllowListed);
        }
        if self.keys.is_empty() {
            return Err(nobody_is_trusted(module));
        }
        let Some(signatures) = signatures else {
            return Err(Rejection::Permanent(format!(
                "it has no signature file, and its SHA-256 {} is not pinned",
                module.digest
            )));
        };
        let file = SignatureFile::parse(signatures).map_err(|error| Rejection::Permanent(error.to_string()))?;
        if file.statement != *module {
            return Err(Rejection::Permanent(format!(
                "its signature file is for {}, and it is {module}",
                file.statement
            )));
        }
        self.count(&file)
    }

    fn count(&self, file: &SignatureFile) -> Result<Approval, Rejection> {
        let signers = file.signers(&self.keys);
        if signers.len() >= self.threshold {
            return Ok(Approval::Signed(signers.iter().map(PublicKey::to_string).collect()));
        }
        let (good, needed) = (signers.len(), self.threshold);
        let mut text = format!("it needs good signatures by {needed} trusted keys, and has {good}");
        let named = file.named_keys();
        let strange = named.difference(&self.keys).count();
        if strange > 0 {
            text += &format!("; {strange} by keys that are not trusted do not count");
        }
        for key in self.keys.intersection(&named).filter(|key| !signers.contains(key)) {
            text += &format!("; the one by `{key}` is wrong");
        }
        Err(Rejection::Permanent(text))
    }
}

fn nobody_is_trusted(module: &Statement) -> Rejection {
    let Statement { id, digest } = module;
    Rejection::Permanent(format!(
        "its SHA-256 {digest} is not pinned, and no key is trusted for engine `{}`",
        id.engine
    ))
}

#[cfg(test)]
mod tests;
