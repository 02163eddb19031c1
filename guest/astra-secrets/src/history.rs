//! What happened to a token, and who had it happen: mint, read, renew, rotate, revoke; at most [`HISTORY_EVENTS_MAX`]
//! events, of which the mint is told by the record.
//!
//! The record of a token holds its history. When the token ends, the record goes, and history and facts are kept for
//! [`HISTORY_KEPT`] in an entry of their own. A renewal or an end never fails for its history.
//!
//! [`HISTORY_EVENTS_MAX`]: crate::limits::HISTORY_EVENTS_MAX
//! [`HISTORY_KEPT`]: crate::limits::HISTORY_KEPT

mod forget;
mod stored;

use secrets_framework::{Context, Error};

use crate::who::Who;
pub(crate) use forget::{forget_at, keep_or_forget};
pub(crate) use stored::{Ended, Facts, Happened, History, Whereabouts, key, load};

use crate::names::{ClientId, OrgId};

/// What can happen to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It was made.
    Mint,
    /// Its secret was shown again.
    Read,
    /// Its lease goes on.
    Renew,
    /// Another took its place; it lives on for a grace period.
    Rotate,
    /// It was ended.
    Revoke,
}

/// How a token ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its lease was revoked, or ended and the server revoked it.
    Revoked,
    /// Somebody deleted it, or the static role that held it.
    Deleted,
    /// Its lease had ended, nobody had revoked it, and rollback did.
    LeaseEnded,
    /// Another had taken its place, and its grace period was over.
    Rotated,
    /// It was found gone from Astra, or left over, and tidied away.
    Tidied,
    /// Its making did not come to its end; nobody ever had it.
    Undone,
}

impl Event {
    /// Its word in storage and answers.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Mint => "mint",
            Self::Read => "read",
            Self::Renew => "renew",
            Self::Rotate => "rotate",
            Self::Revoke => "revoke",
        }
    }
}

impl End {
    /// Its word in storage and answers.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Deleted => "deleted",
            Self::LeaseEnded => "lease-ended",
            Self::Rotated => "rotated",
            Self::Tidied => "tidied",
            Self::Undone => "undone",
        }
    }
}

impl History {
    /// Notes an event that this request has made happen.
    pub(crate) fn note(&mut self, context: &Context<'_>, event: Event) {
        self.add([Happened::new(context.now().as_secs(), event, Who::of(context.request))]);
    }

    /// What a reader is told of a history that stands at `key` and lacks something.
    pub(crate) fn warning(&self, client_id: &ClientId, key: &str) -> Option<String> {
        (!self.damaged.is_empty()).then(|| {
            format!(
                "a part of the history of token `{client_id}` cannot be read and is not shown: it is kept in the mount's \
                 storage, at `{key}` under `damaged`"
            )
        })
    }
}

/// Is it on record that the token has ended in Astra?
pub(crate) fn has_ended(context: &Context<'_>, org_id: &OrgId, client_id: &ClientId) -> Result<bool, Error> {
    Ok(load(context, org_id, client_id)?.is_some_and(|history| history.ended.is_some()))
}

#[cfg(test)]
mod tests;
