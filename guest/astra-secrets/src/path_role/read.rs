//! Reading and listing roles.

use std::collections::BTreeMap;

use secrets_framework::{Context, Error, Outcome, Response};
use serde::Serialize;

use crate::astra_role::{self, KnownRole};
use crate::duration_form::{DurationForm, ShownDuration};
use crate::limits::ROLES_DESCRIBED_MAX;
use crate::names::{AstraRoleId, OrgId, RoleName};
use crate::page::Page;
use crate::role::{self, Role};

use super::fields::token_expiry_word;

#[derive(Serialize)]
struct RoleAnswer<'a> {
    org_id: &'a str,
    role_name: &'a str,
    role_id: &'a str,
    role_ids: &'a [AstraRoleId],
    ttl: ShownDuration,
    max_ttl: ShownDuration,
    description: &'a str,
    token_expiry: &'static str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    astra_roles: Vec<KnownRole>,
}

#[derive(Serialize)]
struct ListAnswer<'a> {
    keys: Vec<&'a str>,
    key_info: BTreeMap<&'a str, KeyInfo>,
}

#[derive(Serialize)]
struct KeyInfo {
    org_id: OrgId,
    role_name: RoleName,
    role_id: Option<AstraRoleId>,
    ttl: ShownDuration,
    max_ttl: ShownDuration,
}

/// Answers a role; nothing where there is none.
pub(super) fn read(role: Option<&Role>, form: DurationForm) -> Outcome {
    role.map(|role| answer(role, form, Vec::new())).transpose()
}

/// The same with what the mount knows of its Astra roles.
pub(super) fn read_with_astra_roles(context: &Context<'_>, role: Option<&Role>, form: DurationForm) -> Outcome {
    let known = |role: &Role| astra_role::known(context, &role.org_id, role.role_ids.iter().map(AstraRoleId::as_str));
    role.map(|role| answer(role, form, known(role))).transpose()
}

fn answer(role: &Role, form: DurationForm, astra_roles: Vec<KnownRole>) -> Result<Response, Error> {
    Response::json(&RoleAnswer {
        org_id: role.org_id.as_str(),
        role_name: role.name.as_str(),
        role_id: role.role_ids.first().map_or("", AstraRoleId::as_str),
        role_ids: &role.role_ids,
        ttl: form.of(role.ttl),
        max_ttl: form.of(role.max_ttl),
        description: &role.description,
        token_expiry: token_expiry_word(role.token_expiry),
        max_tokens: role.max_tokens.unwrap_or_default(),
        astra_roles,
    })
}

/// Answers the roles of one organization.
pub(super) fn list_org(context: &Context<'_>, org_id: &OrgId, page: &Page<'_>) -> Outcome {
    let names = role::role_names(context.storage(), org_id)?;
    let listed = names.into_iter().map(|name| (name.as_str().to_owned(), org_id.clone(), name)).collect();
    list(context, page, DurationForm::Seconds, listed)
}

/// Answers the roles of all organizations, each under the shortest name that is its own.
pub(super) fn list_all(context: &Context<'_>, page: &Page<'_>) -> Outcome {
    let roles = role::all_roles(context.storage())?;
    let keys = role::short_keys(&roles);
    let listed = keys.into_iter().zip(roles).map(|(key, (org_id, name))| (key, org_id, name)).collect();
    list(context, page, DurationForm::GoText, listed)
}

/// Nothing where there is nothing, for an empty list is a 404.
fn list(context: &Context<'_>, page: &Page<'_>, form: DurationForm, roles: Vec<(String, OrgId, RoleName)>) -> Outcome {
    let roles = page.of_items(roles, |(key, ..)| key);
    if roles.is_empty() {
        return Ok(None);
    }
    let described = roles.get(..ROLES_DESCRIBED_MAX).unwrap_or(&roles);
    let mut key_info = BTreeMap::new();
    for ((key, ..), role) in described.iter().zip(role::load_each(context, described)?) {
        // A role that has gone since, or cannot be read, has no facts to show.
        key_info.extend(role.map(|role| (key.as_str(), KeyInfo::of(role, form))));
    }
    let keys = roles.iter().map(|(key, ..)| key.as_str()).collect();
    let response = Response::json(&ListAnswer { keys, key_info })?;
    Ok(Some(if described.len() == roles.len() {
        response
    } else {
        response.warn(format!(
            "there are more roles than one list describes: `key_info` has the first {ROLES_DESCRIBED_MAX} of them; list \
             the roles in pages by `limit` and `after`"
        ))
    }))
}

impl KeyInfo {
    fn of(role: Role, form: DurationForm) -> Self {
        Self {
            ttl: form.of(role.ttl),
            max_ttl: form.of(role.max_ttl),
            org_id: role.org_id,
            role_name: role.name,
            role_id: role.role_ids.into_iter().next(),
        }
    }
}
