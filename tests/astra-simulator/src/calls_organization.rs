//! The calls about the organization itself: which one it is, its users, databases, what is in these, and lists of
//! addresses. Enough to check a token, to page, and to turn an access list on.

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::call::query_value;
use crate::desk::{Desk, Outcome};
use crate::organization::Database;
use crate::switches::RoleFields;

impl Desk<'_> {
    /// Works as a check of any token, of any role (SPEC26, SDK, AWS).
    pub(crate) fn current_org(&mut self) -> Outcome {
        Ok(Answer::json(200, &json!({"id": self.caller.organization})))
    }

    /// Field names are split as those of roles are: lower case in SPEC26, upper in DOC-src.
    pub(crate) fn list_users(&mut self) -> Outcome {
        self.require(&["org-user-read"])?;
        let Some(own) = self.own() else { return Ok(Answer::json(200, &Value::Null)) };
        let administrator = own.role_named("Organization Administrator");
        let role = administrator.map(|role| (role.id.as_str(), role.name.as_str()));
        let (role_id, role_name) = role.unwrap_or_default();
        let body = match self.world.switches.role_fields {
            RoleFields::Lower => json!({
                "orgID": own.id,
                "orgName": own.name,
                "users": [{
                    "userID": own.user,
                    "email": "admin@example.com",
                    "status": "active",
                    "roles": [{"id": role_id, "name": role_name}],
                }],
            }),
            RoleFields::Upper => json!({
                "OrgID": own.id,
                "OrgName": own.name,
                "Users": [{
                    "UserID": own.user,
                    "Email": "admin@example.com",
                    "Status": "active",
                    "Roles": [{"ID": role_id, "Name": role_name}],
                }],
            }),
        };
        Ok(Answer::json(200, &body))
    }

    /// A bare array; the last ID of a page is the next one's `starting_after` (SPEC26). An
    /// enterprise has no databases (DOC-ent).
    pub(crate) fn list_databases(&mut self) -> Outcome {
        self.require(&["org-db-view"])?;
        let limit = query_value(self.query, "limit").map_or(Ok(LIMIT_DEFAULT), |text| text.parse());
        let Ok(limit @ 1..=LIMIT_MAX) = limit else {
            return Err(self.bad_request("`limit` is not a number from 1 to 100"));
        };
        let databases = self.own().map(|own| own.databases.as_slice()).unwrap_or_default();
        let first = match query_value(self.query, "starting_after") {
            None => 0,
            Some(after) => {
                databases.iter().position(|database| database.id == after).map_or(databases.len(), |index| index + 1)
            }
        };
        let page: Vec<Value> =
            databases.iter().skip(first).take(limit).map(|database| self.show_database(database)).collect();
        Ok(Answer::json(200, &Value::Array(page)))
    }

    fn show_database(&self, database: &Database) -> Value {
        json!({
            "id": database.id,
            "orgId": self.caller.organization,
            "ownerId": self.own().map(|own| own.user.clone()),
            "info": {
                "name": database.name,
                "keyspace": KEYSPACE,
                "keyspaces": [KEYSPACE],
                "cloudProvider": "AWS",
                "region": REGION,
                // astrapy makes the address of the Data API of the ID and of these regions.
                "datacenters": [{
                    "id": format!("{}-1", database.id),
                    "name": "dc-1",
                    "tier": "serverless",
                    "cloudProvider": "AWS",
                    "region": REGION,
                    "status": "ACTIVE",
                }],
            },
            "status": "ACTIVE",
        })
    }

    /// Enough of the Data API for a client to learn whether its token works: the collections of a keyspace, of which there
    /// are none (SDK). What a command cannot do is an error in an answer with status 200.
    pub(crate) fn data_command(&mut self, keyspace: &str) -> Outcome {
        self.require(&["db-cql"])?;
        let command = self.object(&["findCollections"])?;
        let answer = if keyspace != KEYSPACE {
            command_error("KEYSPACE_DOES_NOT_EXIST", "the keyspace does not exist")
        } else if command.contains_key("findCollections") {
            json!({"status": {"collections": []}})
        } else {
            command_error("COMMAND_UNKNOWN", "the simulator knows `findCollections` only")
        };
        Ok(Answer::json(200, &answer))
    }

    /// Access lists of databases: none of ours has one (SPEC26: a bare array).
    pub(crate) fn database_access_lists(&mut self) -> Outcome {
        self.require(&["accesslist-read"])?;
        Ok(Answer::json(200, &json!([])))
    }

    pub(crate) fn read_acl(&mut self, organization: &str) -> Outcome {
        self.require(&["accesslist-read"])?;
        self.require_own(organization)?;
        Ok(Answer::json(200, &self.show_acl()))
    }

    /// Turns the access list of the DevOps API on (SPEC26, DOC-acl).
    pub(crate) fn write_acl(&mut self, organization: &str, replace: bool) -> Outcome {
        self.require(&["accesslist-write"])?;
        self.require_own(organization)?;
        let body = self.object(&["addresses"])?;
        let Some(addresses) = addresses(&body) else {
            return Err(self.bad_request("`addresses` is not a list of objects with `address`"));
        };
        if let Some(own) = self.own_mut() {
            let list = own.access_list.get_or_insert_with(Vec::new);
            if replace {
                list.clear();
            }
            list.extend(addresses);
        }
        Ok(Answer::json(200, &self.show_acl()).changed())
    }

    pub(crate) fn delete_acl(&mut self, organization: &str) -> Outcome {
        self.require(&["accesslist-write"])?;
        self.require_own(organization)?;
        if let Some(own) = self.own_mut() {
            own.access_list = None;
        }
        Ok(Answer::empty(204).changed())
    }

    fn require_own(&self, organization: &str) -> Result<(), Answer> {
        if organization == self.caller.organization {
            Ok(())
        } else {
            Err(self.error(403, 340_004, "organization is not the token's own"))
        }
    }

    fn show_acl(&self) -> Value {
        let list = self.own().and_then(|own| own.access_list.clone());
        let enabled = list.is_some();
        let addresses: Vec<Value> =
            list.unwrap_or_default().iter().map(|address| json!({"address": address, "enabled": true})).collect();
        json!({"enabled": enabled, "addresses": addresses})
    }
}

fn command_error(code: &str, message: &str) -> Value {
    json!({"errors": [{"errorCode": code, "message": message}]})
}

fn addresses(body: &Map<String, Value>) -> Option<Vec<String>> {
    let items = body.get("addresses")?.as_array()?;
    items.iter().map(|item| item.get("address").and_then(Value::as_str).map(str::to_owned)).collect()
}

/// Of every database.
const KEYSPACE: &str = "default_keyspace";
const REGION: &str = "us-east-2";

const LIMIT_DEFAULT: usize = 25;
const LIMIT_MAX: usize = 100;
