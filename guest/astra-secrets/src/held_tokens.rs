//! Whether the tokens that the mount serves, those of static roles, still live
//! in Astra, and long enough. Somebody may have ended one in Astra's portal, or the mount was
//! restored from a backup.
//!
//! A token counts as dead only when it is older than `--wal-min-age`, a whole
//! list of its own origin and organization lacks it, and a call with the token
//! itself is refused with 401. Checks, tidies and rollback ask the same here.

mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use secrets_framework::{Context, Error};

use crate::client::{AstraClient, ClientError};
use crate::config::{AdminToken, OrgConfig};
use crate::names::{ClientId, OrgId, RoleName};
use crate::static_role::{self, Tokens};

pub(crate) use look::{log_dead, look};

/// The tokens that an organization's static roles hold, while they are compared with Astra's lists.
pub(crate) struct HeldTokens {
    tokens: Tokens,
    listed: BTreeSet<ClientId>,
    /// Ends of tokens for which the next rotation comes too late, in seconds since 1970-01-01T00:00:00Z.
    early_ends: BTreeMap<ClientId, u64>,
}

/// A held token that Astra ends too early for the next rotation of its static role.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EarlyEnd<'a> {
    /// Its ID in Astra.
    pub(crate) client_id: &'a ClientId,
    /// The static role that holds it.
    pub(crate) name: &'a RoleName,
    /// When Astra ends it, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) ends: u64,
}

/// A held token that no list showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missing<'a> {
    /// Its ID in Astra.
    pub(crate) client_id: &'a ClientId,
    /// The static role that holds it.
    pub(crate) name: &'a RoleName,
    /// Was it found dead before, and is it about to be replaced?
    pub(crate) is_known: bool,
}

/// What is known of a held token that a whole list lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is dead.
    Dead,
    /// It lives, it is too young to tell, or the role holds another one by now.
    NotDead,
    /// It could not be found out, for this reason.
    Unknown(String),
}

impl HeldTokens {
    /// Those of the organization's static roles of these names: one read each.
    pub(crate) fn load(context: &Context<'_>, org_id: &OrgId, names: &[RoleName]) -> Result<Self, Error> {
        let tokens = static_role::tokens(context, org_id, names)?;
        Ok(Self { tokens, listed: BTreeSet::new(), early_ends: BTreeMap::new() })
    }

    /// The tokens, as they were when they were read.
    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.tokens.current.len()
    }

    /// Notes a token that a list shows; the same token may be noted more than once.
    pub(crate) fn see(&mut self, client_id: &ClientId) {
        if self.tokens.current.contains_key(client_id) {
            self.listed.insert(client_id.clone());
        }
    }

    /// Notes when Astra ends a token, as a list shows it.
    pub(crate) fn see_end(&mut self, client_id: &ClientId, ends: Option<Duration>) {
        let Some(ends) = ends.map(|ends| ends.as_secs()) else { return };
        if self.tokens.current.get(client_id).is_some_and(|current| ends < current.in_time_for) {
            self.early_ends.insert(client_id.clone(), ends);
        }
    }

    /// Those that Astra ends too early for the next rotation.
    pub(crate) fn early_ends(&self) -> impl Iterator<Item = EarlyEnd<'_>> {
        self.early_ends.iter().filter_map(|(client_id, ends)| {
            let name = &self.tokens.current.get(client_id)?.name;
            Some(EarlyEnd { client_id, name, ends: *ends })
        })
    }

    /// Those that no list has shown.
    pub(crate) fn missing(&self) -> impl Iterator<Item = Missing<'_>> {
        self.tokens.current.iter().filter(|(client_id, _)| !self.listed.contains(*client_id)).map(
            |(client_id, current)| Missing {
                client_id,
                name: &current.name,
                is_known: self.tokens.dead.contains(client_id),
            },
        )
    }
}

/// Finds out whether a token is dead that the whole list of `config`'s origin and organization lacks: asks Astra with
/// the token itself, once, for at most `timeout`.
pub(crate) fn judge(
    context: &Context<'_>,
    config: &OrgConfig,
    missing: Missing<'_>,
    timeout: Duration,
) -> Result<Verdict, Error> {
    // Again, for the role may have been rotated since it was read.
    let role = static_role::load_readable(context, &config.org_id, missing.name)?;
    let Some(role) = role.filter(|role| role.client_id.as_ref() == Some(missing.client_id)) else {
        return Ok(Verdict::NotDead);
    };
    let Some(record) = static_role::current_record(context, &role)? else {
        return Ok(Verdict::Unknown("the record of the token was lost".to_owned()));
    };
    let age_min = context.host.system_view().wal_minimum_age();
    if record.made_at().is_none_or(|made| made + age_min > context.now()) {
        return Ok(Verdict::NotDead);
    }
    // The token is sent nowhere but where it was made.
    let Some(secrets) = record.secrets.as_ref().filter(|_| role.token_url == config.url.to_string()) else {
        return Ok(Verdict::Unknown("the token was made at another `url` than the config's".to_owned()));
    };
    let token = AdminToken::stored(secrets.token.expose().clone());
    let mut own = OrgConfig::new(config.org_id.clone(), token);
    own.url = config.url.clone();
    Ok(match AstraClient::with_bounds(context.host, &own, timeout, 0).current_org() {
        Err(ClientError::Refused { status: 401, .. }) => Verdict::Dead,
        // Known, and only not allowed to ask this, or not from here.
        Ok(_) | Err(ClientError::Refused { .. }) => Verdict::NotDead,
        Err(error) => Verdict::Unknown(format!("a call with the token got no clear answer ({error})")),
    })
}

#[cfg(test)]
mod tests;
