//! Write-ahead entries: what may have to be undone, written before the outside
//! world is changed. Key `wal/<uuid>`, value `{"type","data","created_at"}`:
//! the form of the server's own framework (`sdk/framework/wal.go`).

use serde_json::Value;

use crate::{Context, Error};

/// Names one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalId(String);

/// One entry, as rollback and checks see it.
#[derive(Clone, Debug, PartialEq)]
pub struct WalEntry {
    /// What it undoes: the engine's own word.
    pub kind: String,
    /// What it needs for that.
    pub data: Value,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub created_at: u64,
}

/// Writes an entry, seal-wrapped.
pub fn put(context: &Context<'_>, kind: &str, data: Value) -> Result<WalId, Error> {
    let _ = (context, kind, data);
    unimplemented!()
}

/// Drops an entry.
pub fn delete(context: &Context<'_>, id: &WalId) -> Result<(), Error> {
    let _ = (context, id);
    unimplemented!()
}

/// The key of an entry, for dropping it within a transaction.
pub fn key(id: &WalId) -> String {
    format!("wal/{}", id.0)
}

/// All entries, at most `limit` after the name `after`, for rollback and checks.
pub fn page(context: &Context<'_>, after: &str, limit: u32) -> Result<Vec<(WalId, WalEntry)>, Error> {
    let _ = (context, after, limit);
    unimplemented!()
}
