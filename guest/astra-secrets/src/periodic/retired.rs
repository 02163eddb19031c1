//! Retired configs in each rollback call: those that nothing needs any more are
//! forgotten, and those that are damaged are logged, once.

use secrets_framework::passed_over::{self, PassedOver};
use secrets_framework::turns::random_below;
use secrets_framework::{Context, Error};

use crate::config::{self, Retired};
use crate::ending::{drop_left_origins, drop_retired_if_unused};
use crate::limits::{CONFIGS_MAX, RETIRED_SEARCH_RECORDS_MAX};
use crate::names::OrgId;
use crate::record;
use crate::storage::key::RETIRED_PREFIX;
use crate::storage::{self, own_error};

/// Forgets retired configs that nothing needs any more, those of one origin each, too.
pub(super) fn drop_unused(context: &Context<'_>) -> Result<(), Error> {
    let mut retired = storage::first_keys_below(context.storage(), RETIRED_PREFIX, CONFIGS_MAX)?;
    // Before the index is filled, a token that would need one may not be known.
    if retired.is_empty() || !record::is_complete(context)? {
        return Ok(());
    }
    if retired.len() > 1 {
        // A call may reach its limits before the last organization, so each call begins with another organization.
        let first = random_below(context, retired.len());
        retired.rotate_left(first);
    }
    let (mut result, mut damaged, mut left) = (Ok(()), Vec::new(), RETIRED_SEARCH_RECORDS_MAX);
    for org_id in retired.into_iter().map(OrgId::stored) {
        // What is not known of one organization keeps its own retired configs only.
        let dropped = config::lock(context).and_then(|_turn| {
            drop_retired_if_unused(context, &org_id)?;
            drop_left_origins(context, &org_id, &mut left)
        });
        match dropped {
            Ok(()) | Err(Error::Internal(_)) => {}
            Err(error) => result = Err(own_error(context.storage(), error)?),
        }
        let damage = Retired::load(context, &org_id)?.damage();
        damaged.extend(damage.map(|reason| PassedOver { key: format!("{RETIRED_PREFIX}{org_id}"), reason }));
    }
    let message = "a retired config is damaged and is kept: tokens at origins that the config left may not be ended";
    passed_over::log_new(context, message, &damaged)?;
    result
}
