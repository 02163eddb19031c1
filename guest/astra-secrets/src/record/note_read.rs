//! The record of a read: no secret is shown again before the read is in the token's history.

use secrets_framework::Context;
use secrets_framework::Error;
use secrets_framework::host::LogLevel;

use super::Record;
use crate::history::Event;
use crate::storage::write_batch;

/// Records that a token's secret is about to be shown, unless the organization
/// wants no such records, and logs it. False if the token ended meanwhile: it
/// must not be shown. Takes the token's lock.
pub(crate) fn note_read(context: &Context<'_>, record_reads: bool, record: &Record) -> Result<bool, Error> {
    if record_reads {
        let _guard = super::lock(context, &record.id)?;
        let current = super::load(context, &record.id)?.filter(|current| current.client_id == record.client_id);
        let Some(mut current) = current else { return Ok(false) };
        let mut writes: Vec<_> = current.note(context, Event::Read).into_iter().collect();
        writes.push(super::write_of(&current)?);
        write_batch(context, &writes)?;
    }
    log_read(context, record);
    Ok(true)
}

fn log_read(context: &Context<'_>, record: &Record) {
    let identity = &context.request.identity;
    context.log(
        LogLevel::Info,
        "a token was read",
        &[
            ("org", record.org_id.as_str()),
            ("role", record.role_name.as_str()),
            ("client_id", &record.client_id),
            ("display_name", &identity.display_name),
            ("entity_id", &identity.entity_id),
            ("request_id", &context.request.id),
        ],
    );
}
