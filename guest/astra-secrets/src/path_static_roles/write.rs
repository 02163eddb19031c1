//! Creating and changing a static role. It never stands without a token, and
//! its first token never without it.

use secrets_framework::{Context, Error, FieldData, Outcome, Response};

use crate::config::{self, AdminToken, OrgConfig, unknown_org};
use crate::ending::Patience;
use crate::limits::STATIC_ROLES_MAX;
use crate::names::{OrgId, RoleName};
use crate::path_config::target;
use crate::static_role::{self, StaticRole};
use crate::static_rotation;
use crate::who;

use super::fields::Changes;

/// Creates or changes a static role.
pub(super) fn write(context: &Context<'_>, data: &FieldData) -> Outcome {
    let name = RoleName::of_static_role(data.text("name").unwrap_or_default())?;
    let changes = Changes::parse(data)?;
    let target = target::in_path(context, data)?;
    let Some(config) = &target.config else { return Err(unknown_org("org", target.org_id.as_str())) };
    let org_id = &config.org_id;
    if let Some(id) = changes.role_ids.as_ref().and_then(|role_ids| config.forbidden_role_id(role_ids)) {
        return Err(Error::mistake(format!(
            "the Astra role `{id}` is not among the `allowed_role_ids` of organization `{org_id}`: choose another, or \
             have it added to the config"
        )));
    }
    let _turn = static_role::lock(context, org_id, &name)?;
    let warnings = match static_role::load(context, org_id, &name)? {
        Some(role) => update(context, role, changes)?,
        None => create(context, org_id, name, changes)?,
    };
    if warnings.is_empty() {
        return Ok(None);
    }
    Ok(Some(Response { warnings, ..Response::default() }))
}

fn update(context: &Context<'_>, mut role: StaticRole, changes: Changes) -> Result<Vec<String>, Error> {
    let token = changes.token.as_ref().and_then(AdminToken::client_id);
    if token.is_some() && token != role.client_id {
        return Err(Error::mistake(format!(
            "`token` cannot be taken over by static role `{}` of organization `{}`, which has a token already: leave the \
             field out, or create another static role with it",
            role.name, role.org_id
        )));
    }
    let left = role.turn.due;
    let mut warnings = changes.apply(&mut role, context.now().as_secs())?;
    static_role::save(context, &role, left)?;
    warnings.extend(role.told_early());
    Ok(warnings)
}

fn create(context: &Context<'_>, org_id: &OrgId, name: RoleName, mut changes: Changes) -> Result<Vec<String>, Error> {
    if changes.role_ids.is_none() {
        return Err(Error::mistake(format!(
            "missing `role_ids`: static role `{name}` of organization `{org_id}` is new, give the ID of at least one \
             Astra role"
        )));
    }
    check_room(context, org_id)?;
    let taken_over = changes.token.take();
    let mut role = StaticRole::new(org_id.clone(), name, who::creator(context));
    let mut warnings = changes.apply(&mut role, context.now().as_secs())?;
    // It is not in the schedule queue yet.
    role.turn.due = 0;
    match &taken_over {
        Some(token) => static_rotation::take_over(context, &mut role, token)?,
        None => static_rotation::rotate(context, &mut role, Patience::Caller)?,
    }
    // A deletion of the config that was under way, or a move, may have looked for tokens before this one was there. A token
    // that was made has a write-ahead entry, which keeps the config that was left; one that was taken over has none.
    let config = config::load(context, org_id)?;
    let has_moved = |config: &OrgConfig| taken_over.is_some() && config.url.to_string() != role.token_url;
    let (what, next_step) = match &config {
        None => ("deleted", "configure it, and create the role again"),
        Some(config) if has_moved(config) => ("moved", "create the role again"),
        Some(_) => {
            warnings.extend(role.told_early());
            return Ok(warnings);
        }
    };
    match taken_over {
        // Its clients go on with it: the refused request has no right to end it.
        Some(_) => static_rotation::give_back(context, &role)?,
        None => static_rotation::hand_back(context, &role)?,
    }
    Err(Error::conflict(format!(
        "the config of organization `{org_id}` was {what} while static role `{}` was created: {next_step}",
        role.name
    )))
}

fn check_room(context: &Context<'_>, org_id: &OrgId) -> Result<(), Error> {
    if static_role::names(context.storage(), org_id)?.len() < STATIC_ROLES_MAX {
        return Ok(());
    }
    Err(Error::mistake(format!(
        "organization `{org_id}` has {STATIC_ROLES_MAX} static roles already, the limit: delete one first"
    )))
}
