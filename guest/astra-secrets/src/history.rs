//! What happened to a token, and who had it happen: mint, read, renew, rotate, revoke; at most [`HISTORY_EVENTS_MAX`]
//! events, of which the mint is told by the record.
//!
//! The record of a token holds its history. When the token ends, the record goes, and history and facts are kept for
//! [`HISTORY_KEPT`] in an entry of their own. A renewal or an end never fails for its history.
//!
//! [`HISTORY_EVENTS_MAX`]: crate::limits::HISTORY_EVENTS_MAX
//! [`HISTORY_KEPT`]: crate::limits::HISTORY_KEPT

mod forget;
mod quarantine;
mod stored;

use secrets_framework::{Context, Error};

use crate::who::Who;
pub(crate) use forget::{Keeping, forget_at, keep_or_forget};
pub(crate) use quarantine::warning;
pub(crate) use stored::{Ended, Facts, Happened, History, Whereabouts, key, load};

use crate::names::OrgId;
use crate::storage::Write;

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
    /// Notes an event that this request has made happen. A change that is answered comes before the one that stores the
    /// history.
    pub(crate) fn note(
        &mut self,
        context: &Context<'_>,
        org_id: &OrgId,
        client_id: &str,
        event: Event,
    ) -> Option<Write> {
        let happened = Happened::new(context.now().as_secs(), event, Who::of(context.request));
        self.add(context, org_id, client_id, vec![happened])
    }

    /// Adds events of this or earlier requests; when the history is full, the oldest go. As [`Self::note`].
    pub(crate) fn add(
        &mut self,
        context: &Context<'_>,
        org_id: &OrgId,
        client_id: &str,
        events: Vec<Happened>,
    ) -> Option<Write> {
        let quarantined = quarantine::quarantine(context, org_id, client_id, self);
        self.events.extend(events);
        self.keep_latest();
        quarantined
    }

    /// Notes the end of the token, which had these facts. As [`Self::note`].
    pub(crate) fn end(
        &mut self,
        context: &Context<'_>,
        org_id: &OrgId,
        client_id: &str,
        ended: Ended,
    ) -> Option<Write> {
        let quarantined = self.note(context, org_id, client_id, Event::Revoke);
        self.ended = Some(ended);
        quarantined
    }
}

/// Is it on record that the token has ended in Astra?
pub(crate) fn has_ended(context: &Context<'_>, org_id: &OrgId, client_id: &str) -> Result<bool, Error> {
    Ok(load(context, org_id, client_id)?.is_some_and(|history| history.ended.is_some()))
}

#[cfg(test)]
mod tests;
