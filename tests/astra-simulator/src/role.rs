//! Roles and their policies: what a token may do, and whether it may hand a role on.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::switches::{RoleFields, RolePolicy};

/// A built-in or custom role of one organization.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) built_in: bool,
    pub(crate) description: String,
    pub(crate) resources: Vec<String>,
    pub(crate) actions: Vec<String>,
    pub(crate) updated: Timestamp,
    pub(crate) updated_by: String,
}

impl Role {
    /// The role as the API shows it, in one of the two casings (SPEC26; DOC-src, SDK, CLI).
    pub(crate) fn to_json(&self, organization: &str, fields: RoleFields, policy: RolePolicy) -> Value {
        let policy = match policy {
            RolePolicy::Object => self.policy(),
            RolePolicy::Text => Value::String(self.policy().to_string()),
        };
        let updated = self.updated.with_milliseconds();
        match fields {
            RoleFields::Lower => json!({
                "id": self.id,
                "name": self.name,
                "policy": policy,
                "last_update_datetime": updated,
                "last_update_userid": self.updated_by,
            }),
            RoleFields::Upper => json!({
                "ID": self.id,
                "Name": self.name,
                "Type": if self.built_in { "system" } else { "user" },
                "Policy": policy,
                "OrgID": organization,
                "LastUpdateDateTime": updated,
                "LastUpdateUserID": self.updated_by,
            }),
        }
    }

    fn policy(&self) -> Value {
        json!({
            "description": self.description,
            "effect": "allow",
            "resources": self.resources,
            "actions": self.actions,
        })
    }
}

/// The body of a role POST or PUT, checked: all four policy fields are required and `effect`
/// knows only `allow` (SPEC26).
#[derive(Debug)]
pub(crate) struct RoleBody {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) resources: Vec<String>,
    pub(crate) actions: Vec<String>,
}

impl RoleBody {
    pub(crate) fn parse(body: &Map<String, Value>) -> Option<Self> {
        let text = |from: &Map<String, Value>, name: &str| from.get(name).and_then(Value::as_str).map(str::to_owned);
        let policy = body.get("policy")?.as_object()?;
        if text(policy, "effect")? != "allow" {
            return None;
        }
        let name = text(body, "name")?;
        let (resources, actions) = (texts(policy, "resources")?, texts(policy, "actions")?);
        let complete = !name.is_empty() && !resources.is_empty() && !actions.is_empty();
        let description = text(policy, "description")?;
        complete.then_some(Self { name, description, resources, actions })
    }
}

/// A field that is an array of strings.
pub(crate) fn texts(from: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    let items = from.get(name)?.as_array()?;
    items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

/// What a set of roles allows together.
#[derive(Debug, Default)]
pub(crate) struct Permissions {
    actions: BTreeSet<String>,
    resources: BTreeSet<String>,
}

impl Permissions {
    pub(crate) fn of<'role>(roles: impl Iterator<Item = &'role Role>) -> Self {
        let mut permissions = Self::default();
        for role in roles {
            permissions.actions.extend(role.actions.iter().cloned());
            permissions.resources.extend(role.resources.iter().cloned());
        }
        permissions
    }

    pub(crate) fn allow(&self, action: &str) -> bool {
        self.actions.contains(action)
    }

    pub(crate) fn allow_any(&self, actions: &[&str]) -> bool {
        actions.iter().any(|action| self.allow(action))
    }

    pub(crate) fn allow_all(&self, actions: &[String]) -> bool {
        actions.iter().all(|action| self.allow(action))
    }

    /// Whether handing `role` on would give nothing that is not had already (AWS docs).
    pub(crate) fn cover(&self, role: &Role) -> bool {
        self.allow_all(&role.actions)
            && role.resources.iter().all(|resource| self.resources.iter().any(|held| resource_covers(held, resource)))
    }
}

/// Whether one resource name covers another: the same segments, where `*` stands for any one.
fn resource_covers(held: &str, asked: &str) -> bool {
    let (held, asked): (Vec<_>, Vec<_>) = (held.split(':').collect(), asked.split(':').collect());
    held.len() == asked.len() && held.iter().zip(&asked).all(|(held, asked)| *held == "*" || held == asked)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_resource_covers_what_is_narrower_in_the_same_shape() {
        let rows = [
            ("drn:astra:org:o:db:*", "drn:astra:org:o:db:d", true),
            ("drn:astra:org:o:db:d", "drn:astra:org:o:db:*", false),
            ("drn:astra:org:o:db:d", "drn:astra:org:o:db:e", false),
            ("drn:astra:org:o", "drn:astra:org:o:db:d", false),
            ("drn:astra:org:o:db:*", "drn:astra:org:p:db:d", false),
        ];
        for (held, asked, expected) in rows {
            assert_eq!(resource_covers(held, asked), expected, "{held} {asked}");
        }
    }

    #[test]
    fn a_role_body_needs_all_its_fields() {
        let good = json!({"name":"n","policy":{
            "description":"","effect":"allow","resources":["r"],"actions":["a"]}});
        assert_eq!(RoleBody::parse(good.as_object().unwrap()).unwrap().name, "n");
        for missing in ["description", "effect", "resources", "actions"] {
            let mut bad = good.clone();
            bad.get_mut("policy").unwrap().as_object_mut().unwrap().remove(missing);
            assert!(RoleBody::parse(bad.as_object().unwrap()).is_none(), "{missing}");
        }
        let mut deny = good.clone();
        *deny.pointer_mut("/policy/effect").unwrap() = json!("deny");
        assert!(RoleBody::parse(deny.as_object().unwrap()).is_none());
    }
}
