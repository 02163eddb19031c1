//! How keys of storage name a token: by the ID of its record, or by organization and client ID.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::key::{TOKEN_PREFIX, from_segment, segment};
use crate::names::{ClientId, OrgId, RoleName};

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
    pub(crate) fn of_client(client_id: &ClientId) -> Self {
        Self(client_id.as_str().to_owned())
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

/// A token whose record may be gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenRef {
    /// Its organization.
    pub(crate) org_id: OrgId,
    /// Its ID in Astra.
    pub(crate) client_id: ClientId,
    /// Where its record stands or stood.
    pub(crate) record_id: RecordId,
}

impl TokenRef {
    /// A token whose record stands under its client ID.
    pub(crate) fn of_client(org_id: &OrgId, client_id: &ClientId) -> Self {
        let record_id = RecordId::of_client(client_id);
        Self { org_id: org_id.clone(), client_id: client_id.to_owned(), record_id }
    }

    /// Its name in a key: `<organization>.<client ID>`, and `.<record ID>` where that is not the client ID.
    pub(crate) fn name(&self) -> String {
        let name = format!("{}.{}", segment(self.org_id.as_str()), segment(&self.client_id));
        match self.record_id.as_str() == self.client_id.as_str() {
            true => name,
            false => format!("{name}.{}", segment(self.record_id.as_str())),
        }
    }

    /// The token of such a name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let mut parts = name.split('.').map(from_segment);
        let (org_id, client_id) = (OrgId::stored(parts.next()??), ClientId::stored(parts.next()??));
        let record_id = match parts.next() {
            Some(id) => RecordId::stored(id?),
            None => RecordId::of_client(&client_id),
        };
        Some(Self { org_id, client_id, record_id })
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

    #[test]
    fn a_token_comes_back_from_its_name() {
        for record_id in [RecordId::of_client(&ClientId::stored("C.1")), RecordId::stored("a/b")] {
            let token = TokenRef { org_id: OrgId::stored("o:1"), client_id: ClientId::stored("C.1"), record_id };
            assert_eq!(TokenRef::of_name(&token.name()), Some(token));
        }
        for name in ["", "o", "o.%2"] {
            assert_eq!(TokenRef::of_name(name), None, "{name}");
        }
    }
}
