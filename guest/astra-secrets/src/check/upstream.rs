//! What Astra says of an organization's admin token: three questions, asked
//! once each, and what follows from the answers.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use secrets_framework::Context;
use secrets_framework::host::Host;

use super::Item;
use crate::client::{AstraClient, ClientError, ListedRole, ListedToken, Skew, upstream};
use crate::held_tokens::HeldTokens;
use crate::limits::{ADMIN_TOKEN_EXPIRY_NEAR, CLOCK_SKEW_MAX};
use crate::names::{OrgId, is_uuid, shown};
use crate::time_text;

/// Astra's answers.
pub(super) struct Answers<'a> {
    host: &'a dyn Host,
    org_id: &'a OrgId,
    owner: Result<String, ClientError>,
    roles: Result<Vec<ListedRole>, ClientError>,
    tokens: Result<TokenList, ClientError>,
}

/// What the list of tokens shows.
struct TokenList {
    /// The admin token.
    own: Option<ListedToken>,
}

/// The IDs of the Astra roles that Astra lists.
pub(super) struct RoleIds(BTreeSet<String>);

impl RoleIds {
    /// Is it among them? Case does not count.
    pub(super) fn has(&self, id: &str) -> bool {
        self.0.contains(&id.to_ascii_lowercase())
    }
}

impl<'a> Answers<'a> {
    /// Asks, and compares the `held` tokens with the list of tokens.
    pub(super) fn ask(client: &AstraClient<'a>, held: &mut HeldTokens) -> Self {
        Self {
            host: client.host(),
            org_id: &client.config().org_id,
            owner: client.current_org(),
            roles: client.list_roles(),
            tokens: list_tokens(client, held),
        }
    }

    /// Why the list of tokens may lack some of the organization's; none = it is whole.
    pub(super) fn list_fault(&self) -> Option<&'static str> {
        let org_id = self.org_id.as_str();
        match (&self.tokens, &self.owner) {
            (Err(_), _) => Some("Astra did not list its tokens: see `may_list_tokens`"),
            (_, Err(_)) => Some("Astra did not say whose its list of tokens is: see `token_valid`"),
            (_, Ok(owner)) if is_uuid(org_id) && !owner.eq_ignore_ascii_case(org_id) => {
                Some("Astra listed the tokens of another organization: see `organization_matches`")
            }
            (Ok(list), _) if list.own.is_none() => Some("Astra's list does not even show the admin token"),
            _ => None,
        }
    }

    /// Astra's roles, where it lists them.
    pub(super) fn roles(&self) -> Option<&[ListedRole]> {
        self.roles.as_deref().ok()
    }

    /// The IDs of Astra's roles, where it lists them.
    pub(super) fn role_ids(&self) -> Option<RoleIds> {
        let roles = self.roles.as_ref().ok()?;
        Some(RoleIds(roles.iter().map(|role| role.id.to_ascii_lowercase()).collect()))
    }

    /// The admin token, where Astra lists it.
    pub(super) fn own_token(&self) -> Option<&ListedToken> {
        self.tokens.as_ref().ok()?.own.as_ref()
    }

    pub(super) fn token_valid(&self) -> Item {
        match &self.owner {
            Ok(_) => Item::yes("Astra takes the admin token."),
            Err(error) => self.refused_or_unknown(error),
        }
    }

    pub(super) fn organization_matches(&self) -> Item {
        let org_id = self.org_id;
        match &self.owner {
            Ok(owner) if owner.eq_ignore_ascii_case(org_id.as_str()) => {
                Item::yes("The admin token belongs to this organization.")
            }
            Ok(owner) if is_uuid(org_id.as_str()) => Item::no(format!(
                "The admin token belongs to the organization {}, not to `{org_id}`: write the right `astra_token` to the config.",
                shown(owner)
            )),
            Ok(owner) => Item::unknown(format!(
                "The admin token belongs to the organization {}, which this mount knows as `{org_id}`: whether they are the same, only you know.",
                shown(owner)
            )),
            Err(_) => Item::unknown("Astra did not say whose the admin token is: see `token_valid`."),
        }
    }

    pub(super) fn may_list_roles(&self) -> Item {
        match &self.roles {
            Ok(roles) => Item::yes(format!("The admin token may list roles; there are {}.", roles.len())),
            Err(error) => self.refused_or_unknown(error),
        }
    }

    pub(super) fn may_list_tokens(&self) -> Item {
        match &self.tokens {
            Ok(_) => Item::yes("The admin token may list tokens."),
            Err(error) => self.refused_or_unknown(error),
        }
    }

    pub(super) fn token_expiry(&self, context: &Context<'_>) -> Item {
        let org_id = self.org_id;
        let Some(own) = self.own_token() else {
            return Item::unknown("Astra's list does not show the admin token, and so not when it ends.");
        };
        let Some(expiry) = own.expiry else { return Item::yes("Astra tells no end of the admin token.") };
        let now = context.now();
        let at = time_text::format(expiry).unwrap_or_default();
        let remedy = format!("rotate it by `config/{org_id}/rotate-root`, or write another to the config");
        if expiry <= now {
            Item::no(format!("The admin token has ended at {at}: write another to the config."))
        } else if expiry <= now + ADMIN_TOKEN_EXPIRY_NEAR {
            Item::no(format!("The admin token ends at {at}: {remedy}."))
        } else {
            Item::yes(format!("The admin token ends at {at}."))
        }
    }

    /// How the clocks stand, by Astra's answers or by the token that a deep check made.
    pub(super) fn clock_skew(&self, client: &AstraClient<'_>, made: Option<Skew>, deep: bool) -> Item {
        let (skew, source) = match (client.skew(), made) {
            (Some(skew), _) => (skew, "the `Date` of its answers"),
            (None, Some(skew)) => (skew, "the time at which it made a token"),
            (None, None) if deep => return Item::unknown("Astra told no time, neither by a `Date` nor of a token."),
            (None, None) => {
                return Item::unknown(
                    "Astra's answers bear no `Date`; `deep=true` compares with the time at which a token was made.",
                );
            }
        };
        let direction = if skew.ahead_seconds < 0 { "behind" } else { "ahead of" };
        let sentence =
            format!("By {source}, Astra's clock is {} s {direction} ours", skew.ahead_seconds.unsigned_abs());
        // The answer was under way for as long as the exchange took.
        if skew.ahead_seconds.unsigned_abs() <= CLOCK_SKEW_MAX.as_secs() + skew.exchange_seconds {
            Item::yes(format!("{sentence}."))
        } else {
            Item::no(format!("{sentence}: set the clock of the server's machine, leases and tokens end by it."))
        }
    }

    /// A refusal is a no; anything else says nothing about the admin token.
    fn refused_or_unknown(&self, error: &ClientError) -> Item {
        let sentence = upstream(self.host, self.org_id, error).to_string();
        match error {
            ClientError::Refused { .. } => Item::no(sentence),
            _ => Item::unknown(sentence),
        }
    }
}

fn list_tokens(client: &AstraClient<'_>, held: &mut HeldTokens) -> Result<TokenList, ClientError> {
    let mut own = None;
    client.scan_tokens(&mut |token| {
        held.see(&token.client_id);
        if client.asks_with(&token.client_id) {
            own = Some(token);
        }
        ControlFlow::Continue(())
    })?;
    Ok(TokenList { own })
}
