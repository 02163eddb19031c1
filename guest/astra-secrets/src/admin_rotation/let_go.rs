//! What becomes of an admin token that leaves its config in another way than by
//! a rotation: one that this mount made is ended, an operator's is the operator's.

use secrets_framework::host::LockGuard;
use secrets_framework::{Context, Error};

use crate::config::{OrgConfig, Write};
use crate::error::Failure;
use crate::holder;
use crate::lease::lock_token;
use crate::record::{self, Record};

/// The changes that go with a config, and the lock under which they are made.
#[derive(Default)]
pub(crate) struct LetGo<'a> {
    /// To be written before the config.
    pub(crate) writes: Vec<Write>,
    _guard: Option<Box<dyn LockGuard + 'a>>,
}

/// `config` is about to become `after`, or to be deleted. A token of ours that
/// nobody holds then ends: after the grace period where another takes its
/// place, else as soon as nothing needs it.
pub(crate) fn let_go<'a>(
    context: &Context<'a>,
    config: &OrgConfig,
    after: Option<&OrgConfig>,
) -> Result<LetGo<'a>, Failure> {
    let Some(found) = record_of(context, config)?.filter(holder::is_made_here) else { return Ok(LetGo::default()) };
    let guard = lock_token(context, &found.id)?;
    let Some(mut record) = record::load(context, &found.id)? else { return Ok(LetGo::default()) };
    let now = context.host.clock().now().as_secs();
    let stays = after.is_some_and(|after| after.admin_token.client_id() == Some(record.client_id.as_str()));
    let writes = match after {
        Some(after) if stays => follow(&mut record, after)?,
        Some(_) => record::writes_of_end(&mut record, now.saturating_add(config.rotation_grace_period().as_secs()))?,
        None => record::writes_of_end(&mut record, now)?,
    };
    Ok(LetGo { writes, _guard: Some(guard) })
}

/// The record of a config's admin token, if it has one.
pub(super) fn record_of(context: &Context<'_>, config: &OrgConfig) -> Result<Option<Record>, Error> {
    match config.admin_token.client_id() {
        Some(client_id) => record::find(context, &config.org_id, client_id),
        None => Ok(None),
    }
}

/// A token that stays goes with its config to another origin, and is ended there.
fn follow(record: &mut Record, after: &OrgConfig) -> Result<Vec<Write>, Error> {
    if record.origin.as_ref() == Some(after.url.origin()) {
        return Ok(Vec::new());
    }
    record.origin = Some(after.url.origin().clone());
    Ok(vec![record::write_of(record)?])
}
