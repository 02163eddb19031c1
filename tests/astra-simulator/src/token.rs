//! A token and what it is made of. Only digests are kept: nothing here can give a secret back.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::random::Random;

/// A token as its maker gets it, once.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// 24 letters, matched with case (DOC-src, TF#44).
    pub client_id: String,
    /// 128 characters (DOC-src).
    pub secret: String,
    /// `AstraCS:<client ID>:<hex SHA-256 of the secret>` (SPEC26, DOC-src).
    pub token: String,
}

impl Credential {
    /// Makes one whose client ID starts with `prefix` and whose secret starts with
    /// `SECRET_PREFIX`, so that a scan of logs finds it.
    pub(crate) fn generate(random: &mut Random, prefix: &str) -> Self {
        let letters = CLIENT_ID_LENGTH.saturating_sub(prefix.len());
        let client_id = format!("{prefix}{}", random.text(LETTERS, letters));
        let rest = SECRET_LENGTH - SECRET_PREFIX.len();
        let secret = format!("{SECRET_PREFIX}{}", random.text(SECRET_ALPHABET, rest));
        let token = format!("AstraCS:{client_id}:{}", hex(&sha256(secret.as_bytes())));
        Self { client_id, secret, token }
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Credential({}, redacted)", self.client_id)
    }
}

/// A token that was made before the simulator's time, as a recording of another Astra has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlantedToken {
    /// The token. An empty secret is one that nobody knows.
    pub credential: Credential,
    /// Its role IDs, of whichever organization.
    pub roles: Vec<String>,
    /// Its description.
    pub description: String,
    /// When it was made, RFC 3339.
    pub generated_on: String,
}

/// Start of every secret, so that a scan for it finds each secret in clear.
pub const SECRET_PREFIX: &str = "CanarySecret-";

/// Whether a token can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// Astra accepts the token.
    Live,
    /// Its `tokenExpiry` has passed.
    Expired,
    /// The token was deleted.
    Revoked,
}

/// What may be said of a token: no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenInfo {
    /// Its client ID.
    pub client_id: String,
    /// Its organization's ID.
    pub organization: String,
    /// Its role IDs.
    pub roles: Vec<String>,
    /// As given when it was made.
    pub description: String,
    /// RFC 3339 with milliseconds.
    pub generated_on: String,
    /// RFC 3339 with milliseconds; none for a long-lived one.
    pub expires: Option<String>,
    /// Whether it works now.
    pub state: TokenState,
    /// False when a fault kept its only answer from the client, which then cannot know it.
    pub told: bool,
    /// Client ID of the token that made it; none for what the simulator or a test made.
    pub made_by: Option<String>,
}

/// A token as the simulator keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) client_id: String,
    pub(crate) organization: String,
    pub(crate) roles: Vec<String>,
    pub(crate) description: String,
    pub(crate) generated_on: Timestamp,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) revoked: Option<Timestamp>,
    pub(crate) told: bool,
    pub(crate) made_by: Option<String>,
    /// SHA-256 of the whole token.
    pub(crate) digest: [u8; 32],
    /// Calls of its own since it was made, and since it was deleted.
    pub(crate) calls_since: CallsSince,
    /// Lists of its organization since it was made, and since it was deleted.
    pub(crate) lists_since: CallsSince,
}

/// Calls counted since a token was made and since it was deleted, for effects that trail behind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CallsSince {
    pub(crate) made: u32,
    pub(crate) revoked: u32,
}

impl CallsSince {
    pub(crate) fn count(&mut self, revoked: bool) {
        let counter = if revoked { &mut self.revoked } else { &mut self.made };
        *counter = counter.saturating_add(1);
    }
}

impl Token {
    pub(crate) fn state(&self, now: Timestamp) -> TokenState {
        if self.revoked.is_some() {
            TokenState::Revoked
        } else if self.expires.is_some_and(|at| at <= now) {
            TokenState::Expired
        } else {
            TokenState::Live
        }
    }

    pub(crate) fn matches(&self, bearer: &str) -> bool {
        sha256(bearer.as_bytes()) == self.digest
    }

    pub(crate) fn info(&self, now: Timestamp) -> TokenInfo {
        TokenInfo {
            client_id: self.client_id.clone(),
            organization: self.organization.clone(),
            roles: self.roles.clone(),
            description: self.description.clone(),
            generated_on: self.generated_on.with_milliseconds(),
            expires: self.expires.map(Timestamp::with_milliseconds),
            state: self.state(now),
            told: self.told,
            made_by: self.made_by.clone(),
        }
    }
}

/// The client ID in a text of a token's shape: `AstraCS:`, something without a colon, 64 lower
/// hex digits. The letters of the client ID are not checked: only samples show them.
pub(crate) fn well_formed_client_id(bearer: &str) -> Option<&str> {
    let (client_id, rest) = client_id_and_rest(bearer)?;
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (rest.len() == HEX_LENGTH && rest.bytes().all(hex)).then_some(client_id)
}

/// The client ID and the rest of anything that starts like a token.
pub(crate) fn client_id_and_rest(bearer: &str) -> Option<(&str, &str)> {
    let (client_id, rest) = bearer.strip_prefix("AstraCS:")?.split_once(':')?;
    (client_id.len() == CLIENT_ID_LENGTH).then_some((client_id, rest))
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

pub(crate) const CLIENT_ID_LENGTH: usize = 24;
pub(crate) const HEX_LENGTH: usize = 64;
pub(crate) const SECRET_LENGTH: usize = 128;
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
pub(crate) const SECRET_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,_+-";

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_credential_has_the_documented_shape() {
        let made = Credential::generate(&mut Random::new(1), "CanaryAlpha");
        assert_eq!(made.client_id.len(), 24);
        assert!(made.client_id.bytes().all(|byte| byte.is_ascii_alphabetic()));
        assert_eq!(made.secret.len(), 128);
        assert_eq!(made.token.len(), 97);
        assert_eq!(well_formed_client_id(&made.token).unwrap(), made.client_id);
        assert!(made.token.ends_with(&hex(&sha256(made.secret.as_bytes()))));
    }

    #[test]
    fn the_debug_form_hides_the_secret() {
        let made = Credential::generate(&mut Random::new(1), "");
        let shown = format!("{made:?}");
        assert!(!shown.contains(&made.secret) && !shown.contains(&made.token));
    }

    #[test]
    fn other_shapes_are_malformed() {
        let made = Credential::generate(&mut Random::new(1), "");
        let upper = format!("AstraCS:{}:{}", made.client_id, "A".repeat(64));
        let short = format!("AstraCS:{}:{}", made.client_id, "a".repeat(63));
        for bearer in ["", "AstraCS:", "AstraCS:a:b", "token", upper.as_str(), short.as_str()] {
            assert_eq!(well_formed_client_id(bearer), None, "{bearer}");
        }
    }
}
