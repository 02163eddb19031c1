//! All locks of the mount, in the order in which a request takes them: a request that holds one takes only locks that
//! stand below, so that no two requests wait for each other.
//!
//! Two cases leave this order, and neither can wait in a circle:
//! * A token with a logical name is made under the lock of its record, and the mint takes the lock of its mark. That mark
//!   is new, so nobody else holds its lock.
//! * A write of a config holds the lock of its new admin token before [`Lock::Configs`]. No config holds that token yet,
//!   so nobody asks for its lock under [`Lock::Configs`].

use secrets_framework::Context;
use secrets_framework::host::{LockError, LockGuard};

use crate::names::{OrgId, RoleName};
use crate::storage::key;

/// A lock of the mount. The variants stand in lock order.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lock<'a> {
    /// One tidy at a time.
    Tidy,
    /// The rotation of an organization's admin token. Astra is asked under it.
    AdminRotation(&'a OrgId),
    /// Changes of a static role, its rotation included. Astra is asked under it.
    StaticRole(&'a OrgId, &'a RoleName),
    /// All writes to roles of an organization.
    Roles(&'a OrgId),
    /// The mint with this mark, or its rollback. Astra is asked under it.
    Mint(&'a str),
    /// All writes to configs of the mount. Nothing asks Astra under it.
    Configs,
    /// Changes of one token, given by the ID of its record. Astra is asked under it.
    Token(&'a str),
    /// The count of an organization's leased tokens for `max_tokens`, until the mint that counts is noted. No other lock is
    /// taken under it.
    TokenLimit(&'a OrgId),
    /// The read of an organization's list of tokens for a token that may be gone, given by the key under which the list is
    /// kept. No other lock is taken under it.
    ListedTokens(&'a str),
}

impl Lock<'_> {
    /// Takes the lock, or fails when the host's limit of waiting is met.
    pub(crate) fn acquire<'a>(self, context: &Context<'a>) -> Result<Box<dyn LockGuard + 'a>, LockError> {
        context.host.locks().acquire(&self.key())
    }

    fn key(self) -> String {
        match self {
            Self::Tidy => "tidy".to_owned(),
            Self::AdminRotation(org_id) => format!("rotate-admin/{org_id}"),
            Self::StaticRole(org_id, name) => key::static_role(org_id, name),
            Self::Roles(org_id) => format!("{}{org_id}", key::ROLE_PREFIX),
            Self::Mint(mark) => format!("mint/{mark}"),
            Self::Configs => "config".to_owned(),
            Self::Token(id) => format!("{}{id}", key::TOKEN_PREFIX),
            Self::TokenLimit(org_id) => format!("max-tokens/{org_id}"),
            Self::ListedTokens(key) => key.to_owned(),
        }
    }
}
