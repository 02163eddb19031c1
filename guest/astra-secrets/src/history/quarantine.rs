//! Histories that cannot be read: damaged, or of a form that a newer version
//! gave them. They may say who had a token's secret, so before the next event is
//! noted their bytes go to `history-unreadable/<organization>/<client id>/<seconds>`,
//! from where an operator, or the version that wrote them, can have them back.
//! They are forgotten with the history that takes their place.

use secrets_framework::host::{LogLevel, StorageEntry};
use secrets_framework::{Context, Error};

use super::stored::History;
use crate::limits::LIST_PAGE;
use crate::names::OrgId;
use crate::storage::Write;
use crate::storage::key::{HISTORY_UNREADABLE_PREFIX, segment};

/// Makes a history that cannot be read an empty one; the change that keeps its bytes, which comes first.
pub(super) fn quarantine(
    context: &Context<'_>,
    org_id: &OrgId,
    client_id: &str,
    history: &mut History,
) -> Option<Write> {
    let value = history.unreadable.take()?;
    history.set_aside = context.now().as_secs();
    let key = key(org_id, client_id, history.set_aside);
    context.log(
        LogLevel::Error,
        "a token's history that is not readable is set aside, and another begun: to have it back, read this key",
        &[("org", org_id.as_str()), ("client_id", client_id), ("key", &key)],
    );
    Some(Write::Put(StorageEntry { key, value, seal_wrap: false }))
}

/// The changes that forget what was set aside.
pub(super) fn forget(
    context: &Context<'_>,
    org_id: &OrgId,
    client_id: &str,
    history: &History,
) -> Result<Vec<Write>, Error> {
    if history.set_aside == 0 {
        return Ok(Vec::new());
    }
    let folder = folder(org_id, client_id);
    let names = context.storage().list_page(&folder, "", LIST_PAGE)?;
    Ok(names.into_iter().map(|name| Write::Delete(format!("{folder}{name}"))).collect())
}

/// What a reader of a history is told that lacks something.
pub(crate) fn warning(org_id: &OrgId, client_id: &str, history: &History) -> Option<String> {
    if history.unreadable.is_some() {
        return Some(format!(
            "the history of token `{client_id}` cannot be read, so what happened to it is not shown: it stays in the \
             mount's storage, in the token's record or, of a token that has ended, at `{}`",
            super::key(org_id, client_id)
        ));
    }
    (history.set_aside != 0).then(|| {
        format!(
            "a part of the history of token `{client_id}` could not be read and is not shown: it is kept in the mount's \
             storage, at `{}`",
            key(org_id, client_id, history.set_aside)
        )
    })
}

fn key(org_id: &OrgId, client_id: &str, at: u64) -> String {
    format!("{}{at}", folder(org_id, client_id))
}

fn folder(org_id: &OrgId, client_id: &str) -> String {
    format!("{HISTORY_UNREADABLE_PREFIX}{}/{}/", segment(org_id.as_str()), segment(client_id))
}
