//! Reading and listing roles.

use std::collections::BTreeMap;

use secrets_framework::{Context, Outcome, Response};
use serde::Serialize;

use crate::names::{AstraRoleId, OrgId, RoleName};
use crate::role::{self, Role, go_text};

use super::fields::token_expiry_word;

#[derive(Serialize)]
struct RoleAnswer<'a> {
    org_id: &'a str,
    role_name: &'a str,
    role_id: &'a str,
    role_ids: &'a [AstraRoleId],
    ttl: String,
    max_ttl: String,
    description: &'a str,
    token_expiry: &'static str,
}

#[derive(Serialize)]
struct ListAnswer<'a> {
    keys: Vec<String>,
    key_info: BTreeMap<String, KeyInfo<'a>>,
}

#[derive(Serialize)]
struct KeyInfo<'a> {
    org_id: &'a str,
    role_name: &'a str,
}

/// Answers a role; nothing where there is none.
pub(super) fn read(role: Option<&Role>) -> Outcome {
    let Some(role) = role else { return Ok(None) };
    Ok(Some(Response::json(&RoleAnswer {
        org_id: role.org_id.as_str(),
        role_name: role.name.as_str(),
        role_id: role.role_ids.first().map_or("", AstraRoleId::as_str),
        role_ids: &role.role_ids,
        ttl: go_text(role.ttl),
        max_ttl: go_text(role.max_ttl),
        description: &role.description,
        token_expiry: token_expiry_word(role.token_expiry),
    })?))
}

/// Answers the roles of one organization.
pub(super) fn list_org(context: &Context<'_>, org_id: &OrgId) -> Outcome {
    let names = role::role_names(context.storage(), org_id)?;
    let keys: Vec<_> = names.iter().map(|name| (name.as_str().to_owned(), org_id, name)).collect();
    list(&keys)
}

/// Answers the roles of all organizations, each under the shortest name that is its own.
pub(super) fn list_all(context: &Context<'_>) -> Outcome {
    let roles = role::all_roles(context.storage())?;
    let keys = role::short_keys(&roles);
    let keys: Vec<_> = keys.into_iter().zip(&roles).map(|(key, (org_id, name))| (key, org_id, name)).collect();
    list(&keys)
}

/// Nothing where there is nothing, for an empty list is a 404.
fn list(roles: &[(String, &OrgId, &RoleName)]) -> Outcome {
    if roles.is_empty() {
        return Ok(None);
    }
    let key_info: BTreeMap<String, KeyInfo<'_>> = roles
        .iter()
        .map(|(key, org_id, name)| (key.clone(), KeyInfo { org_id: org_id.as_str(), role_name: name.as_str() }))
        .collect();
    let keys = key_info.keys().cloned().collect();
    Ok(Some(Response::json(&ListAnswer { keys, key_info })?))
}
