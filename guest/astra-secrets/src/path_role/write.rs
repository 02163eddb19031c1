//! Writing and deleting roles.

use secrets_framework::{Context, Error, FieldData, Outcome, Response};

use crate::limits::STORAGE_KEY_BYTES_MAX;
use crate::lock::Lock;
use crate::names::{OrgId, RoleName};
use crate::role::{self, Role};

use super::fields::Changes;
use super::target::Target;

/// Creates or changes a role.
pub(super) fn write(context: &Context<'_>, data: &FieldData, target: Target) -> Outcome {
    let changes = Changes::parse(data)?;
    let Target { org_id, config, name } = target;
    if let (Some(config), Some(role_ids)) = (&config, &changes.role_ids)
        && let Some(id) = config.forbidden_role_id(role_ids)
    {
        return Err(Error::mistake(format!(
            "the Astra role `{id}` is not among the `allowed_role_ids` of organization `{org_id}`: \
             choose another, or have it added to the config"
        )));
    }

    if role::key(&org_id, &name).len() > STORAGE_KEY_BYTES_MAX {
        // No such role can be there, so it would be new, and is refused here,
        // for the host refuses such long locks, too.
        RoleName::parse(name.as_str())?;
        OrgId::parse(org_id.as_str())?;
    }

    // Writers of one organization's roles take turns, so that no field is lost.
    let _turn = Lock::Roles(&org_id).acquire(context)?;
    let mut role = match role::load(context, &org_id, &name)? {
        Some(role) => role,
        None => new_role(&org_id, &name, config.is_some(), &changes)?,
    };
    changes.apply(&mut role);
    let mut warnings = Vec::new();
    if config.is_none() {
        warnings.push(format!(
            "organization `{org_id}` is not configured yet: write `config/{org_id}` before a token is made"
        ));
    }
    warnings.extend(role::clamp(&mut role.ttl, role.max_ttl));
    warnings.extend(role::above_mount(context, role.ttl, role.max_ttl));
    context.storage().put(role.to_entry()?)?;
    if warnings.is_empty() {
        return Ok(None);
    }
    Ok(Some(Response { warnings, ..Response::default() }))
}

/// Deletes a role; deleting what is not there succeeds.
pub(super) fn delete(context: &Context<'_>, found: Option<(OrgId, RoleName)>) -> Outcome {
    if let Some((org_id, name)) = found {
        let _turn = Lock::Roles(&org_id).acquire(context)?;
        context.storage().delete(&role::key(&org_id, &name))?;
    }
    Ok(None)
}

/// Only what is new must have a name that we would give.
fn new_role(org_id: &OrgId, name: &RoleName, is_configured: bool, changes: &Changes) -> Result<Role, Error> {
    let name = RoleName::parse(name.as_str())?;
    if !is_configured {
        OrgId::parse(org_id.as_str())?;
    }
    if changes.role_ids.is_none() {
        return Err(Error::mistake(format!(
            "missing `role_id`: role `{name}` of organization `{org_id}` is new, give the ID of an Astra role"
        )));
    }
    Ok(Role::new(org_id.clone(), name))
}
