//! What is left behind when a mint fails, put right: a token that may have
//! been made is looked for by its mark, and one that is not wanted is deleted.
//! Whatever cannot be settled now keeps its write-ahead entry for rollback.

use secrets_framework::{Context, Error, wal};

use super::intent::Intent;
use super::make::MintedToken;
use crate::client::{AstraClient, ClientError};
use crate::events;
use crate::record::{self, Record};

/// What is known of a token whose making failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// It is not there, so it may be asked for again.
    NothingMade,
    /// It was there and is deleted, or nobody knows: not to be asked for again.
    MayHaveBeenMade,
}

/// Settles an attempt that failed with `error`.
pub(super) fn settle(
    context: &Context<'_>,
    client: &AstraClient<'_>,
    intent: &Intent<'_>,
    error: &ClientError,
) -> Settled {
    if !error.may_have_acted() {
        drop_entry(context, intent);
        return Settled::NothingMade;
    }
    client.use_time_to_settle();
    let Ok(made) = client.find_token(|token| token.has_mark(&intent.mark)) else {
        return left_to_rollback(context, client, intent);
    };
    match made {
        // Astra's list may lag, so the entry stays until a later list is clean.
        None => Settled::NothingMade,
        Some(token) => match client.delete_token(&token.client_id) {
            Ok(()) => {
                drop_entry(context, intent);
                Settled::MayHaveBeenMade
            }
            Err(_) => left_to_rollback(context, client, intent),
        },
    }
}

/// Takes back a token that was made whole but cannot be given out. `record` is
/// given when it, or a part of it, may have been stored.
pub(crate) fn undo(context: &Context<'_>, client: &AstraClient<'_>, made: &MintedToken<'_>, record: Option<&Record>) {
    client.use_time_to_settle();
    // The record before the token: once the token has gone from Astra's list, rollback finds neither by the mark.
    let removed = record.is_none_or(|record| remove_record(context, made, record).is_ok());
    if removed && client.delete_token(&made.token.client_id).is_ok() {
        drop_entry(context, &made.intent);
    } else {
        left_to_rollback(context, client, &made.intent);
    }
}

/// A commit that was answered as failed may have happened all the same, and with it the drop of the write-ahead entry. So
/// the entry is written again before the record goes: at no time is the token known by neither.
fn remove_record(context: &Context<'_>, made: &MintedToken<'_>, record: &Record) -> Result<(), Error> {
    made.intent.note_again(context)?;
    record::remove_if_same(context, record)
}

/// Why a token that was made did not take its place, where another stands that works.
pub(crate) struct SwitchError {
    failure: Error,
    may_be_stored: bool,
}

impl SwitchError {
    /// Storage failed while the token was stored: a commit that was not answered may still happen.
    pub(crate) fn perhaps(error: Error) -> Self {
        Self { failure: error, may_be_stored: true }
    }

    /// Takes back a token that certainly has not taken its place. Were one
    /// deleted that may have, its holder could be left with a dead one: in some
    /// minutes rollback sees by the write-ahead entry which of them is held.
    pub(crate) fn settle(self, context: &Context<'_>, client: &AstraClient<'_>, made: &MintedToken<'_>) -> Error {
        if self.may_be_stored {
            left_to_rollback(context, client, &made.intent);
        } else {
            undo(context, client, made, None);
        }
        self.failure
    }
}

/// What fails before the token is stored leaves nothing of it there.
impl<T: Into<Error>> From<T> for SwitchError {
    fn from(failure: T) -> Self {
        Self { failure: failure.into(), may_be_stored: false }
    }
}

/// An entry that cannot be dropped does no harm: rollback finds nothing to undo.
fn drop_entry(context: &Context<'_>, intent: &Intent<'_>) {
    if let Err(error) = wal::delete(context, &intent.wal_id) {
        let error = error.to_string();
        events::WRITE_AHEAD_ENTRY_LEFT.log(context, &[("error", &error)]);
    }
}

fn left_to_rollback(context: &Context<'_>, client: &AstraClient<'_>, intent: &Intent<'_>) -> Settled {
    events::TOKEN_MAY_BE_LEFT.log(context, &[("org", client.org_id().as_str()), ("mark", &intent.mark)]);
    Settled::MayHaveBeenMade
}
