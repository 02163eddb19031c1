//! Whether Astra still has a token, by the list of the organization that made it.

use secrets_framework::Context;

use crate::client::{AstraClient, ClientError};
use crate::names::is_uuid;

/// Answers whether a complete list of the client's own organization lacks the token.
pub(super) fn is_gone(context: &Context<'_>, client: &AstraClient<'_>, client_id: &str) -> Result<bool, ClientError> {
    if client.find_token(|token| token.client_id == client_id)?.is_some() {
        return Ok(false);
    }
    // Old mounts may know an organization by another name than Astra's UUID.
    let org_id = client.org_id().as_str();
    Ok(!is_uuid(org_id) || client.current_org()?.eq_ignore_ascii_case(org_id))
}
