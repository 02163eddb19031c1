//! The record of a static role's token, and what stands in for a record that was lost.

use secrets_framework::{Context, Error};

use super::StaticRole;
use crate::events;
use crate::record::{self, Record, RecordId, TokenKind};

/// The record of the role's current token; none if it has none yet, or somebody took it away.
pub(crate) fn current_record(context: &Context<'_>, role: &StaticRole) -> Result<Option<Record>, Error> {
    if role.client_id.is_empty() {
        return Ok(None);
    }
    let record = load_token(context, &RecordId::of_client(&role.client_id))?;
    Ok(record.filter(|record| record.org_id == role.org_id && record.client_id == role.client_id))
}

/// Loads the record of a static role's token. One that is not readable is as good as lost: the role itself knows the
/// token, and what it writes of it takes the record's place.
pub(crate) fn load_token(context: &Context<'_>, id: &RecordId) -> Result<Option<Record>, Error> {
    match record::load(context, id) {
        Err(Error::Internal(error)) => {
            let fields = [("key", id.key()), ("error", error)];
            let fields = fields.each_ref().map(|(name, text)| (*name, text.as_str()));
            events::STATIC_RECORD_UNREADABLE.log(context, &fields);
            Ok(None)
        }
        record => record,
    }
}

/// Of the role's current token what the role knows. Where it was made is not known.
pub(crate) fn lost_record(role: &StaticRole) -> Record {
    Record {
        role_name: role.name.clone(),
        kind: TokenKind::Static,
        created_by: role.created_by.clone(),
        made: Some(role.last_rotated),
        ..Record::new(role.org_id.clone(), &role.client_id)
    }
}
