//! Proof that a new token works, before anybody depends on it: a call with the
//! token itself.

use secrets_framework::{Context, Error};

use super::make::{MintRequest, MintedToken, make};
use super::settle::undo;
use crate::client::{AstraClient, ClientError, CreatedToken, is_about_the_token};
use crate::config::{AdminToken, OrgConfig};
use crate::names::is_uuid;
use crate::time_text;

/// Makes a token and proves that the token works. A token that does not work is taken back, and `not_proven` words the
/// error.
pub(crate) fn make_proven<'a>(
    context: &Context<'a>,
    client: &AstraClient<'_>,
    request: &MintRequest<'_>,
    not_proven: impl FnOnce(&ClientError) -> Error,
) -> Result<MintedToken<'a>, Error> {
    let made = make(context, client, request)?;
    match prove(context, client, request.config, &made.token) {
        Ok(()) => Ok(made),
        Err(error) => {
            undo(context, client, &made, None);
            Err(not_proven(&error))
        }
    }
}

/// Asks Astra, with the new token of `config`'s organization, whose it is. A
/// token that Astra does not know is tried again for a while: it may not be
/// known everywhere at once.
fn prove(
    context: &Context<'_>,
    client: &AstraClient<'_>,
    config: &OrgConfig,
    made: &CreatedToken,
) -> Result<(), ClientError> {
    let expiry = made.expires_at.as_deref().and_then(time_text::parse);
    if expiry.is_some_and(|expiry| expiry <= context.now()) {
        return Err(ClientError::Nonsense { reason: "it has expired already by what Astra says; compare the clocks" });
    }
    let mut candidate = OrgConfig::new(config.org_id.clone(), AdminToken::stored(made.token.expose().clone()));
    candidate.url = config.url.clone();
    let client = client.proving(&candidate);
    let mut attempts = 0;
    loop {
        let error = match client.current_org() {
            // Old mounts may know an organization by another name than Astra's UUID.
            Ok(owner) if owner.eq_ignore_ascii_case(config.org_id.as_str()) || !is_uuid(config.org_id.as_str()) => {
                return Ok(());
            }
            Ok(_) => return Err(ClientError::Nonsense { reason: "the token that it made is another organization's" }),
            // Known, and only not allowed to ask this.
            Err(ClientError::Refused { status: 403, error_id }) if !error_id.is_some_and(is_about_the_token) => {
                return Ok(());
            }
            Err(error) => error,
        };
        attempts += 1;
        let may_come = matches!(error, ClientError::Refused { .. } | ClientError::NotFound);
        if !(may_come && client.pause_before_repeating(&error, attempts)) {
            return Err(error);
        }
    }
}
