//! All locks of the mount, in the order in which a request takes them: a request that holds one takes only locks that
//! stand below, so that no two requests wait for each other.
//!
//! Two cases leave this order, and neither can wait in a circle:
//! * A mint takes the lock of its mark under [`Lock::MintStart`], under the lock of its record if the token has a logical
//!   name, and under the lock of its failed attempt. That mark is new, so nobody else holds its lock.
//! * A write of a config holds the lock of its new admin token before [`Lock::Configs`]. No config holds that token yet,
//!   so nobody asks for its lock under [`Lock::Configs`].

use secrets_framework::host::{LockError, LockGuard};
use secrets_framework::{Context, Error};

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
    /// One of the locks under which leased mints of an organization start, by its number (`mint/start.rs`). Nothing asks
    /// Astra under it.
    MintStart(&'a OrgId, u8),
    /// The count of an organization's leased tokens for `max_tokens`, until the mint that counts is noted. No other lock is
    /// taken under it.
    TokenLimit(&'a OrgId),
    /// The read of an organization's list of tokens for a token that may be gone, given by the key under which the list is
    /// kept. No other lock is taken under it.
    ListedTokens(&'a OrgId, &'a str),
}

impl Lock<'_> {
    /// Takes the lock, or fails with a 503 when the host's limit of waiting is met.
    pub(crate) fn acquire<'a>(self, context: &Context<'a>) -> Result<Box<dyn LockGuard + 'a>, Error> {
        context.host.locks().acquire(&self.key()).map_err(|error| match error {
            LockError::TimedOut(_) => Error::coded(503, self.busy()),
            error @ LockError::Limit(_) => error.into(),
        })
    }

    /// Which request holds the lock, and what to do.
    fn busy(self) -> String {
        let what = match self {
            Self::Tidy => {
                return "this mount is being tidied already: read `tidy` a little later, its result will be there"
                    .into();
            }
            Self::AdminRotation(org_id) => format!("rotates the admin token of organization `{org_id}`"),
            Self::StaticRole(org_id, name) => {
                format!("changes or rotates static role `{name}` of organization `{org_id}`")
            }
            Self::Roles(org_id) => format!("writes roles of organization `{org_id}`"),
            Self::Mint(mark) => format!("makes the token with the mark `{mark}`"),
            Self::Configs => "writes a config of this mount".to_owned(),
            Self::Token(id) => format!("works on the token of the record `{}{id}`", key::TOKEN_PREFIX),
            Self::MintStart(org_id, _) => format!("begins to make a token of organization `{org_id}`"),
            Self::TokenLimit(org_id) => format!("counts the tokens of organization `{org_id}` for `max_tokens`"),
            Self::ListedTokens(org_id, _) => format!("reads Astra's list of the tokens of organization `{org_id}`"),
        };
        format!("another request {what}: try again in a few seconds")
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
            Self::MintStart(org_id, number) => format!("mint-start/{org_id}/{number}"),
            Self::TokenLimit(org_id) => format!("max-tokens/{org_id}"),
            Self::ListedTokens(_, key) => key.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use secrets_framework::Operation;
    use secrets_framework::host::Host;
    use secrets_framework::testing::{TestHost, request};
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_lock_that_another_request_holds_is_a_503_that_names_its_object_and_the_next_step() {
        let host = TestHost::new();
        host.locks.set_wait(Duration::ZERO);
        let request = request(Operation::Read, "x", Value::Null);
        let context = Context { host: &host, request: &request };
        let (org_id, name) = (OrgId::stored("o-1"), RoleName::stored("app"));
        let locks = [
            (Lock::Tidy, "tidied already"),
            (Lock::AdminRotation(&org_id), "rotates the admin token of organization `o-1`"),
            (Lock::StaticRole(&org_id, &name), "static role `app` of organization `o-1`"),
            (Lock::Roles(&org_id), "roles of organization `o-1`"),
            (Lock::Mint("m"), "the mark `m`"),
            (Lock::Configs, "a config of this mount"),
            (Lock::Token("id"), "the record `token/id`"),
            (Lock::MintStart(&org_id, 7), "a token of organization `o-1`"),
            (Lock::TokenLimit(&org_id), "counts the tokens of organization `o-1`"),
            (Lock::ListedTokens(&org_id, "listed-tokens/o-1"), "list of the tokens of organization `o-1`"),
        ];
        for (lock, object) in locks {
            let held = host.locks().acquire(&lock.key()).unwrap();
            let error = lock.acquire(&context).err().unwrap();
            let Error::Coded { code: 503, message } = error else { panic!("{lock:?}: {error:?}") };
            assert!(message.contains(object), "{lock:?}: {message}");
            assert!(message.contains(": try again") || message.contains(": read `tidy`"), "{message}");
            drop(held);
        }
    }
}
