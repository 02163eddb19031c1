//! What tests of static roles do with a mount, and the end state that they ask for.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use secrets_framework::Operation;
use serde_json::{Value, json};

use crate::config::test_mount::Answered;
use crate::testing::{Mount, ORG_A, ROLE_ID, assert_no_secret, task_key};

/// The path of a static role of organization A.
pub(crate) fn path(name: &str) -> String {
    format!("static-roles/{ORG_A}/{name}")
}

impl Mount {
    /// Writes a static role with these fields, and one Astra role unless they name some.
    pub(crate) fn write_static(&self, name: &str, fields: Value) -> Answered {
        let mut data = json!({ "role_ids": [ROLE_ID] });
        data.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.write(&path(name), data)
    }

    /// Creates a static role that rotates each day; answers its token's client ID.
    pub(crate) fn daily(&self, name: &str) -> String {
        self.write_static(name, json!({ "rotation_period": "24h" })).done();
        self.static_token(name)
    }

    /// A read of `static-creds`.
    pub(crate) fn read_creds(&self, name: &str) -> Answered {
        self.send(Operation::Read, &format!("static-creds/{ORG_A}/{name}"), Value::Null)
    }

    /// The client ID that `static-creds` shows, alive in Astra.
    #[track_caller]
    pub(crate) fn static_token(&self, name: &str) -> String {
        let client_id = self.read_creds(name).data()["clientId"].as_str().unwrap().to_owned();
        assert!(self.astra.is_live(&client_id), "{client_id} has gone");
        client_id
    }

    /// Rotates by hand.
    pub(crate) fn rotate_static(&self, name: &str) -> Answered {
        self.send(Operation::Update, &format!("rotate-role/{ORG_A}/{name}"), json!({}))
    }

    /// A read of the static role.
    pub(crate) fn read_static(&self, name: &str) -> Value {
        self.send(Operation::Read, &path(name), Value::Null).data()
    }

    /// A delete of the static role.
    pub(crate) fn delete_static(&self, name: &str) -> Answered {
        self.send(Operation::Delete, &path(name), Value::Null)
    }

    /// The keys of storage below a prefix.
    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        self.host.storage.keys().into_iter().filter(|key| key.starts_with(prefix)).collect()
    }

    /// The end state of a mount in order that has static roles only: each role
    /// holds one token, `ending` others have their end, Astra has these and no
    /// more, each role has its one entry in the schedule queue, and nothing is open.
    #[track_caller]
    pub(crate) fn assert_static(&self, roles: usize, ending: usize) {
        assert_eq!(self.astra.live(), self.recorded(), "tokens in Astra and records differ");
        assert_eq!(self.recorded().len(), roles + ending, "{:?}", self.recorded());
        assert_eq!(self.open_entries(), 0, "write-ahead entries are open");
        assert_eq!(self.keys("client-index/").len(), roles + ending, "the index by client ID is off");
        self.assert_ends_are_queued();
        let stored: Vec<Value> = self.keys("static-role/").iter().map(|key| self.host.storage.json(key)).collect();
        assert_eq!(stored.len(), roles);
        let queued: BTreeSet<String> = self.queued(Some("rotate-static")).into_iter().collect();
        let due: BTreeSet<String> = stored
            .iter()
            .map(|role| {
                let name = role["name"].as_str().unwrap();
                task_key("rotate-static", role["due"].as_u64().unwrap(), &format!("{ORG_A}.{name}"))
            })
            .collect();
        assert_eq!(queued, due, "the schedule queue is off");
        for role in &stored {
            let record = self.host.storage.json(&format!("token/{}", role["client_id"].as_str().unwrap()));
            assert_eq!((&record["kind"], &record["leaseEnd"]), (&json!("static"), &Value::Null), "{role}");
        }
        assert_eq!(self.host.locks.held(), Vec::<String>::new());
        assert_no_secret(&self.host.log.text());
    }
}
