//! Asking Astra whose token it is, before it is stored. Only a definite no is
//! a no: an Astra that cannot be reached must not keep an operator from
//! configuring it.

use secrets_framework::Context;

use crate::client::{Access, AstraClient, ClientError};
use crate::config::{AdminToken, ApiUrl};
use crate::error::{Failure, Outcome};
use crate::limits::VERIFY_TIMEOUT;
use crate::names::{OrgId, shown};

/// Checks that `token` is one of `org_id`. What it answers is a warning: Astra
/// could not be asked.
pub(super) fn verify(
    context: &Context<'_>,
    org_id: &OrgId,
    url: &ApiUrl,
    token: &AdminToken,
) -> Result<Option<String>, Failure> {
    let access = Access {
        org_id,
        origin: url.origin().as_str(),
        admin_token: token.as_sensitive(),
        request_timeout: VERIFY_TIMEOUT,
        retries_max: 0,
    };
    match AstraClient::new(context.host, access).current_org() {
        Ok(owner) if owner == org_id.as_str() => Ok(None),
        Ok(owner) => Err(Failure::mistake(format!(
            "`astra_token` belongs to the organization {}, not to `{org_id}`; nothing was stored",
            shown(&owner)
        ))),
        Err(ClientError::Refused { status, .. }) => Err(Failure::mistake(format!(
            "`astra_token` was refused by `{url}` with status {status}; nothing was stored. \
             Give a token of organization `{org_id}` that is alive, or `verify=false` to store it all the same"
        ))),
        Err(ClientError::Denied { sentence }) => {
            Err(Failure::mistake(format!("`url` is `{url}`: {sentence}; nothing was stored")))
        }
        // Nobody answered, or somebody who is not Astra, or who has trouble of its own.
        Err(error) => Ok(Some(format!(
            "the token was stored unchecked, for `{url}` could not say whose it is: {error}"
        ))),
    }
}
