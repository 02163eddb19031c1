//! Whether Astra still has a token, by the list of the organization that made it.

use std::ops::ControlFlow;

use secrets_framework::Context;

use super::listed::{self, Listed, Lookup, TakenDown};
use crate::client::{AstraClient, ClientError, ScanEnd};
use crate::events;
use crate::lock::Lock;
use crate::names::is_uuid;

/// Answers whether a complete list of the client's own organization lacks the token. A list that was read a moment ago
/// for another token serves for this one, too.
pub(super) fn is_gone(
    context: &Context<'_>,
    client: &AstraClient<'_>,
    lookup: &Lookup<'_>,
) -> Result<bool, ClientError> {
    let was_not_listed = || Listed::load(context, client).is_some_and(|listed| listed.lacks(context, lookup));
    if was_not_listed() {
        return Ok(true);
    }
    // One of many that find nothing kept reads the list, and the others wait for what it keeps.
    let _turn = match Lock::ListedTokens(client.org_id(), &listed::key(client)).acquire(context) {
        Ok(turn) => turn,
        Err(error) => {
            let fields = [("org", client.org_id().as_str()), ("error", &error.to_string())];
            events::LIST_NOT_READ.log(context, &fields);
            return Err(ClientError::OutOfTime);
        }
    };
    if was_not_listed() {
        return Ok(true);
    }
    read_list(context, client, lookup)
}

fn read_list(context: &Context<'_>, client: &AstraClient<'_>, lookup: &Lookup<'_>) -> Result<bool, ClientError> {
    let mut taken_down = TakenDown::begin(context);
    let scanned = client.scan_tokens(&mut |token| {
        if token.client_id == *lookup.client_id {
            return ControlFlow::Break(());
        }
        taken_down.note(client, &token.client_id);
        ControlFlow::Continue(())
    })?;
    if scanned == ScanEnd::Stopped {
        return Ok(false);
    }
    // Old mounts may know an organization by another name than Astra's UUID.
    let org_id = client.org_id().as_str();
    let is_own = !is_uuid(org_id) || client.current_org()?.eq_ignore_ascii_case(org_id);
    if !is_own {
        return Ok(false);
    }
    let proves = taken_down.proves(context, lookup);
    taken_down.keep(context, client);
    Ok(proves)
}
