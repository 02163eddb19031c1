//! A mount that the server is removing. A disable that fails leaves the mount tainted for good: the server lets only
//! revocations and rollback calls through, so no text may lead to a path of the mount.

use secrets_framework::host::Host;

use crate::mark;

/// What ends the tokens of a tainted mount if the cause of the failure passes.
pub(crate) const REPEAT: &str = "repeat `vault secrets disable` later";

/// Is the server removing the mount? The question is a call to the server, so only errors ask.
pub(crate) fn is_tainted(host: &dyn Host) -> bool {
    // A server that does not answer gets the ordinary text.
    host.system_view().is_tainted().unwrap_or(false)
}

/// The next step of an error: `write`, which leads to a path of the mount, unless the mount is tainted.
pub(crate) fn next_step(host: &dyn Host, write: impl Into<String>) -> String {
    if is_tainted(host) { give_up(host) } else { write.into() }
}

/// What is left to do if the tokens of a tainted mount cannot be ended through the mount.
pub(crate) fn give_up(host: &dyn Host) -> String {
    let mark = mark::start_of_mount(&host.system_view().backend_uuid());
    format!(
        "the mount is being removed, and the server has closed its paths for good: run `vault lease revoke -force \
         -prefix` and then `vault secrets disable` with the path of the mount, and delete in Astra's portal the tokens \
         whose description contains `{mark}`"
    )
}

#[cfg(test)]
mod tests;
