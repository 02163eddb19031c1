//! What becomes of an admin token that leaves its config in another way than by
//! a rotation: one that this mount made is ended, an operator's is the operator's.

use secrets_framework::host::LockGuard;
use secrets_framework::{Context, Error};

use crate::config::OrgConfig;
use crate::in_use;
use crate::record::{self, Record, RecordId};
use crate::storage::{TokenRef, Write};

/// The changes that go with a config, and the lock under which they are made.
#[derive(Default)]
pub(crate) struct HandBack<'a> {
    /// To be written before the config.
    pub(crate) writes: Vec<Write>,
    /// The token that another one replaces, and when it ends.
    pub(crate) replaced: Option<(TokenRef, u64)>,
    _guard: Option<Box<dyn LockGuard + 'a>>,
}

/// `config` is about to become `after`, or to be deleted. A token of ours that
/// nobody holds then ends: after the grace period where another takes its
/// place, else as soon as nothing needs it.
pub(crate) fn hand_back<'a>(
    context: &Context<'a>,
    config: &OrgConfig,
    after: Option<&OrgConfig>,
) -> Result<HandBack<'a>, Error> {
    let stays = |after: &OrgConfig| after.admin_token.client_id() == config.admin_token.client_id();
    // A write that only repeats the client ID, which reads show, moves no token of ours to another place.
    let moves = |after: &OrgConfig| {
        after.url.origin() != config.url.origin() && after.admin_token.expose() == config.admin_token.expose()
    };
    if after.is_some_and(|after| stays(after) && !moves(after)) {
        return Ok(HandBack::default());
    }
    let Some(client_id) = config.admin_token.client_id() else { return Ok(HandBack::default()) };
    let id = RecordId::of_client(&client_id);
    let guard = record::lock(context, &id)?;
    let is_it = |record: &Record| record.org_id == config.org_id && in_use::is_made_here(record);
    // A record that cannot be read must not keep the config as it is: `check` names the record.
    let stored = record::load_own(context, &id)?.ok().flatten();
    let Some(mut record) = stored.filter(is_it) else { return Ok(HandBack::default()) };
    let now = context.now().as_secs();
    let mut replaced = None;
    let writes = match after {
        Some(after) if stays(after) => follow(&mut record, after)?,
        Some(_) => {
            let ends = now.saturating_add(config.rotation_grace_period().as_secs());
            replaced = Some((record.token_ref(), ends));
            record::writes_of_end(&mut record, ends)?
        }
        None => record::writes_of_end(&mut record, now)?,
    };
    Ok(HandBack { writes, replaced, _guard: Some(guard) })
}

/// A token that stays goes with its config to another origin, and is ended there.
fn follow(record: &mut Record, after: &OrgConfig) -> Result<Vec<Write>, Error> {
    record.origin = Some(after.url.origin().clone());
    Ok(vec![record::write_of(record)?])
}
