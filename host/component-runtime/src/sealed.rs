//! Precompiled code on a disk that other users can write, sealed with a key that they do not have.
//!
//! The code becomes part of this process, so the process loads only code that this program made itself. The seal is an
//! HMAC over the digest of the component, the engine and the code; `aot.rs` relies on it.

use std::hash::{DefaultHasher, Hash, Hasher};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use thiserror::Error;
use wasmtime::Engine;
use zeroize::Zeroizing;

/// First bytes of sealed code. The seal covers them.
const MAGIC: &[u8; 16] = b"sealed module 1\n";
/// Bytes of an HMAC-SHA-256.
const TAG_BYTES: usize = 32;

/// The key of a seal, which cannot be printed.
#[derive(Clone)]
pub struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    /// A key from random bytes that only the operator and this process know.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(…)")
    }
}

/// Sealed code is not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// The bytes are cut off or are not sealed code.
    #[error("it is not sealed code")]
    Format,
    /// The code is damaged, belongs to another module or engine, or has another key.
    #[error("its seal does not fit")]
    Seal,
}

/// The subject of sealed code: the SHA-256 of a module, and the engine that compiled the module.
#[derive(Clone, Copy)]
pub(crate) struct Subject {
    digest: [u8; 32],
    engine: u64,
}

impl Subject {
    pub(crate) fn new(engine: &Engine, digest: [u8; 32]) -> Self {
        Self { digest, engine: compatibility(engine) }
    }
}

/// A number that differs between engines that cannot load each other's code.
pub(crate) fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn seal(key: &SealKey, subject: Subject, code: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(MAGIC.len() + TAG_BYTES + code.len());
    sealed.extend(MAGIC);
    sealed.extend(tag(key, subject, code).as_ref());
    sealed.extend(code);
    sealed
}

/// The code, if this key sealed it for this subject.
///
/// # Errors
/// When another key sealed the code, or the seal is for another subject.
pub(crate) fn open<'s>(key: &SealKey, subject: Subject, sealed: &'s [u8]) -> Result<&'s [u8], SealError> {
    let rest = sealed.strip_prefix(MAGIC).ok_or(SealError::Format)?;
    let (found, code) = rest.split_at_checked(TAG_BYTES).ok_or(SealError::Format)?;
    let expected = tag(key, subject, code);
    verify_slices_are_equal(expected.as_ref(), found).map_err(|_| SealError::Seal)?;
    Ok(code)
}

/// The HMAC. All parts but the code have a fixed length, so that the parts cannot be confused.
fn tag(key: &SealKey, subject: Subject, code: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &*key.0));
    for part in [MAGIC, &subject.digest[..], &subject.engine.to_le_bytes(), code] {
        context.update(part);
    }
    context.sign()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Subject = Subject { digest: [1; 32], engine: 2 };

    fn key(byte: u8) -> SealKey {
        SealKey::new([byte; 32])
    }

    #[test]
    fn sealed_code_is_opened_with_its_key() {
        for code in [&b""[..], b"code"] {
            assert_eq!(open(&key(7), SUBJECT, &seal(&key(7), SUBJECT, code)), Ok(code));
        }
        assert_eq!(format!("{:?}", key(7)), "SealKey(…)");
    }

    #[test]
    fn another_key_another_module_and_another_engine_are_refused() {
        let sealed = seal(&key(7), SUBJECT, b"code");
        assert_eq!(open(&key(8), SUBJECT, &sealed), Err(SealError::Seal));
        assert_eq!(open(&key(7), Subject { digest: [9; 32], ..SUBJECT }, &sealed), Err(SealError::Seal));
        assert_eq!(open(&key(7), Subject { engine: 9, ..SUBJECT }, &sealed), Err(SealError::Seal));
    }

    #[test]
    fn damage_anywhere_is_detected() {
        let sealed = seal(&key(7), SUBJECT, b"code");
        for cut in 0..sealed.len() {
            assert!(open(&key(7), SUBJECT, &sealed[..cut]).is_err(), "cut at {cut}");
            let mut flipped = sealed.clone();
            flipped[cut] ^= 1;
            assert!(open(&key(7), SUBJECT, &flipped).is_err(), "flipped at {cut}");
        }
        assert!(open(&key(7), SUBJECT, &[&sealed[..], b"more"].concat()).is_err());
        assert_eq!(open(&key(7), SUBJECT, b"\x7fELF"), Err(SealError::Format));
    }
}
