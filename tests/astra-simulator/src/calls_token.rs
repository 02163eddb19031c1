//! The token calls: make, list, revoke. There is no call that reads one or changes one.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, JSON};
use crate::clock::Timestamp;
use crate::crowd::Crowd;
use crate::desk::{Desk, Outcome};
use crate::role::{Permissions, texts};
use crate::switches::{
    AbsentFields, CreateFields, DescriptionLimit, Escalation, ExpiryBeyondMaximum, ExpiryPast, UnknownRole,
};
use crate::token::{Credential, Token, TokenState};

/// A token POST, checked.
struct Wanted {
    organization: String,
    roles: Vec<String>,
    description: String,
    expires: Option<Timestamp>,
}

impl Desk<'_> {
    /// `tokens` is true on `/v2/tokens`, where `orgId` may name a member of the enterprise.
    pub(crate) fn create_token(&mut self, tokens: bool) -> Outcome {
        let permissions = self.require(&["org-token-write"])?;
        let body = self.object(&["roles", "description", "tokenExpiry", "orgId"])?;
        let organization = self.target(&body, tokens)?;
        let roles = self.wanted_roles(&body, &organization)?;
        let description = self.wanted_description(&body)?;
        let expires = self.wanted_expiry(&body, &organization)?;
        let wanted = Wanted { organization, roles, description, expires };
        self.check_room(&wanted)?;
        self.check_escalation(&permissions, &wanted)?;
        Ok(self.make(wanted))
    }

    /// The organization the token is for. A foreign `orgId` counts on `/v2/tokens` only, from an
    /// enterprise to its members (DOC-ent, SPEC26); the SDK sends its own on both paths.
    fn target(&mut self, body: &Map<String, Value>, tokens: bool) -> Result<String, Answer> {
        let own = self.caller.organization.clone();
        let wanted = match body.get("orgId") {
            None | Some(Value::Null) => return Ok(own),
            Some(Value::String(id)) if *id == own => return Ok(own),
            Some(Value::String(id)) => id,
            Some(_) => return Err(self.bad_request("`orgId` is not a string")),
        };
        let found = self.world.organization(wanted);
        let is_member = found.is_some_and(|found| found.enterprise.as_ref() == Some(&own));
        if tokens && is_member {
            return Ok(wanted.clone());
        }
        Err(self.error(403, 340_004, "organization is not the token's own"))
    }

    fn wanted_roles(&mut self, body: &Map<String, Value>, organization: &str) -> Result<Vec<String>, Answer> {
        let roles = texts(body, "roles").unwrap_or_default();
        if roles.is_empty() {
            return Err(self.bad_request("`roles` is not a list of role IDs with at least one"));
        }
        let found = self.world.organization(organization);
        let known = |role: &String| found.is_some_and(|found| found.role(role).is_some());
        if roles.iter().all(known) {
            return Ok(roles);
        }
        match self.world.switches.unknown_role {
            // SPEC25 lists 404.
            UnknownRole::NotFound => Err(self.error(404, 340_006, "role not found")),
            UnknownRole::BadRequest => Err(self.error(400, 340_006, "role not found")),
            // TF#40: a token came out with role "N/A" and no access.
            UnknownRole::AcceptedWithoutAccess => Ok(roles),
        }
    }

    fn wanted_description(&mut self, body: &Map<String, Value>) -> Result<String, Answer> {
        let mut description = match body.get("description") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => return Err(self.bad_request("`description` is not a string")),
        };
        match self.world.switches.description {
            DescriptionLimit::Refused { bytes_max } if description.len() > bytes_max => {
                Err(self.error(400, 340_007, "description is too long"))
            }
            DescriptionLimit::Cut { bytes_max } if description.len() > bytes_max => {
                let mut end = bytes_max;
                while !description.is_char_boundary(end) {
                    end -= 1;
                }
                description.truncate(end);
                Ok(description)
            }
            _ => Ok(description),
        }
    }

    /// Without a `tokenExpiry` the organization's maximum applies (SPEC26, CLI).
    fn wanted_expiry(&mut self, body: &Map<String, Value>, organization: &str) -> Result<Option<Timestamp>, Answer> {
        let now = self.world.clock.now();
        let maximum = self
            .world
            .organization(organization)
            .and_then(|found| found.token_expiry_max)
            .map(|longest| now.plus(longest));
        let asked = match body.get("tokenExpiry") {
            None | Some(Value::Null) => return Ok(maximum),
            Some(value) => value.as_str().and_then(Timestamp::parse),
        };
        let Some(asked) = asked else {
            return Err(self.bad_request("`tokenExpiry` is not an RFC 3339 time"));
        };
        if asked <= now {
            return match self.world.switches.expiry_past {
                ExpiryPast::Refused => Err(self.error(400, 340_008, "tokenExpiry has passed")),
                ExpiryPast::AcceptedExpired => Ok(Some(asked)),
                ExpiryPast::Ignored => Ok(maximum),
            };
        }
        match (maximum, self.world.switches.expiry_beyond_maximum) {
            (Some(maximum), ExpiryBeyondMaximum::Refused) if asked > maximum => {
                Err(self.error(400, 340_009, "tokenExpiry is beyond the organization's maximum"))
            }
            (Some(maximum), ExpiryBeyondMaximum::Clamped) => Ok(Some(asked.min(maximum))),
            _ => Ok(Some(asked)),
        }
    }

    fn check_room(&self, wanted: &Wanted) -> Result<(), Answer> {
        let switches = &self.world.switches;
        if switches.roles_per_token_max.is_some_and(|most| wanted.roles.len() > most) {
            return Err(self.error(400, 340_010, "too many roles"));
        }
        let full = switches.tokens_max.is_some_and(|most| self.world.counts(&wanted.organization).live >= most);
        if full {
            return Err(self.error(400, 340_011, "too many tokens"));
        }
        Ok(())
    }

    /// A token can't make tokens with more permissions than its own (AWS docs). From enterprise
    /// to member only actions can be compared: resource names hold the organization's ID.
    fn check_escalation(&self, held: &Permissions, wanted: &Wanted) -> Result<(), Answer> {
        let Escalation::Refused { status } = self.world.switches.escalation else {
            return Ok(());
        };
        let Some(organization) = self.world.organization(&wanted.organization) else {
            return Ok(());
        };
        let is_own = wanted.organization == self.caller.organization;
        let covered = wanted
            .roles
            .iter()
            .filter_map(|role| organization.resolved_role(role))
            .all(|role| if is_own { held.cover(&role) } else { held.allow_all(&role.actions) });
        if covered { Ok(()) } else { Err(self.error(status, 340_013, "role exceeds the permissions of the token")) }
    }

    fn make(&mut self, wanted: Wanted) -> Answer {
        let made_by = Some(self.caller.client_id.clone());
        let credential =
            self.world.make_token(&wanted.organization, wanted.roles, wanted.description, wanted.expires, made_by);
        let body = self.world.token(&credential.client_id).map(|token| {
            let switches = &self.world.switches;
            create_body(&credential, token, switches.create_fields, switches.absent_fields)
        });
        let status = self.world.switches.create_status;
        let mut answer = Answer::json(status, &body.unwrap_or_default()).changed();
        answer.made_token = Some(credential.client_id);
        answer
    }

    pub(crate) fn list_tokens(&mut self) -> Outcome {
        self.require(&["org-token-read"])?;
        let mut listed = self.world.listed(&self.caller.organization);
        if self.world.switches.list_shuffled {
            self.world.noise.shuffle(&mut listed);
        }
        let absent = self.world.switches.absent_fields;
        let clients: Vec<ListedToken<'_>> = listed
            .iter()
            .filter_map(|client_id| self.world.token(client_id))
            .map(|token| ListedToken::new(token, absent))
            .collect();
        let crowd = self.world.organization(&self.caller.organization).and_then(|found| found.crowd.as_ref());
        Ok(Answer::new(200, Some(JSON), list_body(&clients, crowd)))
    }

    pub(crate) fn delete_token(&mut self, client_id: &str) -> Outcome {
        self.require(&["org-token-write"])?;
        let (now, lag) = (self.world.clock.now(), self.world.lag);
        let own = |token: &&Token| token.organization == self.caller.organization;
        // The client ID is matched with case; another organization's token is as unknown (TF#44).
        let known = self.world.token(client_id).filter(own);
        let Some(token) = known.filter(|token| token.state(now) != TokenState::Revoked) else {
            let shows = known.is_some_and(|token| lag.accepts_deleted(token, now));
            return Err(self.unknown_token(shows));
        };
        if token.client_id == self.caller.client_id && !self.world.switches.delete_self {
            return Err(self.error(403, 340_014, "a token can't delete itself"));
        }
        self.world.revoke(client_id, now);
        // SPEC26 says 200; VP fails on anything but 204; AWS takes both.
        Ok(Answer::empty(self.world.switches.delete_status).changed())
    }

    /// Answer to a DELETE of what is not there. While a delete trails behind, a repeated one
    /// succeeds as the first did.
    fn unknown_token(&self, still_shows: bool) -> Answer {
        let switches = &self.world.switches;
        match switches.delete_unknown_status {
            _ if still_shows => Answer::empty(switches.delete_status),
            status if status < 300 => Answer::empty(status),
            status => self.error(status, 340_015, "token not found"),
        }
    }
}

/// The answer to a POST (DOC-src; `tokenExpiry` and `description` SPEC26).
fn create_body(credential: &Credential, token: &Token, fields: CreateFields, absent: AbsentFields) -> Value {
    let mut body = json!({
        "clientId": credential.client_id,
        "secret": credential.secret,
        "orgId": token.organization,
        "roles": token.roles,
        "token": credential.token,
    });
    let listed = ListedToken::new(token, absent);
    if let Some(object) = body.as_object_mut() {
        if fields != CreateFields::Spec {
            object.insert("generatedOn".into(), token.generated_on.with_nanoseconds().into());
        }
        if fields != CreateFields::Old {
            if let Some(description) = listed.description {
                object.insert("description".into(), description.into());
            }
            if let Some(expiry) = listed.token_expiry {
                object.insert("tokenExpiry".into(), expiry.map_or(Value::Null, Value::String));
            }
        }
    }
    body
}

/// The answer to a GET: one object, the whole list (SDK, CLI fixtures, DOC-src).
fn list_body(clients: &[ListedToken<'_>], crowd: Option<&[Crowd; 2]>) -> Vec<u8> {
    let clients = serde_json::to_string(clients).unwrap_or_default();
    let own = clients.trim_start_matches('[').trim_end_matches(']');
    let [before, after] = crowd.map_or(["", ""], |crowd| crowd.each_ref().map(Crowd::entries));
    let entries: Vec<&str> = [before, own, after].into_iter().filter(|entries| !entries.is_empty()).collect();
    format!(r#"{{"clients":[{}]}}"#, entries.join(",")).into_bytes()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedToken<'world> {
    client_id: &'world str,
    roles: &'world [String],
    generated_on: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'world str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_expiry: Option<Option<String>>,
}

impl<'world> ListedToken<'world> {
    fn new(token: &'world Token, absent: AbsentFields) -> Self {
        let description = token.description.as_str();
        let expiry = token.expires.map(Timestamp::with_milliseconds);
        let shown = absent == AbsentFields::Shown;
        Self {
            client_id: &token.client_id,
            roles: &token.roles,
            generated_on: token.generated_on.with_milliseconds(),
            description: (shown || !description.is_empty()).then_some(description),
            token_expiry: (shown || expiry.is_some()).then_some(expiry),
        }
    }
}
