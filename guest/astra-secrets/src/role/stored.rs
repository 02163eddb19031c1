//! The storage form of a role: the Go plugin's JSON, our fields beside its,
//! and fields that neither knows kept.

use secrets_framework::Error;
use secrets_framework::host::StorageEntry;
use serde_json::{Map, Value};

use crate::names::{AstraRoleId, OrgId, RoleName};
use crate::storage::json::{nanoseconds, take_count, take_duration, take_role_ids, take_text};

use super::{Role, TokenExpiry};

/// The entry of a role.
pub(super) fn encode(role: &Role) -> Result<StorageEntry, Error> {
    let mut map = role.other.clone();
    let mut set = |name: &str, value: Value| map.insert(name.to_owned(), value);
    set("role_name", role.name.as_str().into());
    set("role_id", role.role_ids.first().map_or("", AstraRoleId::as_str).into());
    set("org_id", role.org_id.as_str().into());
    set("ttl", nanoseconds(role.ttl).into());
    set("max_ttl", nanoseconds(role.max_ttl).into());
    if role.role_ids.len() > 1 {
        set("role_ids", role.role_ids.iter().map(AstraRoleId::as_str).collect());
    }
    if !role.description.is_empty() {
        set("description", role.description.as_str().into());
    }
    if role.token_expiry == TokenExpiry::Off {
        set("token_expiry", "off".into());
    }
    if let Some(max_tokens) = role.max_tokens {
        set("max_tokens", max_tokens.into());
    }
    if role.imported {
        set("imported", true.into());
    }
    StorageEntry::json(super::key(&role.org_id, &role.name), &map)
}

/// The role that an entry holds; none where the entry is another role's: with
/// odd old names, `a:b` and `c` have the key of `a` and `b:c`.
pub(crate) fn decode(entry: &StorageEntry, org_id: &OrgId, name: &RoleName) -> Result<Option<Role>, Error> {
    let Ok(Value::Object(map)) = serde_json::from_slice(&entry.value) else {
        return Err(Error::Internal(format!(
            "the stored role `{name}` of organization `{org_id}` is damaged: it is not JSON; delete the role and write it again"
        )));
    };
    let role = from_map(map, org_id, name);
    Ok(Some(role).filter(|role| role.org_id == *org_id && role.name == *name))
}

/// A role from JSON; the entry's own names, where it has them.
pub(super) fn from_map(mut map: Map<String, Value>, org_id: &OrgId, name: &RoleName) -> Role {
    let own = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
    let org_id = OrgId::stored(own(take_text(&mut map, "org_id"), org_id.as_str()));
    let name = RoleName::stored(own(take_text(&mut map, "role_name"), name.as_str()));
    let mut role = Role::new(org_id, name);
    let role_id = take_text(&mut map, "role_id");
    role.role_ids = take_role_ids(&mut map, "role_ids");
    // An older version that rewrites the entry knows `role_id` alone and
    // keeps our list; then the one that it wrote is meant.
    if role.role_ids.first().map(AstraRoleId::as_str) != Some(role_id.as_str()) {
        role.role_ids = Some(role_id).filter(|id| !id.is_empty()).map(AstraRoleId::stored).into_iter().collect();
    }
    role.ttl = take_duration(&mut map, "ttl").unwrap_or_default();
    role.max_ttl = take_duration(&mut map, "max_ttl").unwrap_or_default();
    role.description = take_text(&mut map, "description");
    if take_text(&mut map, "token_expiry") == "off" {
        role.token_expiry = TokenExpiry::Off;
    }
    role.max_tokens = take_count(&mut map, "max_tokens");
    role.imported = map.remove("imported").is_some_and(|value| value == Value::Bool(true));
    role.other = map;
    role
}
