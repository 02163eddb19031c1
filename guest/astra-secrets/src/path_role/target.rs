//! Which role a request is about. `role` folds names and knows logical names
//! of organizations; a path has one spelling only.

use secrets_framework::{Context, Error, FieldData};

use crate::config::{self, OrgConfig};
use crate::names::{OrgId, RoleName};
use crate::path_config::target as org;
use crate::role::{self, Role};

/// The role of a write.
#[derive(Debug)]
pub(super) struct Target {
    /// Its organization; unchecked where it is not configured.
    pub(super) org_id: OrgId,
    /// The organization's settings, where it is configured.
    pub(super) config: Option<OrgConfig>,
    /// Its name; unchecked where there is no such role.
    pub(super) name: RoleName,
}

/// The role that `org_id` and `role_name` name, for a write.
pub(super) fn in_body(context: &Context<'_>, data: &FieldData) -> Result<Target, Error> {
    let name = name_in_body(data)?;
    if let Some((org_id, name)) = listed_key(context, data)? {
        let config = config::load(context, &org_id)?;
        return Ok(Target { org_id, config, name });
    }
    let org::Target { org_id, config, .. } = org::in_body(context, data)?;
    Ok(Target { org_id, config, name })
}

/// The role that the path names, for a write.
pub(super) fn in_path(context: &Context<'_>, data: &FieldData) -> Result<Target, Error> {
    let name = name_in_path(data)?;
    let org::Target { org_id, config, .. } = org::in_path(context, data)?;
    Ok(Target { org_id, config, name })
}

/// The role that `org_id` and `role_name` name, where there is one.
pub(super) fn role_in_body(context: &Context<'_>, data: &FieldData) -> Result<Option<Role>, Error> {
    name_in_body(data)?;
    let role = load_by_body(context, data)?;
    if role.is_none() && data.text("org_id").unwrap_or_default().is_empty() {
        return Err(org::missing_org_id());
    }
    Ok(role)
}

/// The role that the path names, where there is one.
pub(super) fn role_in_path(context: &Context<'_>, data: &FieldData) -> Result<Option<Role>, Error> {
    name_in_path(data)?;
    if let Some(role) = load_by_path(context, data)? {
        return Ok(Some(role));
    }
    // A logical name in the path gets its own error.
    org::in_path(context, data).map(|_| None)
}

/// The organization and name of a role to be deleted, where there is one, readable or not.
pub(super) fn found_in_body(context: &Context<'_>, data: &FieldData) -> Result<Option<(OrgId, RoleName)>, Error> {
    let name = name_in_body(data)?;
    if let Some(found) = listed_key(context, data)? {
        return Ok(Some(found));
    }
    let org = data.text("org_id").unwrap_or_default();
    if org.is_empty() {
        return Err(org::missing_org_id());
    }
    let org_id = OrgId::stored(org);
    if role::exists(context, &org_id, &name)? {
        return Ok(Some((org_id, name)));
    }
    let Some(config) = config::find(context, org)? else { return Ok(None) };
    Ok(role::exists(context, &config.org_id, &name)?.then_some((config.org_id, name)))
}

/// The same of the role that the path names.
pub(super) fn found_in_path(context: &Context<'_>, data: &FieldData) -> Result<Option<(OrgId, RoleName)>, Error> {
    let name = name_in_path(data)?;
    let org_id = OrgId::stored(data.text("org").unwrap_or_default());
    if role::exists(context, &org_id, &name)? {
        return Ok(Some((org_id, name)));
    }
    // A logical name in the path gets its own error.
    org::in_path(context, data).map(|_| None)
}

/// Loads by `org_id` and `role_name`: in one read, unless `org_id` is a logical name.
pub(super) fn load_by_body(context: &Context<'_>, data: &FieldData) -> Result<Option<Role>, Error> {
    let org = data.text("org_id").unwrap_or_default();
    let name = RoleName::stored(data.text("role_name").unwrap_or_default());
    if let Some(role) = role::load(context, &OrgId::stored(org), &name)? {
        return Ok(Some(role));
    }
    if let Some((org_id, name)) = listed_key(context, data)? {
        return role::load(context, &org_id, &name);
    }
    match config::find(context, org)? {
        Some(config) if config.org_id.as_str() != org => role::load(context, &config.org_id, &name),
        _ => Ok(None),
    }
}

/// The role whose key in `LIST roles` is the `role_name`: `<org id>:<role name>`. None where the name has no colon, where
/// `org_id` names a role of this very name or another organization, or where no role has that key.
fn listed_key(context: &Context<'_>, data: &FieldData) -> Result<Option<(OrgId, RoleName)>, Error> {
    let (key, org) = (data.text("role_name").unwrap_or_default(), data.text("org_id").unwrap_or_default());
    if !key.contains(':') || role::exists(context, &OrgId::stored(org), &RoleName::stored(key))? {
        return Ok(None);
    }
    // The field is folded to lower case, so an organization's ID need not be spelled in it as it is.
    let is_it = |(org_id, name): &(OrgId, RoleName)| format!("{org_id}:{name}").to_lowercase() == key;
    let found = role::all_roles(context.storage())?.into_iter().find(is_it);
    Ok(found.filter(|(org_id, _)| org.is_empty() || org == org_id.as_str()))
}

/// Loads by the path, in one read.
pub(super) fn load_by_path(context: &Context<'_>, data: &FieldData) -> Result<Option<Role>, Error> {
    let org_id = OrgId::stored(data.text("org").unwrap_or_default());
    role::load(context, &org_id, &RoleName::stored(data.text("role").unwrap_or_default()))
}

fn name_in_body(data: &FieldData) -> Result<RoleName, Error> {
    match data.text("role_name").unwrap_or_default() {
        "" => Err(Error::mistake("missing `role_name`: give the name of the role")),
        name => Ok(RoleName::stored(name)),
    }
}

fn name_in_path(data: &FieldData) -> Result<RoleName, Error> {
    Ok(RoleName::in_path(data.text("role").unwrap_or_default())?)
}
