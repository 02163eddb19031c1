//! SHA-256 in hex: the digest of the plugin for its registration, and the digests of names in old storage keys.

use sha2::{Digest as _, Sha256};

/// SHA-256 of bytes, in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
