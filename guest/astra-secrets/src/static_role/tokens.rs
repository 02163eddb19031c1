//! Which tokens an organization's static roles have: for a token without a
//! record, which would name the one that has it.

use std::collections::{BTreeMap, BTreeSet};

use secrets_framework::{Context, Error};

use super::stored;
use crate::events;
use crate::limits::STATIC_ROLES_READ_AT_ONCE;
use crate::names::{ClientId, OrgId, RoleName};
use crate::storage::{key, read_many};

/// The current token of a static role.
#[derive(Debug)]
pub(crate) struct CurrentToken {
    /// The static role.
    pub(crate) name: RoleName,
    /// The earliest end of the token in Astra for which the next rotation comes in time, in seconds since
    /// 1970-01-01T00:00:00Z.
    pub(crate) in_time_for: u64,
}

/// The tokens that these static roles have.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// Those that are current, and whose.
    pub(crate) current: BTreeMap<ClientId, CurrentToken>,
    /// Those of the current ones that were found dead, and are about to be replaced.
    pub(crate) dead: BTreeSet<ClientId>,
    /// When those end that live on for their grace period, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) replaced: BTreeMap<ClientId, u64>,
    /// Why those of one are not known, where one cannot be read.
    pub(crate) unknown: Option<Error>,
}

/// The tokens of the organization's static roles of these names: one read each.
pub(crate) fn tokens(context: &Context<'_>, org_id: &OrgId, names: &[RoleName]) -> Result<Tokens, Error> {
    let mut tokens = Tokens::default();
    for names in names.chunks(STATIC_ROLES_READ_AT_ONCE) {
        let keys: Vec<String> = names.iter().map(|name| key::static_role(org_id, name)).collect();
        let reads = read_many(context.storage(), &keys)?;
        for (name, read) in names.iter().zip(reads) {
            match read.and_then(|found| found.map(|found| stored::decode_tokens(&found, org_id, name)).transpose()) {
                Ok(None) => {}
                Ok(Some(role)) => {
                    if role.is_dead {
                        tokens.dead.extend(role.client_id.clone());
                    }
                    let current = CurrentToken { name: name.clone(), in_time_for: role.in_time_for };
                    tokens.current.extend(role.client_id.map(|client_id| (client_id, current)));
                    tokens.replaced.extend(role.replaced.into_iter().map(|token| (token.client_id, token.ends)));
                }
                Err(error) => {
                    let fields = [("error", error.to_string())];
                    let fields = fields.each_ref().map(|(name, text)| (*name, text.as_str()));
                    events::STATIC_TOKENS_UNKNOWN.log(context, &fields);
                    tokens.unknown = Some(error);
                }
            }
        }
    }
    Ok(tokens)
}
