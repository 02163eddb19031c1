//! A token made and deleted, to see whether that works. It is made as any
//! other, with a write-ahead entry and a mark, so that whatever happens in
//! between, rollback removes it.

use std::time::Duration;

use secrets_framework::{Context, Error, wal};

use super::upstream::Answers;
use super::{Item, named, unless_damaged};
use crate::client::{AstraClient, ClientError, Skew};
use crate::config::OrgConfig;
use crate::limits::{CHECK_TOKEN_LIFE, CHECKED_ROLES_MAX};
use crate::mint::{self, MintError, MintRequest, MintedToken};
use crate::role;
use crate::time_text;

/// What came of it.
pub(super) struct Tried {
    pub(super) item: Item,
    /// How the clocks stood when it was made.
    pub(super) skew: Option<Skew>,
}

/// Tries it. `Err` only where storage fails.
pub(super) fn make_and_delete(
    context: &Context<'_>,
    client: &AstraClient<'_>,
    config: &OrgConfig,
    answers: &Answers<'_>,
) -> Result<Tried, Error> {
    let untried = |item| Ok(Tried { item, skew: None });
    let Some(roles) = roles_to_give(context, config, answers)? else {
        return untried(Item::unknown(
            "There is no role of this organization that a token could be made with (see `roles_exist`), and Astra does not show the admin token's own Astra roles: write a role first.",
        ));
    };
    let asked_at = context.now();
    let wanted = MintRequest {
        config,
        role_ids: &roles.ids,
        expiry: time_text::format(asked_at + CHECK_TOKEN_LIFE),
        record_id: None,
        leased: None,
        description: &|mark| format!("made by a check, and deleted at once {mark}"),
    };
    let made = match mint::try_make(context, client, &wanted, None) {
        Ok(made) => made,
        Err(MintError::Failed(error @ Error::Plain(_))) => return Err(error),
        Err(MintError::Failed(failure)) => return untried(Item::unknown(failure.to_string())),
        Err(MintError::Upstream(error)) => return untried(not_made(client, &roles, &error)),
    };
    let skew = skew(context, &made, asked_at);
    let item = delete(context, client, &made, &roles.whose)?;
    Ok(Tried { item, skew })
}

/// The Astra roles of the token.
struct RolesToGive {
    ids: Vec<String>,
    whose: String,
    /// The path to write others to, where Astra did not tell whether it has these.
    unproven: Option<String>,
}

/// The least that shows it: what a role of the mount gives anyway, or else what
/// the admin token has itself. What is wrong with a role is for `roles_exist`.
fn roles_to_give(
    context: &Context<'_>,
    config: &OrgConfig,
    answers: &Answers<'_>,
) -> Result<Option<RolesToGive>, Error> {
    let org_id = &config.org_id;
    let listed = answers.role_ids();
    let names = unless_damaged(role::role_names(context.storage(), org_id))?.unwrap_or_default();
    for name in names.iter().take(CHECKED_ROLES_MAX) {
        let Ok(Some(role)) = role::load_own(context, org_id, name)? else { continue };
        let is_given = !role.role_ids.is_empty() && config.forbidden_role_id(&role.role_ids).is_none();
        let is_there = listed.as_ref().is_none_or(|listed| role.role_ids.iter().all(|id| listed.has(id.as_str())));
        if is_given && is_there {
            let ids = role.role_ids.iter().map(|id| id.as_str().to_owned()).collect();
            let unproven = listed.is_none().then(|| format!("roles/{org_id}/{name}"));
            return Ok(Some(RolesToGive { ids, whose: format!("the Astra roles of role `{name}`"), unproven }));
        }
    }
    let own = answers.own_token().and_then(|token| token.roles.clone()).filter(|ids| !ids.is_empty());
    let whose = || "the admin token's own Astra roles".to_owned();
    Ok(own.map(|ids| RolesToGive { ids, whose: whose(), unproven: None }))
}

fn not_made(client: &AstraClient<'_>, roles: &RolesToGive, error: &ClientError) -> Item {
    let whose = &roles.whose;
    match (&roles.unproven, error) {
        (Some(path), ClientError::NotFound | ClientError::Rejected { .. }) => Item::no(format!(
            "A token could not be made with {}, one of which Astra most likely has no more ({error}): write others to `{path}`",
            named(whose, roles.ids.clone()).unwrap_or_default()
        )),
        _ => {
            let told = client.failure(error);
            no_or_unknown(error, format!("A token could not be made with {whose}: {told}"))
        }
    }
}

fn delete(context: &Context<'_>, client: &AstraClient<'_>, made: &MintedToken<'_>, whose: &str) -> Result<Item, Error> {
    client.use_time_to_settle();
    let Err(error) = client.delete_token(&made.token.client_id) else {
        wal::delete(context, made.wal_id())?;
        return Ok(Item::yes(format!("A token was made with {whose}, and deleted.")));
    };
    let told = client.failure(&error);
    Ok(no_or_unknown(
        &error,
        format!("A token was made with {whose}, but not deleted; rollback goes on trying. {told}"),
    ))
}

/// Only a refusal tells of the admin token.
fn no_or_unknown(error: &ClientError, sentence: String) -> Item {
    match error {
        ClientError::Refused { .. } => Item::no(sentence),
        _ => Item::unknown(sentence),
    }
}

fn skew(context: &Context<'_>, made: &MintedToken<'_>, asked_at: Duration) -> Option<Skew> {
    let theirs = time_text::parse(&made.token.generated_on)?;
    let now = context.now();
    let ahead_seconds = i64::try_from(i128::from(theirs.as_secs()) - i128::from(now.as_secs())).ok()?;
    Some(Skew { ahead_seconds, exchange_seconds: now.saturating_sub(asked_at).as_secs() })
}
