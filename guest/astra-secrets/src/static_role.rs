//! Static roles: named long-lived credentials that rotate themselves.

use secrets_framework::{Context, Error};

use crate::agenda::{Due, drop_entry};
use crate::error::Failure;
use crate::names::OrgId;

/// Rotates the token if its static role confirms that it is due.
pub(crate) fn run_due(context: &Context<'_>, _org_id: &OrgId, _name: &str, due: &Due) -> Result<(), Failure> {
    Ok(drop_entry(context, due)?)
}

/// Is this the current token of the static role?
pub(crate) fn is_current(
    _context: &Context<'_>,
    _org_id: &OrgId,
    _name: &str,
    _client_id: &str,
) -> Result<bool, Error> {
    Ok(false)
}
