//! The Astra token of a config, with which an organization's tokens are made
//! and deleted. It is shown to nobody: what a read shows is its client ID.

use secrets_framework::Sensitive;

use crate::limits::ADMIN_TOKEN_BYTES_MAX;
use crate::names::{ClientId, NameError};

/// An organization's admin token.
#[derive(Debug)]
pub(crate) struct AdminToken(Sensitive);

impl AdminToken {
    /// A token as an operator gives it in `field`. The refusal never holds its text.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, NameError> {
        let refuse = |reason| NameError::hidden(field, reason);
        if text.is_empty() {
            return Err(refuse("is empty: give a token of the organization, `AstraCS:<client id>:<rest>`"));
        }
        if text.ends_with(REDACTED_SUFFIX) {
            return Err(refuse(
                "ends in `:redacted`: that is what a read shows instead of the token; leave the field out to keep the stored token",
            ));
        }
        if text.len() > ADMIN_TOKEN_BYTES_MAX || client_id(text).is_none() {
            return Err(refuse(
                "is not an Astra token: it must be `AstraCS:<client id>:<rest>`, without blanks or line ends, also at the end of a file",
            ));
        }
        Ok(Self::stored(text.to_owned()))
    }

    /// A token that storage already holds.
    pub(crate) fn stored(text: String) -> Self {
        Self(Sensitive::new(text))
    }

    /// The token itself: each call is a place to review.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }

    /// A copy to send as the bearer of a request.
    pub(crate) fn bearer(&self) -> Sensitive {
        Sensitive::new(self.0.expose().clone())
    }

    /// Its client ID; none if it has not the shape of an Astra token.
    pub(crate) fn client_id(&self) -> Option<ClientId> {
        client_id(self.0.expose()).map(ClientId::stored)
    }

    /// Is it the token with this client ID?
    pub(crate) fn is(&self, other: &ClientId) -> bool {
        client_id(self.0.expose()) == Some(other.as_str())
    }

    /// What a read shows.
    pub(crate) fn redacted(&self) -> String {
        format!("{PREFIX}{}{REDACTED_SUFFIX}", client_id(self.0.expose()).unwrap_or("unknown"))
    }
}

/// `AstraCS:<client id>:<rest>`, each part of printable ASCII. Not narrower:
/// that client IDs are 24 letters is only what samples show.
fn client_id(token: &str) -> Option<&str> {
    let (client_id, rest) = token.strip_prefix(PREFIX)?.split_once(':')?;
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    (plain(client_id) && plain(rest)).then_some(client_id)
}

const PREFIX: &str = "AstraCS:";
const REDACTED_SUFFIX: &str = ":redacted";
