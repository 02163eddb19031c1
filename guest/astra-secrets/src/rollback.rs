//! Undoes what a write-ahead entry says of a mint that did not come to its end: the token with the entry's mark, and the
//! token's record.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use secrets_framework::{Context, Error, Undo};
use serde_json::Value;

use crate::client::AstraClient;
use crate::ending::{Patience, config_for_ending};
use crate::events;
use crate::history::End;
use crate::in_use;
use crate::mint::{self, INTENT_KIND, IntentData};
use crate::names::{ClientId, OrgId, shown};
use crate::record::{self, Record};

/// Undoes one write-ahead entry. An entry of another kind may be of a newer version of this engine, which can undo it.
pub(crate) fn undo(context: &Context<'_>, kind: &str, data: &Value) -> Result<Undo, Error> {
    if kind != INTENT_KIND {
        return Ok(Undo::Impossible(format!(
            "this version of the engine knows no entries of the kind {}",
            shown(kind)
        )));
    }
    let Some(data) = IntentData::read(data) else {
        return Ok(Undo::Impossible("the data of the entry is not that of a mint".to_owned()));
    };
    undo_mint(context, &data)
}

/// Removes what a mint left: the token with its mark, and its record.
fn undo_mint(context: &Context<'_>, data: &IntentData) -> Result<Undo, Error> {
    // A mint that is still going on holds this lock, and settles itself.
    let _guard = mint::lock(context, &data.mark)?;
    let org_id = data.org_id();
    let origin = data.origin();
    let config = match config_for_ending(context, &org_id, Some(&origin)) {
        // Until somebody writes that config, no call can undo the entry, and none fails for it.
        Err(Error::BadRequest(reason)) => return Ok(Undo::Impossible(reason)),
        config => config?,
    };
    let client = Patience::Rollback.client(context, &config);
    let mut marked = BTreeSet::new();
    let mut is_whole = false;
    let scanned = client.scan_tokens(&mut |token| {
        is_whole |= client.asks_with(&token.client_id);
        if token.has_mark(&data.mark) {
            marked.insert(token.client_id);
        }
        ControlFlow::Continue(())
    });
    scanned.map_err(|error| client.failure(&error))?;
    if marked.is_empty() {
        check_nothing_is_left(&client, is_whole)?;
    }
    for client_id in &marked {
        remove_marked(context, &client, data, client_id)?;
    }
    remove_record_without_token(context, data)?;
    Ok(Undo::Done)
}

/// Fails unless a list without the mark proves that there is no token: the entry is the last trace of one, and the config
/// may hold another organization's admin token since the mint.
fn check_nothing_is_left(client: &AstraClient<'_>, is_whole: bool) -> Result<(), Error> {
    if !is_whole {
        return Err(Error::coded(
            502,
            format!(
                "Astra's list of the tokens of organization `{}` does not show the admin token that asked for it, so a \
                 token that a failed mint left may be missing, too: the next rollback looks again",
                client.org_id()
            ),
        ));
    }
    client.check_organization()
}

fn remove_marked(
    context: &Context<'_>,
    client: &AstraClient<'_>,
    data: &IntentData,
    client_id: &ClientId,
) -> Result<(), Error> {
    let org_id = client.org_id();
    // What bears a mark of ours is in the index from the start.
    let found = record::find_indexed(context, org_id, client_id)?;
    let _guard = found.as_ref().map(|record| record::lock(context, &record.id)).transpose()?;
    // Again, now that nobody else changes it.
    let current = found.map(|record| record::load(context, &record.id)).transpose()?.flatten();
    let record = current.filter(|record| record.client_id == *client_id);
    // The mint came to its end while we waited for the lock: the token is given out.
    if record.is_some() && !mint::is_open(context, &data.org_id(), &data.mark)? {
        return Ok(());
    }
    // All was stored but that the entry is dropped: a server without transactions died in between.
    if is_held(context, org_id, client_id, record.as_ref())? {
        return Ok(());
    }
    client.delete_token(client_id).map_err(|error| client.failure(&error))?;
    if let Some(record) = &record {
        record::remove(context, record, End::Undone)?;
    }
    let fields = [("org", org_id.as_str()), ("client_id", client_id), ("mark", &data.mark)];
    events::UNFINISHED_TOKEN_REMOVED.log(context, &fields);
    Ok(())
}

fn is_held(
    context: &Context<'_>,
    org_id: &OrgId,
    client_id: &ClientId,
    record: Option<&Record>,
) -> Result<bool, Error> {
    match record {
        // It was held, and lives on until the end that its holder then gave it.
        Some(record) if record.kind.is_replaceable() && record.lease_end.is_some() => Ok(true),
        Some(record) => in_use::is_held(context, record),
        None => in_use::is_admin_token(context, org_id, client_id),
    }
}

/// The token has gone, but its record may have stayed and would hold its
/// logical name: a server without transactions died in between.
fn remove_record_without_token(context: &Context<'_>, data: &IntentData) -> Result<(), Error> {
    let Some(id) = data.record_id() else { return Ok(()) };
    let _guard = record::lock(context, &id)?;
    let record = record::load(context, &id)?.filter(|record| record.mark == data.mark);
    match record {
        Some(record) if in_use::is_held(context, &record)? => Ok(()),
        Some(record) if mint::is_open(context, &data.org_id(), &data.mark)? => {
            Ok(record::remove(context, &record, End::Undone)?)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
