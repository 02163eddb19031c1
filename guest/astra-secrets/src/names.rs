//! Names, parsed once at the edge: organizations, roles, logical names and
//! Astra's own role IDs.
//!
//! New names are checked. What storage already holds may be older than the
//! checks, so each name also has a lenient constructor, `stored`; nothing
//! that came from a client and is to be stored for the first time may use it.

use std::fmt;
use std::ops::Deref;

use secrets_framework::Error;
use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;

use crate::limits::{NAME_BYTES_MAX, TOKEN_LOGICAL_NAME_BYTES_MAX};

/// Why a value is refused: names the field, and the value unless it is secret.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[error("{0}")]
pub(crate) struct NameError(String);

impl NameError {
    /// Refuses `value` of `field`.
    pub(crate) fn new(field: &str, value: &str, reason: &str) -> Self {
        Self(format!("`{field}` is {}: {reason}", shown(value)))
    }

    /// Refuses a value that must not be shown; `reason` follows the field's name.
    pub(crate) fn hidden(field: &str, reason: &str) -> Self {
        Self(format!("`{field}` {reason}"))
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub(crate) struct $name(String);

        impl $name {
            /// Its text.
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// For names that storage or a lease may hold.
macro_rules! stored_name {
    ($($name:ident),*) => {
        $(impl $name {
            /// A name that storage or a lease already holds: taken as it is.
            pub(crate) fn stored(name: impl Into<String>) -> Self {
                Self(name.into())
            }
        })*
    };
}

name_type! {
    /// An organization's ID: a UUID in Astra, any checked name here.
    OrgId
}

name_type! {
    /// A role's name in the mount, lower case where it is new.
    RoleName
}

name_type! {
    /// An organization's other name, unique in the mount; keeps its case.
    LogicalName
}

name_type! {
    /// A token's own name, unique within its organization and role, lower case.
    TokenLogicalName
}

name_type! {
    /// A token's ID in Astra; case matters. It is no secret. Empty only for the tokens that the Go plugin stored although
    /// Astra had made none.
    #[derive(Default)]
    ClientId
}

name_type! {
    /// A role's ID within Astra.
    AstraRoleId
}

stored_name!(ClientId, OrgId, RoleName, LogicalName, TokenLogicalName, AstraRoleId);

/// Its text, for keys, log lines and sentences.
impl Deref for ClientId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
impl PartialEq<&str> for ClientId {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl OrgId {
    /// A new organization ID.
    pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
        check_name("org_id", text)?;
        // One thing has one spelling, else a policy for the one could be
        // slipped past with the other; Astra writes its UUIDs in lower case.
        if is_uuid(text) && text.contains(|c: char| c.is_ascii_uppercase()) {
            return Err(NameError::new("org_id", text, "must be in lower case, as Astra shows it"));
        }
        Ok(Self(text.to_owned()))
    }

    /// May both name one organization? Old mounts may know one by another name than Astra's UUID, whose case does not count.
    pub(crate) fn may_be(&self, other: &Self) -> bool {
        let (one, other) = (self.as_str(), other.as_str());
        !is_uuid(one) || !is_uuid(other) || one.eq_ignore_ascii_case(other)
    }
}

impl RoleName {
    /// A new role name, already folded to lower case where the path folds.
    pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
        refuse_upper_case("role_name", text)?;
        check_name("role_name", text)?;
        Ok(Self(text.to_owned()))
    }

    /// A role name in a path. Never folded: with two spellings of one role,
    /// a policy for the one could be slipped past with the other.
    pub(crate) fn in_path(text: &str) -> Result<Self, NameError> {
        refuse_upper_case("role", text)?;
        Ok(Self(text.to_owned()))
    }

    /// A static role's name in a path: none is older than the checks.
    pub(crate) fn of_static_role(text: &str) -> Result<Self, NameError> {
        refuse_upper_case("name", text)?;
        check_name("name", text)?;
        Ok(Self(text.to_owned()))
    }
}

impl LogicalName {
    /// A new logical name of an organization.
    pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
        check_name("logical_name", text)?;
        Ok(Self(text.to_owned()))
    }
}

impl TokenLogicalName {
    /// A new logical name of a token, already folded to lower case.
    pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
        let printable = !text.is_empty() && text.chars().all(|c| !c.is_control());
        if printable && text.len() <= TOKEN_LOGICAL_NAME_BYTES_MAX {
            return Ok(Self(text.to_owned()));
        }
        let rule = format!("must be printable text of at most {TOKEN_LOGICAL_NAME_BYTES_MAX} bytes");
        Err(NameError::new("logical_name", text, &rule))
    }
}

impl AstraRoleId {
    /// An Astra role ID in the field `field`.
    pub(crate) fn parse(field: &'static str, text: &str) -> Result<Self, NameError> {
        // Astra's are UUIDs; only what could not be an ID at all is refused.
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
        if plain && text.len() <= NAME_BYTES_MAX {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError::new(
            field,
            text,
            "must be the ID of an Astra role, a UUID as `GET /v2/organizations/roles` lists it",
        ))
    }
}

/// Does `text` match the server's name pattern, `\w(([\w-.]+)?\w)?`, within the limit? The pattern allows `..`, which the
/// server refuses in a storage key.
pub(crate) fn is_name(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
    bytes.len() <= NAME_BYTES_MAX
        && word(first)
        && word(last)
        && bytes.iter().all(|&b| word(b) || b == b'-' || b == b'.')
        && !text.contains("..")
}

fn check_name(field: &'static str, text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::new(field, text, "must not be empty"));
    }
    if is_name(text) {
        return Ok(());
    }
    Err(NameError::new(
        field,
        text,
        "must be at most 128 letters, digits, `_`, `-` and `.`, begin and end with a letter, a digit or `_`, and have no \
         `..` in it",
    ))
}

fn refuse_upper_case(field: &'static str, text: &str) -> Result<(), NameError> {
    if text.chars().any(char::is_uppercase) {
        return Err(NameError::new(field, text, "must be in lower case; an upper-case letter is not folded here"));
    }
    Ok(())
}

/// Astra's own IDs of organizations and roles are UUIDs.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// A value as it may stand in an error: bounded, escaped, and never a token
/// that was put into the wrong field.
pub(crate) fn shown(value: &str) -> String {
    const CHARS_SHOWN_MAX: usize = 80;
    if value.to_ascii_lowercase().contains("astracs") {
        return "a token, which does not belong there".to_owned();
    }
    let mut text: String = value.chars().take(CHARS_SHOWN_MAX).flat_map(char::escape_debug).collect();
    if value.chars().nth(CHARS_SHOWN_MAX).is_some() {
        text.push('…');
    }
    format!("`{text}`")
}

impl From<NameError> for Error {
    fn from(error: NameError) -> Self {
        Self::mistake(error.to_string())
    }
}

#[cfg(test)]
mod tests;
