//! A mount that may only read from Astra, as on a copy of a server: what would change Astra is refused before any of
//! its work is done, and what rollback would do waits. The host enforces it, whatever is forgotten here.

use secrets_framework::host::LogLevel;
use secrets_framework::{Context, Error, wal};

use crate::agenda;
use crate::error::Failure;
use crate::limits::{AGENDA_PER_ROLLBACK_MAX, ENDED_PER_ROLLBACK_MAX, OPEN_INTENTS_MAX};
use crate::record;

/// May this mount only read from Astra?
pub(crate) fn is_read_only(context: &Context<'_>) -> bool {
    context.host.system_view().is_upstream_read_only()
}

/// Refuses what would change Astra, where this mount may only read from it. `refused` says what was not done.
pub(crate) fn check(context: &Context<'_>, refused: impl FnOnce() -> String) -> Result<(), Failure> {
    if is_read_only(context) { Err(failure(&refused())) } else { Ok(()) }
}

/// The failure of what was refused.
pub(crate) fn failure(refused: &str) -> Failure {
    Error::coded(503, format!("{refused}: {CAUSE}; {REMEDY}")).into()
}

/// What reads of the mount's state warn of; none where Astra may be changed.
pub(crate) fn warning(context: &Context<'_>) -> Option<String> {
    is_read_only(context)
        .then(|| format!("no token is made, rotated or revoked, and rollback keeps what is due: {CAUSE}; {REMEDY}"))
}

/// Why Astra may not be changed.
pub(crate) const CAUSE: &str = "this mount may only read from Astra (`--astra-read-only` in the plugin's registration, \
    or the mount option `upstream=read-only`)";

const REMEDY: &str = "unless this is a copy of a live server, remove that setting and reload the plugin";

/// What a rollback call would do in Astra stays as it is, and one line of the log says how much there is.
///
/// The server goes on and forgets the storage of a mount that is being disabled, whatever is left there: then
/// what is left is an error.
pub(crate) fn keep_due(context: &Context<'_>, immediate: bool) -> Result<(), Error> {
    let now = context.host.clock().now().as_secs();
    let entries = count(wal::ids(context, "", OPEN_INTENTS_MAX)?.len(), OPEN_INTENTS_MAX);
    let ended = count(record::ended(context, now, ENDED_PER_ROLLBACK_MAX)?.len(), ENDED_PER_ROLLBACK_MAX);
    let scheduled = count(agenda::due(context)?.len(), AGENDA_PER_ROLLBACK_MAX);
    if [&entries, &ended, &scheduled].iter().all(|count| *count == "0") {
        return Ok(());
    }
    if immediate {
        return Err(Error::coded(
            503,
            format!(
                "the mount is disabled and {entries} write-ahead entries and {ended} ended tokens are not settled, so \
                 that their tokens may live on in Astra: {CAUSE}"
            ),
        ));
    }
    let fields = [("write_ahead_entries", entries.as_str()), ("ended_tokens", &ended), ("scheduled_tasks", &scheduled)];
    context.host.log().log(LogLevel::Info, "rollback kept what is due, for Astra is read-only here", &fields);
    Ok(())
}

/// A count of what was looked at; more than that is not counted.
fn count(count: usize, looked_at_max: u32) -> String {
    if count >= looked_at_max as usize { format!("{count} or more") } else { count.to_string() }
}

#[cfg(test)]
mod tests;
