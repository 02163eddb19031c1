//! Asking Astra whose token it is, before it is stored. Only a definite no is
//! a no: an Astra that cannot be reached must not keep an operator from
//! configuring it.

use secrets_framework::Context;
use secrets_framework::Error;

use crate::client::{AstraClient, ClientError};
use crate::config::OrgConfig;
use crate::limits::VERIFY_TIMEOUT;
use crate::names::{is_uuid, shown};
use crate::read_only;

/// Checks that the token of `candidate`, which is about to be stored, is one
/// of its organization. What it answers is a warning: Astra did not say.
pub(super) fn verify(context: &Context<'_>, candidate: &OrgConfig, is_new: bool) -> Result<Option<String>, Error> {
    let OrgConfig { org_id, url, .. } = candidate;
    read_only::check(context, || {
        format!(
            "`astra_token` of organization `{org_id}` was not checked, and nothing was stored; `verify=false` stores it unchecked"
        )
    })?;
    let client = AstraClient::with_bounds(context.host, candidate, VERIFY_TIMEOUT, 0);
    match client.current_org() {
        Ok(owner) if owner.eq_ignore_ascii_case(org_id.as_str()) => Ok(None),
        // An old mount may know an organization by another name than Astra's UUID.
        Ok(owner) if !is_new && !is_uuid(org_id.as_str()) => Ok(Some(format!(
            "the token belongs to the organization {}, which this mount knows as `{org_id}`",
            shown(&owner)
        ))),
        Ok(owner) => Err(Error::mistake(format!(
            "`astra_token` belongs to the organization {}, not to `{org_id}`; nothing was stored",
            shown(&owner)
        ))),
        Err(ClientError::Refused { status, .. }) => Err(Error::mistake(format!(
            "`astra_token` was refused by `{url}` with status {status}, so nothing was stored: give a token of \
             organization `{org_id}` that is alive, or `verify=false` to store it all the same"
        ))),
        Err(ClientError::Denied { sentence }) => {
            Err(Error::mistake(format!("`url` is `{url}`: {sentence}; nothing was stored")))
        }
        // Nobody answered, or somebody who is not Astra, or who has trouble of its own.
        Err(error) => {
            let told = client.failure(&error);
            Ok(Some(format!("the token was stored unchecked, for `{url}` could not say whose it is: {told}")))
        }
    }
}
