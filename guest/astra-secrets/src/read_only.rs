//! A mount that may only read from Astra, as on a copy of a server: what would change Astra is refused before any of
//! its work is done, and what rollback would do waits. The host enforces it, whatever is forgotten here.

use secrets_framework::{Context, Error};

/// May this mount only read from Astra?
pub(crate) fn is_read_only(context: &Context<'_>) -> bool {
    context.host.system_view().is_upstream_read_only()
}

/// Refuses what would change Astra, where this mount may only read from it. `refused` says what was not done.
pub(crate) fn check(context: &Context<'_>, refused: impl FnOnce() -> String) -> Result<(), Error> {
    if is_read_only(context) { Err(failure(&refused())) } else { Ok(()) }
}

/// The failure of what was refused.
pub(crate) fn failure(refused: &str) -> Error {
    Error::coded(503, format!("{refused}: {CAUSE}; {REMEDY}"))
}

/// What reads of the mount's state warn of; none where Astra may be changed.
pub(crate) fn warning(context: &Context<'_>) -> Option<String> {
    is_read_only(context)
        .then(|| format!("no token is made, rotated or revoked, and rollback keeps what is due: {CAUSE}; {REMEDY}"))
}

/// Why Astra may not be changed.
pub(crate) const CAUSE: &str = "this mount may only read from Astra (`--astra-read-only` in the plugin's registration, \
    or the mount option `upstream=read-only`)";

/// What lets the mount change Astra again.
pub(crate) const REMEDY: &str = "unless this is a copy of a live server, remove that setting and reload the plugin";

#[cfg(test)]
mod tests;
