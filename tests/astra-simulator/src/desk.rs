//! Where a call is worked on: the state, the caller, and what is to be held against the client.
//! The calls themselves are in `calls_*.rs`.

use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::auth::Caller;
use crate::call::{Call, CallKind};
use crate::role::Permissions;
use crate::state::World;
use crate::switches::{ErrorShape, PermissionMissing};

/// One authorized call at work.
pub(crate) struct Desk<'call> {
    pub(crate) world: &'call mut World,
    pub(crate) caller: Caller,
    pub(crate) kind: CallKind,
    pub(crate) body: &'call [u8],
    pub(crate) query: Option<&'call str>,
    /// What no client of ours should have sent.
    pub(crate) problems: Vec<String>,
}

/// A call's good answer, or its refusal.
pub(crate) type Outcome = Result<Answer, Answer>;

impl Desk<'_> {
    /// Does the call.
    pub(crate) fn handle(&mut self, call: &Call) -> Answer {
        let outcome = match call {
            Call::TokenCreate { tokens } => self.create_token(*tokens),
            Call::TokenList => self.list_tokens(),
            Call::TokenDelete { client_id } => self.delete_token(client_id),
            Call::RoleList => self.list_roles(),
            Call::RoleCreate => self.create_role(),
            Call::RoleRead { role } => self.read_role(role),
            Call::RoleUpdate { role } => self.update_role(role),
            Call::RoleDelete { role } => self.delete_role(role),
            Call::CurrentOrg => self.current_org(),
            Call::UserList => self.list_users(),
            Call::DatabaseList => self.list_databases(),
            Call::AccessLists => self.database_access_lists(),
            Call::AclRead { organization } => self.read_acl(organization),
            Call::AclWrite { organization, replace } => self.write_acl(organization, *replace),
            Call::AclDelete { organization } => self.delete_acl(organization),
            Call::DataCommand { keyspace } => self.data_command(keyspace),
        };
        outcome.unwrap_or_else(|refusal| refusal)
    }

    /// Refuses unless the caller's roles allow one of these actions now.
    pub(crate) fn require(&self, actions: &[&str]) -> Result<Permissions, Answer> {
        let token = self.world.token(&self.caller.client_id);
        let permissions = token.map(|token| self.world.permissions(token)).unwrap_or_default();
        if permissions.allow_any(actions) {
            return Ok(permissions);
        }
        Err(match self.world.switches.permission_missing {
            // SPEC26.
            PermissionMissing::Forbidden => self.error(403, 340_004, "token lacks the permission for this call"),
            // TF#426.
            PermissionMissing::UnauthorizedNull => Answer::json(401, &Value::Null),
        })
    }

    /// The body as a JSON object; notes fields that are not in `known`.
    pub(crate) fn object(&mut self, known: &[&str]) -> Result<Map<String, Value>, Answer> {
        match serde_json::from_slice::<Value>(self.body) {
            Ok(Value::Object(object)) => {
                self.note_unknown(&object, known);
                Ok(object)
            }
            _ => Err(self.bad_request("the body is not a JSON object")),
        }
    }

    pub(crate) fn note_unknown(&mut self, object: &Map<String, Value>, known: &[&str]) {
        for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
            self.problems.push(format!("unknown field `{name}` in the body"));
        }
    }

    /// 400 for a body that no client of ours should send.
    pub(crate) fn bad_request(&mut self, problem: &str) -> Answer {
        self.problems.push(problem.to_owned());
        self.error(400, 340_005, problem)
    }

    /// An error in the shape set for this call, else in the shape seen most on it: a bare string
    /// on role calls (DOC-src, TF#72), an error object elsewhere (SPEC26).
    pub(crate) fn error(&self, status: u16, id: u32, message: &str) -> Answer {
        let recorded = match self.kind {
            CallKind::RoleList
            | CallKind::RoleCreate
            | CallKind::RoleRead
            | CallKind::RoleUpdate
            | CallKind::RoleDelete => ErrorShape::Text,
            _ => ErrorShape::Errors,
        };
        let shape = self.world.switches.error_shapes.get(&self.kind).copied();
        Answer::error(status, shape.unwrap_or(recorded), id, message)
    }
}
