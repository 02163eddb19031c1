//! How the roles of an organization stand: whether Astra has what they name, and how long their leases live.

use secrets_framework::{Context, Error};

use super::standing::StaticRoles;
use super::upstream::RoleIds;
use super::{Item, named};
use crate::config::OrgConfig;
use crate::limits::CHECKED_ROLES_MAX;
use crate::names::AstraRoleId;
use crate::role::{self, Role, go_text};

/// The organization's roles, as many as are looked at.
pub(super) struct StoredRoles {
    /// How many there are.
    count: usize,
    read: Vec<Role>,
    damaged: Vec<String>,
    /// Why they could not be looked at.
    fault: Option<String>,
}

impl StoredRoles {
    /// Loads them, one read each.
    pub(super) fn load(context: &Context<'_>, config: &OrgConfig) -> Result<Self, Error> {
        let mut roles = Self { count: 0, read: Vec::new(), damaged: Vec::new(), fault: None };
        let names = match role::role_names(context.storage(), &config.org_id) {
            Err(Error::Internal(sentence)) => return Ok(Self { fault: Some(sentence), ..roles }),
            names => names?,
        };
        roles.count = names.len();
        for name in names.iter().take(CHECKED_ROLES_MAX) {
            match role::load_own(context, &config.org_id, name)? {
                Ok(role) => roles.read.extend(role),
                Err(_) => roles.damaged.push(name.to_string()),
            }
        }
        Ok(roles)
    }

    /// Has Astra the roles that the config and the mount's roles name?
    pub(super) fn exist(&self, config: &OrgConfig, listed: Option<&RoleIds>, statics: &StaticRoles) -> Item {
        let Some(listed) = listed else { return Item::unknown("Astra did not list its roles: see `may_list_roles`.") };
        if let Some(fault) = &self.fault {
            return Item::unknown(format!("The roles were not looked at: {fault}"));
        }
        let not_listed = |ids: &[AstraRoleId]| ids.iter().any(|id| !listed.has(id.as_str()));
        let static_gone = statics.read.iter().filter(|role| not_listed(&role.role_ids));
        let allowed = config.allowed_role_ids.iter().map(|id| id.as_str()).filter(|id| !listed.has(id));
        let faults = [
            (
                "`allowed_role_ids` that Astra does not list",
                allowed.map(str::to_owned).collect(),
                "write others to the config",
            ),
            (
                "roles whose Astra role has gone",
                self.names_of(|role| not_listed(&role.role_ids)),
                "write another `role_id` to each, or delete it",
            ),
            (
                "static roles whose Astra role has gone",
                static_gone.map(|role| role.name.to_string()).collect(),
                "write other `role_ids` to each, or delete it",
            ),
            (
                "roles that `allowed_role_ids` does not allow any more",
                self.names_of(|role| config.forbidden_role_id(&role.role_ids).is_some()),
                "write another `role_id` to each, or have theirs allowed by the config",
            ),
            ("roles that cannot be read", self.damaged.clone(), "delete each, and write it anew"),
        ];
        let told: Vec<String> = faults
            .into_iter()
            .filter_map(|(what, names, how)| Some(format!("{}: {how}", named(what, names)?)))
            .collect();
        if !told.is_empty() {
            return Item::no(format!("There are {}", told.join("; ")));
        }
        if self.count > CHECKED_ROLES_MAX {
            return Item::unknown(format!("The first {CHECKED_ROLES_MAX} of {} roles are in order.", self.count));
        }
        Item::yes(format!("Astra lists all Astra roles of the {} roles.", self.count))
    }

    /// How long do leases live whose role sets no time to live? No fault, but not what the Go plugin did.
    pub(super) fn lifetimes(&self, context: &Context<'_>) -> Item {
        let without_ttl = self.names_of(|role| role.ttl.is_zero());
        let Some(told) = named("roles without a `ttl`", without_ttl) else {
            return Item::yes("Every role that was looked at has a `ttl`");
        };
        match context.host.system_view().default_lease_ttl() {
            Ok(default) => Item::yes(format!(
                "There are {told}: their leases live the mount's default of {}, where the Go plugin gave a new role 24h. \
                 Give them a `ttl`, or tune the mount, if that is too long",
                go_text(default)
            )),
            Err(error) => Item::unknown(format!("There are {told}, and the mount's default could not be had: {error}")),
        }
    }

    fn names_of(&self, is_it: impl Fn(&Role) -> bool) -> Vec<String> {
        self.read.iter().filter(|role| is_it(role)).map(|role| role.name.to_string()).collect()
    }
}
