//! The signature file of a module, `<engine>-<version>.wasm.sig`: one statement and its signatures.
//!
//! ```json
//! {"engine": "astra", "version": "1.2.3", "sha256": "…",
//!  "signatures": [{"key": "ed25519:…", "signature": "…"}]}
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::{SIGNATURE_FILE_BYTES_MAX, SIGNATURES_MAX};
use crate::signature::{PublicKey, Signature, SigningKey, Statement};
use crate::{Digest, ModuleId};

/// Suffix of a signature file, after the name of the module.
pub const SIGNATURE_SUFFIX: &str = ".sig";

/// The file is not a valid signature file, or does not take a signature.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignatureFileError {
    /// The bytes have another form.
    #[error("not a file of signatures: {0}")]
    Form(String),
    /// No further signature has room.
    #[error("it has {SIGNATURES_MAX} signatures, and may have no more")]
    Full,
    /// A signature that another tool made is of other bytes, or by another key.
    #[error("this is no signature by `{0}` of the statement about {1}: sign what `module statement` prints")]
    Foreign(PublicKey, Box<Statement>),
}

/// The content of a signature file. Reading it verifies no signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureFile {
    /// The statement that all keys sign.
    pub statement: Statement,
    signatures: Vec<(PublicKey, Signature)>,
}

impl SignatureFile {
    /// A file without signatures.
    #[must_use]
    pub fn new(statement: Statement) -> Self {
        Self { statement, signatures: Vec::new() }
    }

    /// Adds a signature. It replaces an earlier one by the same key.
    ///
    /// # Errors
    /// When the file is full.
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), SignatureFileError> {
        self.keep(key.public_key(), key.sign(&self.statement))
    }

    /// Adds a signature that another tool made. It replaces an earlier one by the same key.
    ///
    /// # Errors
    /// When it is not this key's signature of the statement, or the file is full.
    pub fn add(&mut self, public: PublicKey, signature: Signature) -> Result<(), SignatureFileError> {
        if !public.verifies(&self.statement, &signature) {
            return Err(SignatureFileError::Foreign(public, Box::new(self.statement.clone())));
        }
        self.keep(public, signature)
    }

    fn keep(&mut self, public: PublicKey, signature: Signature) -> Result<(), SignatureFileError> {
        self.signatures.retain(|(other, _)| *other != public);
        if self.signatures.len() >= SIGNATURES_MAX {
            return Err(SignatureFileError::Full);
        }
        self.signatures.push((public, signature));
        Ok(())
    }

    /// The keys that the file names. Their signatures need not be valid.
    #[must_use]
    pub fn named_keys(&self) -> BTreeSet<PublicKey> {
        self.signatures.iter().map(|(key, _)| *key).collect()
    }

    /// Those of these keys that signed the statement.
    #[must_use]
    pub fn signers<'k>(&self, keys: impl IntoIterator<Item = &'k PublicKey>) -> BTreeSet<PublicKey> {
        let signed = |key: &PublicKey| {
            let own = self.signatures.iter().find(|(signer, _)| signer == key);
            own.is_some_and(|(_, signature)| key.verifies(&self.statement, signature))
        };
        keys.into_iter().copied().filter(signed).collect()
    }

    /// Reads the form that `to_text` writes. Strict: an unknown field is an error.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureFileError> {
        let wrong = |error: &dyn std::fmt::Display| SignatureFileError::Form(error.to_string());
        if bytes.len() > SIGNATURE_FILE_BYTES_MAX {
            let text = format!("it has {} bytes; at most {SIGNATURE_FILE_BYTES_MAX}", bytes.len());
            return Err(SignatureFileError::Form(text));
        }
        let json: Json = serde_json::from_slice(bytes).map_err(|error| wrong(&error))?;
        if json.signatures.len() > SIGNATURES_MAX {
            return Err(SignatureFileError::Form(format!("it has more than {SIGNATURES_MAX} signatures")));
        }
        let id = ModuleId::new(&json.engine, &json.version).map_err(|error| wrong(&error))?;
        let digest: Digest = json.sha256.parse().map_err(|error| wrong(&error))?;
        let signatures = json.signatures.iter().map(JsonSignature::read).collect::<Result<Vec<_>, _>>()?;
        let file = Self { statement: Statement { id, digest }, signatures };
        file.check_keys_differ()?;
        Ok(file)
    }

    /// The same key twice would be verified twice, and no honest file has it.
    fn check_keys_differ(&self) -> Result<(), SignatureFileError> {
        let mut seen = BTreeSet::new();
        match self.signatures.iter().find(|(key, _)| !seen.insert(*key)) {
            Some((key, _)) => Err(SignatureFileError::Form(format!("it has more than one signature by `{key}`"))),
            None => Ok(()),
        }
    }

    /// The content of the file.
    ///
    /// # Errors
    /// When the statement cannot be written as JSON.
    pub fn to_text(&self) -> Result<String, SignatureFileError> {
        let signature = |(key, signature): &(PublicKey, Signature)| JsonSignature {
            key: key.to_string(),
            signature: signature.to_string(),
        };
        let json = Json {
            engine: self.statement.id.engine.clone(),
            version: self.statement.id.version.to_string(),
            sha256: self.statement.digest.to_string(),
            signatures: self.signatures.iter().map(signature).collect(),
        };
        let text = serde_json::to_string_pretty(&json).map_err(|error| SignatureFileError::Form(error.to_string()))?;
        Ok(text + "\n")
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Json {
    engine: String,
    version: String,
    sha256: String,
    signatures: Vec<JsonSignature>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct JsonSignature {
    key: String,
    signature: String,
}

impl JsonSignature {
    fn read(&self) -> Result<(PublicKey, Signature), SignatureFileError> {
        let key: PublicKey = self.key.parse().map_err(|error| SignatureFileError::Form(format!("{error}")))?;
        let wrong = || SignatureFileError::Form(format!("the signature by `{key}` is not 88 characters of base64"));
        Ok((key, Signature::from_text(&self.signature).ok_or_else(wrong)?))
    }
}

#[cfg(test)]
mod tests;
