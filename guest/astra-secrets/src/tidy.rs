//! Comparing records with Astra's list.

use secrets_framework::Context;

use crate::agenda::{Due, drop_entry};
use crate::error::Failure;
use crate::names::OrgId;

/// Tidies the organization if its config confirms that it is due.
pub(crate) fn run_due(context: &Context<'_>, _org_id: &OrgId, due: &Due) -> Result<(), Failure> {
    Ok(drop_entry(context, due)?)
}
