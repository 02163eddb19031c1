//! A mount for tests of configs and roles: requests go through the engine's
//! own table, existence check included, as the server sends them.

#![expect(clippy::unwrap_used, reason = "tests")]

use secrets_framework::host::{HttpError, HttpResponse};
use secrets_framework::testing::{TestHost, request};
use secrets_framework::{Error, Operation, Response, Sensitive};
use serde_json::{Value, json};

use crate::BACKEND;

/// Two organizations, and their admin tokens.
pub(crate) const ORG_A: &str = "11111111-aaaa-4aaa-8aaa-111111111111";
pub(crate) const ORG_B: &str = "22222222-bbbb-4bbb-8bbb-222222222222";
pub(crate) const TOKEN_A: &str =
    "AstraCS:AdminClientOfOrgAaaaaaaa:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const TOKEN_B: &str =
    "AstraCS:AdminClientOfOrgBbbbbbbb:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// An Astra role ID.
pub(crate) const ROLE_ID: &str = "99999999-9999-4999-8999-999999999999";

/// One mount.
#[derive(Clone, Default)]
pub(crate) struct Mount {
    /// All that is outside.
    pub(crate) host: TestHost,
}

/// What a request came to.
#[derive(Debug)]
pub(crate) struct Answered(pub(crate) Result<Option<Response>, Error>);

impl Mount {
    /// A mount whose Astra knows the two organizations, with no roles.
    pub(crate) fn new() -> Self {
        let mount = Self::default();
        mount.script_astra(&[(TOKEN_A, ORG_A, json!([])), (TOKEN_B, ORG_B, json!([]))]);
        mount
    }

    /// A mount with organization A configured.
    pub(crate) fn with_org_a() -> Self {
        let mount = Self::new();
        mount.write(&format!("config/{ORG_A}"), json!({ "astra_token": TOKEN_A })).done();
        mount.host.http.clear();
        mount
    }

    /// Scripts Astra: for each token its organization, and the roles it lists.
    pub(crate) fn script_astra(&self, orgs: &[(&'static str, &'static str, Value)]) {
        let orgs = orgs.to_vec();
        self.host.http.script(move |request| {
            let Some((_, org_id, roles)) = orgs.iter().find(|(token, ..)| request.bearer.expose() == token) else {
                return Ok(http_answer(401, &json!({ "errors": [{ "ID": 340018, "message": "not found" }] })));
            };
            // A gateway may put a path before Astra's.
            let path = &request.path_and_query;
            Ok(if path.ends_with("/v2/currentOrg") {
                http_answer(200, &json!({ "id": org_id }))
            } else if path.ends_with("/v2/organizations/roles") {
                http_answer(200, roles)
            } else {
                http_answer(404, &Value::Null)
            })
        });
    }

    /// Makes Astra answer everything with `status`.
    pub(crate) fn script_status(&self, status: u16) {
        self.host.http.script(move |_| Ok(http_answer(status, &Value::Null)));
    }

    /// Makes every request to Astra fail.
    pub(crate) fn script_error(&self, error: HttpError) {
        self.host.http.script(move |_| Err(error.clone()));
    }

    /// A write, as the server sends it: the existence check decides between create and update.
    pub(crate) fn write(&self, path: &str, data: Value) -> Answered {
        let update = request(Operation::Update, path, data.clone());
        let exists = BACKEND.check_existence(&self.host, &update);
        let operation = if exists == Some(false) { Operation::Create } else { Operation::Update };
        self.send(operation, path, data)
    }

    /// A write without the existence check.
    pub(crate) fn update(&self, path: &str, data: Value) -> Answered {
        self.send(Operation::Update, path, data)
    }

    /// A read.
    pub(crate) fn read(&self, path: &str, data: Value) -> Answered {
        self.send(Operation::Read, path, data)
    }

    /// A delete.
    pub(crate) fn delete(&self, path: &str, data: Value) -> Answered {
        self.send(Operation::Delete, path, data)
    }

    /// A list.
    pub(crate) fn list(&self, path: &str) -> Answered {
        self.send(Operation::List, path, Value::Null)
    }

    /// Would a write create?
    pub(crate) fn exists(&self, path: &str, data: Value) -> bool {
        BACKEND.check_existence(&self.host, &request(Operation::Update, path, data)).unwrap()
    }

    /// Puts a token's record into storage, as the Go plugin wrote it.
    pub(crate) fn seed_token(&self, org_id: &str, client_id: &str) {
        let record = json!({
            "clientId": client_id, "secret": "canary-secret", "orgId": org_id, "roleName": "reader", "roles": [ROLE_ID],
            "token": "AstraCS:canary", "generatedOn": "2021-04-30T19:38:26.147847107Z", "logicalName": "", "metadata": null,
        });
        self.host.storage.seed(&format!("token/{client_id}"), record.to_string());
        // It was there before the mount was ours.
        self.host.storage.remove("state/index");
    }

    /// The paths asked of Astra so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.host
            .http
            .requests()
            .into_iter()
            .map(|request| format!("{}{}", request.origin, request.path_and_query))
            .collect()
    }

    pub(crate) fn send(&self, operation: Operation, path: &str, data: Value) -> Answered {
        Answered(BACKEND.handle(&self.host, &request(operation, path, data)))
    }
}

impl Answered {
    /// The data of a success.
    #[track_caller]
    pub(crate) fn data(self) -> Value {
        let response = self.0.unwrap().unwrap();
        assert!(!response.is_error(), "{response:?}");
        serde_json::from_str(&response.data.unwrap()).unwrap()
    }

    /// A success without data or warnings: 204 on a write.
    #[track_caller]
    pub(crate) fn done(self) {
        if let Some(response) = self.0.unwrap() {
            panic!("not done in silence: {response:?}");
        }
    }

    /// Nothing there: 404 on a read or list.
    #[track_caller]
    pub(crate) fn missing(self) {
        self.done();
    }

    /// The warnings of a success.
    #[track_caller]
    pub(crate) fn warnings(self) -> Vec<String> {
        let response = self.0.unwrap().unwrap();
        assert!(!response.is_error(), "{response:?}");
        response.warnings
    }

    /// The sentence of a 400.
    #[track_caller]
    pub(crate) fn mistake(self) -> String {
        let response = self.0.unwrap().unwrap();
        assert!(response.is_error(), "{response:?}");
        let data: Value = serde_json::from_str(&response.data.unwrap()).unwrap();
        data["error"].as_str().unwrap().to_owned()
    }

    /// The error of a failure, and its status where it has one of its own.
    #[track_caller]
    pub(crate) fn failed(self) -> (Option<u16>, String) {
        let error = self.0.unwrap_err();
        let code = match &error {
            Error::Coded { code, .. } => Some(*code),
            _ => None,
        };
        (code, error.to_string())
    }
}

/// An answer of Astra's.
pub(crate) fn http_answer(status: u16, body: &Value) -> HttpResponse {
    HttpResponse {
        status,
        retry_after: None,
        upstream_request_id: None,
        date: None,
        body: Sensitive::new(body.to_string().into_bytes()),
    }
}
