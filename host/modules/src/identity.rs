//! The identity of a module: engine, version and digest.

use std::fmt;
use std::str::FromStr;

use semver::Version;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::limits::ENGINE_NAME_BYTES_MAX;

/// Engine and version, as in a module's description and in the name of its file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModuleId {
    /// The engine's name, for example `astra`.
    pub engine: String,
    /// Without a leading `v`.
    pub version: Version,
}

/// The name or the version cannot belong to a module.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdError {
    /// The name of the engine has the wrong form.
    #[error("engine `{0}`: expected at most {ENGINE_NAME_BYTES_MAX} of a-z, 0-9, `-` and `_`, a letter first")]
    Engine(String),
    /// The version is not a semantic version.
    #[error("version `{0}`: {1}")]
    Version(String, String),
    /// The name of the file has the wrong form.
    #[error("`{0}` is not named `<engine>-<version>.wasm`, for example `astra-1.2.3.wasm`")]
    FileName(String),
}

impl ModuleId {
    /// # Errors
    /// When the engine's name or the version cannot be part of a file name or of a signature.
    pub fn new(engine: &str, version: &str) -> Result<Self, IdError> {
        let wrong = |error: semver::Error| IdError::Version(version.to_owned(), error.to_string());
        check_engine_name(engine)?;
        Ok(Self { engine: engine.to_owned(), version: Version::parse(version).map_err(wrong)? })
    }

    /// The required name of the module's file.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}-{}.wasm", self.engine, self.version)
    }

    /// Engine and version from the name of a file.
    ///
    /// # Errors
    /// When the name has another form.
    pub fn from_file_name(name: &str) -> Result<Self, IdError> {
        let wrong = || IdError::FileName(name.to_owned());
        let stem = name.strip_suffix(".wasm").ok_or_else(wrong)?;
        // The first dot belongs to the version, because an engine's name has no dot.
        let (major, _) = stem.split_once('.').ok_or_else(wrong)?;
        let (engine, _) = major.rsplit_once('-').ok_or_else(wrong)?;
        Self::new(engine, &stem[engine.len() + 1..])
    }
}

/// # Errors
/// When no engine may have this name.
pub(crate) fn check_engine_name(engine: &str) -> Result<(), IdError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let starts = engine.starts_with(|first: char| first.is_ascii_lowercase());
    if starts && engine.len() <= ENGINE_NAME_BYTES_MAX && engine.bytes().all(allowed) {
        return Ok(());
    }
    Err(IdError::Engine(engine.to_owned()))
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.engine, self.version)
    }
}

/// The SHA-256 of a module's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes the bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 32 bytes of the digest.
    #[must_use]
    pub fn bytes(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a SHA-256 in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no SHA-256: expected 64 hexadecimal digits")]
pub struct DigestError(String);

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        crate::encoding::from_hex(text).map(Self).ok_or_else(|| DigestError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = Digest::of(b"abc");
        assert!(digest.to_string().starts_with("ba7816bf8f01cfea"));
        assert_eq!(digest.to_string().to_uppercase().parse(), Ok(digest));
        for wrong in ["", "ba78", &"g".repeat(64), &"é".repeat(32), &"0".repeat(66)] {
            assert_eq!(wrong.parse::<Digest>().unwrap_err(), DigestError(wrong.to_owned()));
        }
    }

    #[test]
    fn a_files_name_is_engine_and_version() {
        let rows = [
            ("astra-1.2.3.wasm", "astra", "1.2.3"),
            ("my-engine_2-10.0.0.wasm", "my-engine_2", "10.0.0"),
            ("a-2-1.0.0-rc.1+build-7.wasm", "a-2", "1.0.0-rc.1+build-7"),
        ];
        for (name, engine, version) in rows {
            let id = ModuleId::from_file_name(name).unwrap();
            assert_eq!((id.engine.as_str(), id.version.to_string().as_str()), (engine, version));
            assert_eq!(id.file_name(), name);
        }
    }

    #[test]
    fn other_names_are_no_modules() {
        let long = format!("{}-1.0.0.wasm", "a".repeat(ENGINE_NAME_BYTES_MAX + 1));
        let names = [
            "astra.wasm",
            "astra-1.wasm",
            "astra-v1.0.0.wasm",
            "astra-1.0.0.WASM",
            "astra-1.0.0.wasm.sig",
            "astra-01.0.0.wasm",
            "Astra-1.0.0.wasm",
            "2-1.0.0.wasm",
            "-1.0.0.wasm",
            "1.0.0.wasm",
            "a\nb-1.0.0.wasm",
            "é-1.0.0.wasm",
            ".wasm",
            &long,
        ];
        for name in names {
            assert!(ModuleId::from_file_name(name).is_err(), "{name}");
        }
    }
}
