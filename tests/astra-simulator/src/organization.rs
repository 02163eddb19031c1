//! An organization: its roles, databases, users and access list. An enterprise is one too, with
//! tokens of its own and no databases (DOC-ent).

use std::time::Duration;

use crate::builtin_roles::{BUILTIN_RESOURCES, BUILTIN_ROLES};
use crate::clock::Timestamp;
use crate::crowd::Crowd;
use crate::random::Random;
use crate::role::Role;

#[derive(Debug, Clone)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) name: String,
    /// ID of the enterprise it belongs to.
    pub(crate) enterprise: Option<String>,
    pub(crate) is_enterprise: bool,
    pub(crate) roles: Vec<Role>,
    pub(crate) databases: Vec<Database>,
    pub(crate) token_expiry_max: Option<Duration>,
    pub(crate) access_list: Option<Vec<String>>,
    /// Client IDs of all tokens ever made, oldest first.
    pub(crate) client_ids: Vec<String>,
    /// Others' tokens, which stand in the list before and after all others.
    pub(crate) crowd: Option<[Crowd; 2]>,
    /// ID of its only user, who is said to have made the roles.
    pub(crate) user: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) id: String,
    pub(crate) name: String,
}

impl Organization {
    pub(crate) fn new(id: String, name: String, random: &mut Random, now: Timestamp) -> Self {
        let mut organization = Self {
            id,
            name,
            enterprise: None,
            is_enterprise: false,
            roles: Vec::new(),
            databases: Vec::new(),
            token_expiry_max: None,
            access_list: None,
            client_ids: Vec::new(),
            crowd: None,
            user: random.uuid(),
        };
        for built_in in &BUILTIN_ROLES {
            organization.roles.push(Role {
                id: random.uuid(),
                name: built_in.name.to_owned(),
                built_in: true,
                description: built_in.name.to_owned(),
                resources: BUILTIN_RESOURCES.iter().map(|name| (*name).to_owned()).collect(),
                actions: built_in.actions(),
                updated: now,
                updated_by: "system".to_owned(),
            });
        }
        organization
    }

    /// Adds a custom role on the whole organization; returns its ID.
    pub(crate) fn add_custom_role(
        &mut self,
        name: &str,
        actions: &[String],
        random: &mut Random,
        now: Timestamp,
    ) -> String {
        let resources = BUILTIN_RESOURCES.iter().map(|name| name.replace("__ORG_ID__", &self.id)).collect();
        self.add_role(name, String::new(), resources, actions.to_vec(), random, now)
    }

    pub(crate) fn add_role(
        &mut self,
        name: &str,
        description: String,
        resources: Vec<String>,
        actions: Vec<String>,
        random: &mut Random,
        now: Timestamp,
    ) -> String {
        let id = random.uuid();
        self.roles.push(Role {
            id: id.clone(),
            name: name.to_owned(),
            built_in: false,
            description,
            resources,
            actions,
            updated: now,
            updated_by: self.user.clone(),
        });
        id
    }

    /// Gives the built-in role of this name another ID.
    pub(crate) fn set_role_id(&mut self, name: &str, id: &str) {
        for role in self.roles.iter_mut().filter(|role| role.built_in && role.name == name) {
            id.clone_into(&mut role.id);
        }
    }

    pub(crate) fn add_databases(&mut self, count: usize, random: &mut Random) {
        for number in 1..=count {
            let name = format!("{}_{number}", self.name);
            self.databases.push(Database { id: random.uuid(), name });
        }
    }

    /// The role with its resources as the organization's own: `__ORG_ID__` filled in.
    pub(crate) fn resolved_role(&self, id: &str) -> Option<Role> {
        let mut role = self.role(id)?.clone();
        for resource in &mut role.resources {
            *resource = resource.replace("__ORG_ID__", &self.id);
        }
        Some(role)
    }

    pub(crate) fn role(&self, id: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.id == id)
    }

    pub(crate) fn role_mut(&mut self, id: &str) -> Option<&mut Role> {
        self.roles.iter_mut().find(|role| role.id == id)
    }

    pub(crate) fn role_named(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }

    pub(crate) fn remove_role(&mut self, id: &str) -> bool {
        let before = self.roles.len();
        self.roles.retain(|role| role.id != id);
        self.roles.len() < before
    }
}
