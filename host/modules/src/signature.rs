//! Detached signatures: a key says that these bytes are this engine in this version.
//!
//! A key signs a [`Statement`], never the bytes alone: a signature for one engine or version is not valid for another.
//! Keys are ed25519; a public key is the text `ed25519:BASE64` or a PEM file of its SubjectPublicKeyInfo, a private one a
//! PKCS#8 PEM file, as `openssl genpkey -algorithm ed25519` writes it. `trust.rs` decides whose signatures count.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use pem::{EncodeConfig, LineEnding, Pem};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::encoding::{from_base64, to_base64};
use crate::{Digest, ModuleId};

/// Prefix of a public key, which leaves room for another kind of key.
const KEY_PREFIX: &str = "ed25519:";
/// The label of a PKCS#8 file.
const PEM_LABEL: &str = "PRIVATE KEY";
/// The label of a file with a SubjectPublicKeyInfo.
const PUBLIC_PEM_LABEL: &str = "PUBLIC KEY";
/// What stands before the key in the SubjectPublicKeyInfo of an ed25519 key (RFC 8410): the algorithm, without parameters,
/// and the head of the bit string.
const PUBLIC_DER_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// An unusable key. The text reveals nothing of a private key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The text is not a public key.
    #[error("`{0}` is no public key: expected `ed25519:` and 44 characters of base64")]
    Public(String),
    /// The file contains no usable public key.
    #[error("not a public key: expected an ed25519 key in PEM, as `openssl pkey -pubout` writes it")]
    PublicFile,
    /// The file contains no usable private key.
    #[error("not a private key: expected an unencrypted ed25519 key as a PKCS#8 PEM file")]
    Private,
    /// Without randomness, no key can be created.
    #[error("the system gave no randomness for a key")]
    Random,
}

/// A statement that can be signed: these bytes are this engine in this version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statement {
    /// Engine and version.
    pub id: ModuleId,
    /// SHA-256 of the module's bytes.
    pub digest: Digest,
}

impl Statement {
    /// The bytes that are signed. The first line makes the signature useless in any other protocol.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { id: ModuleId { engine, version }, digest } = self;
        format!("secrets-engine module v1\nengine={engine}\nversion={version}\nsha256={digest}\n")
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with SHA-256 {}", self.id, self.digest)
    }
}

/// A public key. It is shown in full, because an operator compares it with the published one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Did this key sign the statement?
    #[must_use]
    pub fn verifies(&self, statement: &Statement, signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(statement.text().as_bytes(), &signature.0).is_ok()
    }
}

impl PublicKey {
    /// Reads the PEM file of a public key, or of a private one, whose public half it takes.
    ///
    /// # Errors
    /// When the file contains anything but one ed25519 key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let pem = pem::parse(text).map_err(|_| KeyError::PublicFile)?;
        if pem.tag() == PEM_LABEL {
            let der = Zeroizing::new(pem.into_contents());
            return SigningKey::from_der(&der).map(|key| key.public_key());
        }
        let key = pem.contents().strip_prefix(&PUBLIC_DER_HEAD).filter(|_| pem.tag() == PUBLIC_PEM_LABEL);
        key.and_then(|key| key.try_into().ok()).map(Self).ok_or(KeyError::PublicFile)
    }

    /// The PEM file, as `openssl pkeyutl -pubin -inkey` reads it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let der = [&PUBLIC_DER_HEAD[..], &self.0].concat();
        pem::encode_config(&Pem::new(PUBLIC_PEM_LABEL, der), EncodeConfig::new().set_line_ending(LineEnding::LF))
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let key = text.strip_prefix(KEY_PREFIX).and_then(from_base64);
        key.map(Self).ok_or_else(|| KeyError::Public(text.to_owned()))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KEY_PREFIX}{}", to_base64(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A signature, valid or not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Parses base64.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        from_base64(text).map(Self)
    }
}

impl From<[u8; 64]> for Signature {
    fn from(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_base64(&self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A private key: cannot be printed, only written as PEM.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Creates a key.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        Ed25519KeyPair::generate().map(Self).map_err(|_| KeyError::Random)
    }

    /// Reads a PKCS#8 PEM file.
    ///
    /// # Errors
    /// When the file contains anything but one ed25519 key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let pem = pem::parse(text).map_err(|_| KeyError::Private)?;
        if pem.tag() != PEM_LABEL {
            return Err(KeyError::Private);
        }
        Self::from_der(&Zeroizing::new(pem.into_contents()))
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_pkcs8(der).map(Self).map_err(|_| KeyError::Private)
    }

    /// The PKCS#8 PEM file. Only its owner may read it: mode 0600.
    ///
    /// # Errors
    /// When the key cannot be encoded.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        // Version 1, because other tools read it.
        let der = self.0.to_pkcs8v1().map_err(|_| KeyError::Private)?;
        Ok(Zeroizing::new(pem::encode(&Pem::new(PEM_LABEL, der.as_ref()))))
    }

    /// The key that verifies the signatures of this one.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(key)
    }

    /// Signs the statement.
    #[must_use]
    pub fn sign(&self, statement: &Statement) -> Signature {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.0.sign(statement.text().as_bytes()).as_ref());
        Signature(signature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.public_key())
    }
}
