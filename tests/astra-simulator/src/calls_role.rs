//! The role calls. Errors are bare strings here, as the documentation's samples show.

use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::desk::{Desk, Outcome};
use crate::organization::Organization;
use crate::role::{Role, RoleBody};
use crate::switches::RoleListAllowed;

impl Desk<'_> {
    /// Reading one role needs more permission than listing all (TF#101, TF#152).
    pub(crate) fn list_roles(&mut self) -> Outcome {
        match self.world.switches.role_list {
            RoleListAllowed::AnyToken => {}
            RoleListAllowed::OrgRead => {
                self.require(&["org-read", "org-role-read"])?;
            }
            RoleListAllowed::RoleRead => {
                self.require(&["org-role-read"])?;
            }
        }
        let roles = self.own().map(|own| own.roles.as_slice()).unwrap_or_default();
        let shown: Vec<Value> = roles.iter().map(|role| self.show(role)).collect();
        Ok(Answer::json(200, &Value::Array(shown)))
    }

    pub(crate) fn read_role(&mut self, id: &str) -> Outcome {
        self.require(&["org-role-read"])?;
        match self.own().and_then(|own| own.role(id)) {
            Some(role) => Ok(Answer::json(200, &self.show(role))),
            // DOC-src.
            None => Err(self.error(404, 340_019, "unable to get role for organization")),
        }
    }

    pub(crate) fn create_role(&mut self) -> Outcome {
        self.require(&["org-role-write"])?;
        let body = self.role_body()?;
        if self.own().is_some_and(|own| own.role_named(&body.name).is_some()) {
            // DOC-src; SPEC26 lists 409.
            return Err(self.error(409, 340_020, "unable to create role"));
        }
        let now = self.world.clock.now();
        let mut random = self.world.random.clone();
        let id = self.own_mut().map(|own| {
            let RoleBody { name, description, resources, actions } = body;
            own.add_role(&name, description, resources, actions, &mut random, now)
        });
        self.world.random = random;
        let role = id.and_then(|id| self.own()?.role(&id)).map(|role| self.show(role));
        Ok(Answer::json(201, &role.unwrap_or_default()).changed())
    }

    /// Changing a custom role changes what all its tokens may do (DOC-rbac).
    pub(crate) fn update_role(&mut self, id: &str) -> Outcome {
        self.require(&["org-role-write"])?;
        let body = self.role_body()?;
        self.require_custom(id)?;
        let now = self.world.clock.now();
        if let Some(own) = self.own_mut() {
            let user = own.user.clone();
            if let Some(role) = own.role_mut(id) {
                role.name = body.name;
                role.description = body.description;
                role.resources = body.resources;
                role.actions = body.actions;
                role.updated = now;
                role.updated_by = user;
            }
        }
        let role = self.own().and_then(|own| own.role(id)).map(|role| self.show(role));
        Ok(Answer::json(200, &role.unwrap_or_default()).changed())
    }

    /// The tokens of a deleted role stay, without its permissions (DOC-src).
    pub(crate) fn delete_role(&mut self, id: &str) -> Outcome {
        self.require(&["org-role-delete"])?;
        self.require_custom(id)?;
        if let Some(own) = self.own_mut() {
            own.remove_role(id);
        }
        Ok(Answer::empty(204).changed())
    }

    /// Built-in roles can't be edited or deleted (DOC-rbac).
    fn require_custom(&self, id: &str) -> Result<(), Answer> {
        match self.own().and_then(|own| own.role(id)) {
            Some(role) if role.built_in => Err(self.error(400, 340_021, "unable to change a built-in role")),
            Some(_) => Ok(()),
            None => Err(self.error(404, 340_019, "unable to get role for organization")),
        }
    }

    fn role_body(&mut self) -> Result<RoleBody, Answer> {
        let body = self.object(&["name", "policy"])?;
        if let Some(policy) = body.get("policy").and_then(Value::as_object) {
            let policy: Map<String, Value> = policy.clone();
            self.note_unknown(&policy, &["description", "effect", "resources", "actions"]);
        }
        RoleBody::parse(&body).ok_or_else(|| self.bad_request("role body lacks a field"))
    }

    fn show(&self, role: &Role) -> Value {
        let switches = &self.world.switches;
        role.to_json(&self.caller.organization, switches.role_fields, switches.role_policy)
    }

    pub(crate) fn own(&self) -> Option<&Organization> {
        self.world.organization(&self.caller.organization)
    }

    pub(crate) fn own_mut(&mut self) -> Option<&mut Organization> {
        self.world.organization_mut(&self.caller.organization)
    }
}
