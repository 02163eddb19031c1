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
    let made = make(context, client, request, None)?;
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
    let candidate = with_token(config, made.token.expose());
    let client = client.proving(&candidate);
    let mut attempts = 0;
    loop {
        let error = match owner(&client) {
            Ok(Owner::ThisOrganization) => return Ok(()),
            Ok(Owner::Another) => {
                return Err(ClientError::Nonsense { reason: "the token that it made is another organization's" });
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

/// Whose a token is that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The organization of the config by which Astra was asked.
    ThisOrganization,
    /// Another one.
    Another,
}

/// Asks Astra once, with this token of `config`'s organization, whose it is. An error = the token does not work, or
/// nobody knows.
pub(crate) fn owner_of(client: &AstraClient<'_>, config: &OrgConfig, token: &str) -> Result<Owner, ClientError> {
    owner(&client.proving(&with_token(config, token)))
}

fn with_token(config: &OrgConfig, token: &str) -> OrgConfig {
    let mut candidate = OrgConfig::new(config.org_id.clone(), AdminToken::stored(token.to_owned()));
    candidate.url = config.url.clone();
    candidate
}

fn owner(client: &AstraClient<'_>) -> Result<Owner, ClientError> {
    let org_id = client.org_id().as_str();
    match client.current_org() {
        // Old mounts may know an organization by another name than Astra's UUID.
        Ok(owner) if owner.eq_ignore_ascii_case(org_id) || !is_uuid(org_id) => Ok(Owner::ThisOrganization),
        Ok(_) => Ok(Owner::Another),
        // Known, and only not allowed to ask this.
        Err(ClientError::Refused { status: 403, error_id }) if !error_id.is_some_and(is_about_the_token) => {
            Ok(Owner::ThisOrganization)
        }
        Err(error) => Err(error),
    }
}
