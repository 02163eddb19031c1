//! The server's answers to storage and system view calls.

use std::time::Duration;

use envelope::{Entity, ReplicationState, StorageEntry, StorageError, SystemViewError};
use tonic::Status;

use crate::wire::{logical, pb};

/// The server's text if a node cannot write (`sdk/logical/storage.go`).
const READ_ONLY: &str = "cannot write to readonly storage";
/// The server's text if a mount that is being set up writes.
const SETUP_READ_ONLY: &str = "cannot write to storage during setup";
/// A part of OpenBao's text for a transaction that lost (`sdk/physical/transactions.go`).
const CONFLICT: &str = "transaction commit failed";

/// Bits of the replication state (`sdk/helper/consts/replication.go`).
const PERFORMANCE_SECONDARY: i32 = 1 << 6;
const DR_SECONDARY: i32 = 1 << 9;
const PERFORMANCE_STANDBY: i32 = 1 << 14;

/// The outcome of a storage call, by the `err` of its reply: an empty text is success.
pub(crate) fn storage_outcome(text: String) -> Result<(), StorageError> {
    if text.is_empty() { Ok(()) } else { Err(storage_error(text)) }
}

/// The error of a storage call without a reply, from the server's gRPC or from the transport.
pub(crate) fn storage_status(status: &Status) -> StorageError {
    match storage_error(status.message().to_owned()) {
        StorageError::Failed(_) => StorageError::Failed(status_text("storage call failed", status)),
        known => known,
    }
}

fn storage_error(text: String) -> StorageError {
    if text.contains(READ_ONLY) || text.contains(SETUP_READ_ONLY) {
        StorageError::ReadOnly(text)
    } else if text.contains(CONFLICT) {
        StorageError::Conflict(text)
    } else {
        StorageError::Failed(text)
    }
}

/// The outcome of a system view call, by the `err` of its reply: an empty text is success.
pub(crate) fn system_view_outcome(text: String) -> Result<(), SystemViewError> {
    if text.is_empty() { Ok(()) } else { Err(SystemViewError::Failed(text)) }
}

/// A text that says what failed, with the server's message or else the name of the gRPC code.
pub(crate) fn status_text(what: &str, status: &Status) -> String {
    match status.message() {
        "" => format!("{what}: {}", status.code().description()),
        message => format!("{what}: {message}"),
    }
}

pub(crate) fn storage_entry_from_pb(entry: pb::StorageEntry) -> StorageEntry {
    StorageEntry { key: entry.key, value: entry.value, seal_wrap: entry.seal_wrap }
}

pub(crate) fn storage_entry_into_pb(entry: StorageEntry) -> pb::StorageEntry {
    pb::StorageEntry { key: entry.key, value: entry.value, seal_wrap: entry.seal_wrap }
}

pub(crate) fn ttl_from_pb(nanos: i64) -> Result<Duration, SystemViewError> {
    let nanos = u64::try_from(nanos)
        .map_err(|_| SystemViewError::Failed(format!("the server answered with a negative TTL of {nanos} ns")))?;
    Ok(Duration::from_nanos(nanos))
}

pub(crate) fn replication_state_from_pb(state: i32) -> ReplicationState {
    ReplicationState {
        performance_secondary: state & PERFORMANCE_SECONDARY != 0,
        performance_standby: state & PERFORMANCE_STANDBY != 0,
        dr_secondary: state & DR_SECONDARY != 0,
    }
}

/// The server's version, such as `2.7.2`, with `-prerelease` and `+metadata` if the server has them.
pub(crate) fn server_version_from_pb(
    environment: Option<logical::PluginEnvironment>,
) -> Result<String, SystemViewError> {
    let environment = environment
        .filter(|environment| !environment.vault_version.is_empty())
        .ok_or_else(|| SystemViewError::Failed("the server answered without its version".into()))?;
    let mut version = environment.vault_version;
    for (mark, part) in [('-', environment.vault_version_prerelease), ('+', environment.vault_version_metadata)] {
        if !part.is_empty() {
            version.push(mark);
            version.push_str(&part);
        }
    }
    Ok(version)
}

pub(crate) fn entity_from_pb(entity: logical::Entity) -> Entity {
    Entity { id: entity.id, name: entity.name, metadata: entity.metadata }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_text_decides_the_kind_of_error_and_stays_unchanged() {
        let read_only = "failed: cannot write to readonly storage".to_owned();
        let conflict = "[3] gets had different structure: transaction commit failed".to_owned();
        let other = "no space left".to_owned();
        assert_eq!(storage_outcome(String::new()), Ok(()));
        let setup = SETUP_READ_ONLY.to_owned();
        assert_eq!(storage_outcome(setup.clone()), Err(StorageError::ReadOnly(setup)));
        assert_eq!(storage_outcome(read_only.clone()), Err(StorageError::ReadOnly(read_only.clone())));
        assert_eq!(storage_outcome(conflict.clone()), Err(StorageError::Conflict(conflict)));
        assert_eq!(storage_outcome(other.clone()), Err(StorageError::Failed(other)));
        assert_eq!(storage_status(&Status::unknown(read_only.clone())), StorageError::ReadOnly(read_only));
        let failed = StorageError::Failed("storage call failed: missing storage implementation".into());
        assert_eq!(storage_status(&Status::unknown("missing storage implementation")), failed);
        assert_eq!(system_view_outcome("x".into()), Err(SystemViewError::Failed("x".into())));
    }

    #[test]
    fn each_replication_bit_has_its_field() {
        let state = |bits: i32| {
            let state = replication_state_from_pb(bits);
            (state.performance_secondary, state.performance_standby, state.dr_secondary)
        };
        assert_eq!(state(0), (false, false, false));
        assert_eq!(state(64), (true, false, false));
        assert_eq!(state(16384 | 64), (true, true, false));
        assert_eq!(state(512), (false, false, true));
        assert_eq!(state(-1), (true, true, true));
    }

    #[test]
    fn the_servers_version_is_semantic() {
        let version = |version: &str, prerelease: &str, metadata: &str| {
            server_version_from_pb(Some(logical::PluginEnvironment {
                vault_version: version.into(),
                vault_version_prerelease: prerelease.into(),
                vault_version_metadata: metadata.into(),
            }))
        };
        assert_eq!(version("2.7.2", "", ""), Ok("2.7.2".into()));
        assert_eq!(version("1.20.0", "beta1", "ent"), Ok("1.20.0-beta1+ent".into()));
        assert!(version("", "", "").is_err() && server_version_from_pb(None).is_err());
    }

    #[test]
    fn negative_ttls_are_refused() {
        assert_eq!(ttl_from_pb(2_764_800_000_000_000), Ok(Duration::from_secs(2_764_800)));
        assert!(ttl_from_pb(-1).is_err());
    }
}
