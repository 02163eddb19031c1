//! How the static roles of an organization stand, for who counts them.

use secrets_framework::{Context, Error};

use super::stored::decode;
use crate::limits::STATIC_ROLES_READ_AT_ONCE;
use crate::names::OrgId;
use crate::storage::{key, read_many};

/// How a static role stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// How many rotations failed in a row.
    pub(crate) failures: u32,
    /// Has its token ended in Astra?
    pub(crate) is_dead: bool,
}

/// The static roles of an organization that can be read, in few reads.
pub(crate) fn standings(context: &Context<'_>, org_id: &OrgId) -> Result<Vec<Standing>, Error> {
    let names = super::names(context.storage(), org_id)?;
    let mut standings = Vec::with_capacity(names.len());
    for names in names.chunks(STATIC_ROLES_READ_AT_ONCE) {
        let keys: Vec<String> = names.iter().map(|name| key::static_role(org_id, name)).collect();
        for (name, read) in names.iter().zip(read_many(context.storage(), &keys)?) {
            // `check` names one that cannot be read.
            if let Ok(Some(Ok(role))) = read.map(|found| found.map(|entry| decode(&entry, org_id, name))) {
                standings.push(Standing { failures: role.turn.failures, is_dead: role.token_dead });
            }
        }
    }
    Ok(standings)
}
