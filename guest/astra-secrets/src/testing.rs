//! What tests of tokens share: a fake Astra that keeps state and misbehaves on
//! demand, and a mount that uses it. Requests go through the engine's own
//! table, as the server sends them; end states are asserted on both sides.

#![expect(clippy::unwrap_used, reason = "tests")]

mod fake_astra;

use std::collections::BTreeSet;
use std::time::Duration;

use secrets_framework::testing::{TestHost, lease_request, request, rollback_request};
use secrets_framework::{Error, Lease, Operation, Response, Secret};
use serde_json::{Value, json};

pub(crate) use fake_astra::{ASTRA, FakeAstra, Fault, GATEWAY, On};

use crate::BACKEND;
use crate::config::test_mount::Answered;

/// Two organizations with their admin tokens, both of which the fake Astra knows.
pub(crate) const ORG_A: &str = "11111111-aaaa-4aaa-8aaa-111111111111";
pub(crate) const ORG_B: &str = "22222222-bbbb-4bbb-8bbb-222222222222";
pub(crate) const ADMIN_A: &str = "AstraCS:AdminOfA:canaryA";
pub(crate) const ADMIN_B: &str = "AstraCS:AdminOfB:canaryB";

/// An Astra role ID.
pub(crate) const ROLE_ID: &str = "99999999-9999-4999-8999-999999999999";

/// The Astra role with which a token may list, make and delete tokens.
pub(crate) const ADMIN_ROLE_ID: &str = "aaaaaaaa-9999-4999-8999-999999999999";

/// More than `--wal-min-age`.
pub(crate) const LATER: Duration = Duration::from_secs(11 * 60);

/// One mount and its Astra.
#[derive(Clone)]
pub(crate) struct Mount {
    pub(crate) host: TestHost,
    pub(crate) astra: FakeAstra,
}

impl Mount {
    /// Organization A with the role `reader`, its index filled, nothing asked yet.
    pub(crate) fn new() -> Self {
        let host = TestHost::new();
        let astra = FakeAstra::new(&host);
        let mount = Self { host, astra };
        mount.configure(ORG_A, ADMIN_A, json!({}));
        mount.write_role(ORG_A, "reader", json!({ "role_id": ROLE_ID, "ttl": "1h", "max_ttl": "4h" }));
        mount.rollback().unwrap();
        mount.host.http.clear();
        mount.host.log.clear();
        mount.host.storage.clear_calls();
        mount
    }

    /// The same on a server without transactions.
    pub(crate) fn on_vault() -> Self {
        let mount = Self::new();
        mount.host.storage.set_transactional(false);
        mount
    }

    /// Writes a config with these fields, too.
    pub(crate) fn configure(&self, org_id: &str, token: &str, fields: Value) {
        let mut data = json!({ "astra_token": token });
        data.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.write(&format!("config/{org_id}"), data).0.unwrap();
    }

    /// Organization A wants no record of reads.
    pub(crate) fn record_no_reads(&self) {
        let key = format!("config/{ORG_A}");
        let mut config = self.host.storage.json(&key);
        config["record_reads"] = json!(false);
        self.host.storage.seed(&key, config.to_string());
    }

    /// Writes a role.
    pub(crate) fn write_role(&self, org_id: &str, role: &str, fields: Value) {
        let response = self.write(&format!("roles/{org_id}/{role}"), fields).0.unwrap();
        assert!(response.is_none_or(|response| !response.is_error()));
    }

    /// A write, as the server sends it.
    pub(crate) fn write(&self, path: &str, data: Value) -> Answered {
        let update = request(Operation::Update, path, data.clone());
        let exists = BACKEND.check_existence(&self.host, &update);
        let operation = if exists == Some(false) { Operation::Create } else { Operation::Update };
        self.send(operation, path, data)
    }

    /// Any other request.
    pub(crate) fn send(&self, operation: Operation, path: &str, data: Value) -> Answered {
        Answered(BACKEND.handle(&self.host, &request(operation, path, data)))
    }

    /// Makes a token by `creds/`.
    pub(crate) fn creds(&self) -> Answered {
        self.send(Operation::Read, &format!("creds/{ORG_A}/reader"), Value::Null)
    }

    /// Makes a token by `org/token`, with these fields, too.
    pub(crate) fn org_token(&self, fields: Value) -> Answered {
        let mut data = json!({ "org_id": ORG_A, "role_name": "reader" });
        data.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.write("org/token", data)
    }

    /// A rollback call.
    pub(crate) fn rollback(&self) -> Result<Option<Response>, Error> {
        BACKEND.handle(&self.host, &rollback_request(false))
    }

    /// The index was scanned just now, so the next call does not scan it.
    pub(crate) fn finish_index_scan(&self) {
        let now = secrets_framework::host::Clock::now(&*self.host.clock).as_secs();
        self.host.storage.seed("state/index", json!({ "complete": true, "walked": now }).to_string());
    }

    /// The tokens of static roles and the ends of admin tokens were looked at just now, so that the next call does not.
    pub(crate) fn has_looked(&self) {
        let now = secrets_framework::host::Clock::now(&*self.host.clock);
        let next = (now + crate::limits::HELD_LOOK_PERIOD).as_secs();
        self.host.storage.seed("state/held-look", json!({ "next": next }).to_string());
        self.host.storage.seed("state/admin-end", json!({ "next": next }).to_string());
    }

    /// Time passes, and the server's next rollback call settles what is left.
    pub(crate) fn rollback_later(&self) {
        self.host.clock.advance(LATER);
        self.rollback().unwrap();
    }

    /// Renews a lease.
    pub(crate) fn renew(&self, lease: Lease) -> Answered {
        Answered(BACKEND.handle(&self.host, &lease_request(Operation::Renew, "creds", lease)))
    }

    /// Revokes a lease.
    pub(crate) fn revoke(&self, lease: Lease) -> Answered {
        Answered(BACKEND.handle(&self.host, &lease_request(Operation::Revoke, "creds", lease)))
    }

    /// The lease that the server makes of a secret, now.
    pub(crate) fn lease(&self, secret: Secret) -> Lease {
        Lease {
            id: "creds/x".to_owned(),
            issue_time: secrets_framework::host::Clock::now(&*self.host.clock),
            ttl: secret.ttl,
            max_ttl: secret.max_ttl,
            increment: Duration::ZERO,
            renewable: secret.renewable,
            internal_data: secret.internal_data,
        }
    }

    /// Client IDs of the records.
    pub(crate) fn recorded(&self) -> BTreeSet<String> {
        let keys = self.host.storage.keys();
        let records = keys.iter().filter(|key| key.starts_with("token/"));
        records.map(|key| self.host.storage.json(key)["clientId"].as_str().unwrap().to_owned()).collect()
    }

    /// The key of a write-ahead entry of an organization.
    pub(crate) fn entry_key(org_id: &str, name: &str) -> String {
        format!("wal/{name}{:08x}", crate::mint::group_of(&crate::names::OrgId::stored(org_id)).0)
    }

    /// Write-ahead entries that are open.
    pub(crate) fn open_entries(&self) -> usize {
        self.host.storage.keys().iter().filter(|key| key.starts_with("wal/")).count()
    }

    /// The end state of a mount in order: the tokens in Astra are the recorded
    /// ones and no others, nothing is open, each index agrees, no lock is held.
    #[track_caller]
    pub(crate) fn assert_settled(&self, tokens: usize) {
        assert_eq!(self.astra.live(), self.recorded(), "tokens in Astra and records differ");
        assert_eq!(self.recorded().len(), tokens);
        assert_eq!(self.open_entries(), 0, "write-ahead entries are open");
        let count = |prefix: &str| self.host.storage.keys().iter().filter(|key| key.starts_with(prefix)).count();
        assert_eq!(count("client-index/"), tokens, "the index by client ID is off");
        self.assert_ends_are_queued();
        assert_eq!(self.host.locks.held(), Vec::<String>::new());
        self.assert_no_secret_logged();
    }

    /// Each record with an end has a task in the schedule queue, not later than its deadline.
    #[track_caller]
    pub(crate) fn assert_ends_are_queued(&self) {
        let queued = self.queued(Some("token"));
        for key in self.host.storage.keys().iter().filter(|key| key.starts_with("token/")) {
            let record = self.host.storage.json(key);
            let end = record["leaseEnd"].as_u64().unwrap_or_default();
            let name = format!(".{}.{}", record["orgId"].as_str().unwrap(), record["clientId"].as_str().unwrap());
            let is_in_time = |task: &&String| {
                let at: u64 = task.split('/').nth(3).unwrap()[..12].parse().unwrap();
                at <= end + crate::limits::LEASE_END_MARGIN.as_secs()
            };
            let of_token: Vec<&String> = queued.iter().filter(|task| task.contains(&name)).collect();
            assert!(end == 0 || of_token.iter().any(is_in_time), "{key} ends at {end}: {of_token:?}");
        }
    }

    /// The keys of the schedule queue, of one kind or of all.
    pub(crate) fn queued(&self, kind: Option<&str>) -> Vec<String> {
        let keys = self.host.storage.keys().into_iter().filter(|key| key.starts_with("queue/"));
        keys.filter(|key| kind.is_none_or(|kind| key.contains(&format!("/{kind}/")))).collect()
    }

    /// No line of the log holds anything secret.
    #[track_caller]
    pub(crate) fn assert_no_secret_logged(&self) {
        assert_no_secret(&self.host.log.text());
    }
}

/// A leased answer, taken apart.
pub(crate) struct Leased {
    pub(crate) data: Value,
    pub(crate) secret: Secret,
    pub(crate) warnings: Vec<String>,
}

impl Leased {
    /// Of an answer that must be leased.
    #[track_caller]
    pub(crate) fn of(answered: Answered) -> Self {
        let response = answered.0.unwrap().unwrap();
        assert!(!response.is_error(), "{response:?}");
        let data = serde_json::from_str(&response.data.unwrap()).unwrap();
        Self { data, secret: response.secret.unwrap(), warnings: response.warnings }
    }

    /// Its client ID.
    pub(crate) fn client_id(&self) -> String {
        self.data["clientId"].as_str().unwrap().to_owned()
    }
}

/// The key of a task in the schedule queue.
pub(crate) fn task_key(kind: &str, at: u64, what: &str) -> String {
    format!("queue/{:08}/{kind}/{at:012}.{what}", at / 3600)
}

/// Nothing of the admin tokens or of a token's secret halves is in `text`.
#[track_caller]
pub(crate) fn assert_no_secret(text: &str) {
    for secret in ["canary", "AstraCS:", "Bearer"] {
        assert!(!text.contains(secret), "{secret} in: {text}");
    }
}

/// A lease as the server gives it once more.
pub(crate) fn copy_of_lease(lease: &Lease) -> Lease {
    Lease {
        id: lease.id.clone(),
        issue_time: lease.issue_time,
        ttl: lease.ttl,
        max_ttl: lease.max_ttl,
        increment: lease.increment,
        renewable: lease.renewable,
        internal_data: lease.internal_data.clone(),
    }
}
