//! What happened to a token, and who had it happen.

use secrets_framework::Context;

use crate::agenda::{Due, drop_entry};
use crate::error::Failure;
use crate::names::OrgId;

/// Forgets the history of a token if it confirms that it is due.
pub(crate) fn run_due(context: &Context<'_>, _org_id: &OrgId, _client_id: &str, due: &Due) -> Result<(), Failure> {
    Ok(drop_entry(context, due)?)
}
