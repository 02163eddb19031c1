//! The record of a static role's token, and what stands in for a record that was lost.

use secrets_framework::{Context, Error};

use super::StaticRole;
use crate::events;
use crate::names::ClientId;
use crate::record::{self, Record, RecordId, TokenKind};

/// The record of the role's current token; none if it has none yet, or somebody took it away.
pub(crate) fn current_record(context: &Context<'_>, role: &StaticRole) -> Result<Option<Record>, Error> {
    let Some(client_id) = &role.client_id else { return Ok(None) };
    let record = load_token(context, &RecordId::of_client(client_id))?;
    Ok(record.filter(|record| record.org_id == role.org_id && record.client_id == *client_id))
}

/// Loads the record of a static role's token. One that is not readable is as good as lost: the role itself knows the
/// token, and what it writes of it takes the record's place.
pub(crate) fn load_token(context: &Context<'_>, id: &RecordId) -> Result<Option<Record>, Error> {
    match record::load(context, id) {
        Err(Error::Internal(error)) => {
            log_unreadable(context, id, &error);
            Ok(None)
        }
        record => record,
    }
}

/// Logs that the record of a static role's token cannot be read.
pub(crate) fn log_unreadable(context: &Context<'_>, id: &RecordId, error: &str) {
    events::STATIC_RECORD_UNREADABLE.log(context, &[("key", &id.key()), ("error", error)]);
}

/// What the role knows of its current token, `client_id`, whose record was lost. Where it was made is not known.
pub(crate) fn lost_record(role: &StaticRole, client_id: &ClientId) -> Record {
    Record {
        role_name: role.name.clone(),
        kind: TokenKind::Static,
        created_by: role.created_by.clone(),
        made: Some(role.last_rotated),
        ..Record::new(role.org_id.clone(), client_id)
    }
}
