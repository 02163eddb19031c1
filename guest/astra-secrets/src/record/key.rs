//! Where a record is stored.

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::names::{OrgId, RoleName};

/// Where records are: `token/<id>`, the Go plugin's key.
pub(crate) const TOKEN_PREFIX: &str = "token/";

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

/// `text` as one segment of a storage key: letters, digits, `-` and `_` as
/// they are, all else as `%XX`, so that no name of an old mount can make a
/// folder, a step upwards or a second spelling.
pub(crate) fn segment(text: &str) -> String {
    as_segment(text).into_owned()
}

/// As [`segment`], without a copy of a text that is a segment already, as nearly all client IDs are.
pub(crate) fn as_segment(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            segment.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    Cow::Owned(segment)
}

/// Turns a segment back into its text; none if it is not one of ours.
pub(crate) fn from_segment(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let high = char::from(rest.next()?).to_digit(16)?;
        let low = char::from(rest.next()?).to_digit(16)?;
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_named_record_has_the_go_plugins_key() {
        let id = RecordId::named(&OrgId::stored("o"), &RoleName::stored("r"), "l");
        // printf 'o:r:l' | sha256sum
        assert_eq!(id.key(), "token/cb9628292a2333eaa549c32e69de5d9b0b50974d26199f496a2eb2088e1575d0");
    }

    #[test]
    fn any_text_is_one_segment_and_comes_back() {
        for text in ["AbC-1_2", "a/b", "..", "x:y%z", "é ", ""] {
            let segment = segment(text);
            assert!(!segment.contains(['/', '.', ':']), "{segment}");
            assert_eq!(from_segment(&segment).as_deref(), Some(text));
        }
        assert_eq!(from_segment("%4"), None);
        assert_eq!(from_segment("%zz"), None);
    }

    proptest! {
        #[test]
        fn two_texts_never_share_a_segment(a in any::<String>(), b in any::<String>()) {
            prop_assert_eq!(from_segment(&segment(&a)), Some(a.clone()));
            prop_assert_eq!(segment(&a) == segment(&b), a == b);
        }
    }
}
