//! Who holds a token that has no lease: an organization's config its admin
//! token, a static role its current one. A token that is held is in use, and
//! nothing that cleans up may end it; the holder alone lets it go.

use secrets_framework::{Context, Error};

use crate::config;
use crate::names::OrgId;
use crate::record::{Record, TokenKind};
use crate::static_role;

/// Is the record's token held now?
pub(crate) fn is_held(context: &Context<'_>, record: &Record) -> Result<bool, Error> {
    match record.kind {
        TokenKind::Admin => is_admin_token(context, &record.org_id, &record.client_id),
        TokenKind::Static => {
            static_role::is_current(context, &record.org_id, record.role_name.as_str(), &record.client_id)
        }
        TokenKind::Standard | TokenKind::Sidecar | TokenKind::Creds => Ok(false),
    }
}

/// Is it the token by which the organization is configured?
pub(crate) fn is_admin_token(context: &Context<'_>, org_id: &OrgId, client_id: &str) -> Result<bool, Error> {
    let config = config::load(context, org_id)?;
    Ok(config.is_some_and(|config| config.admin_token.client_id() == Some(client_id)))
}
