//! Where a record is stored.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::names::{OrgId, RoleName};
use crate::storage::key::TOKEN_PREFIX;

/// The ID of a record within the mount.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordId(String);

impl RecordId {
    /// Of a token with a logical name: the Go plugin's SHA-256 over the three.
    pub(crate) fn named(org_id: &OrgId, role_name: &RoleName, logical_name: &str) -> Self {
        let hash = Sha256::digest(format!("{org_id}:{role_name}:{logical_name}"));
        let mut id = String::with_capacity(64);
        for byte in hash {
            // Writing to a string cannot fail.
            let _ = write!(id, "{byte:02x}");
        }
        Self(id)
    }

    /// Of a token without one: its client ID.
    pub(crate) fn of_client(client_id: &str) -> Self {
        Self(client_id.to_owned())
    }

    /// As storage, an index or a lease holds it.
    pub(crate) fn stored(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Its text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Its storage key.
    pub(crate) fn key(&self) -> String {
        format!("{TOKEN_PREFIX}{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_record_has_the_go_plugins_key() {
        let id = RecordId::named(&OrgId::stored("o"), &RoleName::stored("r"), "l");
        // printf 'o:r:l' | sha256sum
        assert_eq!(id.key(), "token/cb9628292a2333eaa549c32e69de5d9b0b50974d26199f496a2eb2088e1575d0");
    }
}
