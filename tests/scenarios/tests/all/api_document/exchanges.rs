//! The exchanges of the page: the life of a mount, from its first config to its end.

use harness::{Outcome, Stage, Verb};
use serde_json::{Map, Value, json};

use super::method_of;
use super::stable::Stable;

/// One request and its answer, which are the same in every run.
pub(super) struct Exchange {
    /// The path in the table, such as `config/{org}`.
    pub(super) path: &'static str,
    pub(super) title: String,
    verb: Verb,
    /// The address after `/v1/astra/`, with its query.
    pub(super) address: String,
    body: Value,
    pub(super) status: u16,
    pub(super) answer: Value,
    pub(super) errors: Vec<String>,
}

impl Exchange {
    pub(super) fn is_success(&self) -> bool {
        self.status < 300
    }

    pub(super) fn method(&self) -> &'static str {
        method_of(self.verb)
    }

    /// Body of the request.
    pub(super) fn payload(&self) -> Option<&Value> {
        (self.verb == Verb::Write && self.body.as_object().is_some_and(|body| !body.is_empty())).then_some(&self.body)
    }
}

/// Records requests to one mount.
pub(super) struct Recorder<'a> {
    stage: &'a Stage,
    stable: Stable,
    pub(super) exchanges: Vec<Exchange>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(stage: &'a Stage, more_words: Vec<(String, String)>) -> Self {
        let astra = (stage.astra.url().to_owned(), "https://api.astra.datastax.com".to_owned());
        let words = more_words.into_iter().chain([astra]).collect();
        Self { stage, stable: Stable::new(words), exchanges: Vec::new() }
    }

    /// Records a request that succeeds; returns its answer.
    #[track_caller]
    pub(super) fn shows(&mut self, path: &'static str, title: &str, verb: Verb, at: &str, data: Value) -> Outcome {
        let outcome = self.record(path, title, verb, at, data);
        assert!(outcome.status < 300, "{title}: {outcome:#?}");
        outcome
    }

    /// Records a request that fails with this status.
    #[track_caller]
    pub(super) fn fails(&mut self, path: &'static str, title: &str, status: u16, verb: Verb, at: &str, data: Value) {
        let outcome = self.record(path, title, verb, at, data);
        assert_eq!(outcome.status, status, "{title}: {outcome:#?}");
    }

    /// Keeps only the metrics of these names in the last answer: they are the same in every run.
    pub(super) fn shorten_metrics(&mut self, names: &[&str]) {
        let answer = self.exchanges.last_mut().and_then(|exchange| exchange.answer.pointer_mut("/data/families"));
        if let Some(Value::Array(families)) = answer {
            families.retain(|family| family["name"].as_str().is_some_and(|name| names.contains(&name)));
        }
    }

    fn record(&mut self, path: &'static str, title: &str, verb: Verb, at: &str, data: Value) -> Outcome {
        let outcome = self.stage.ask(verb, at, data.clone());
        let query = if verb == Verb::Write { String::new() } else { query_of(&data) };
        self.exchanges.push(Exchange {
            path,
            title: title.to_owned(),
            verb,
            address: self.stable.text(&format!("{at}{query}")),
            body: self.stable.value(&data),
            status: outcome.status,
            answer: self.stable.value(&answer_of(&outcome)),
            errors: outcome.errors.iter().map(|error| self.stable.text(error)).collect(),
        });
        outcome
    }
}

fn query_of(data: &Value) -> String {
    let pairs = data.as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let query: Vec<String> = pairs.map(|(name, value)| format!("{name}={}", text(value))).collect();
    if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) }
}

/// The body of the server's answer, without the fields that every answer has.
fn answer_of(outcome: &Outcome) -> Value {
    let mut body = Map::new();
    if let Some(lease) = &outcome.lease {
        body.insert("lease_duration".to_owned(), lease.duration.into());
        body.insert("lease_id".to_owned(), lease.id.as_str().into());
        body.insert("renewable".to_owned(), lease.renewable.into());
    }
    if !outcome.data.is_null() {
        body.insert("data".to_owned(), outcome.data.clone());
    }
    if !outcome.warnings.is_empty() {
        body.insert("warnings".to_owned(), outcome.warnings.clone().into());
    }
    if body.is_empty() { Value::Null } else { body.into() }
}

/// The exchanges of the engine's part.
pub(super) fn of_the_engine(stage: &Stage) -> Vec<Exchange> {
    let mut recorder = Recorder::new(stage, Vec::new());
    configs(&mut recorder);
    roles(&mut recorder);
    leased_tokens(&mut recorder);
    stored_tokens(&mut recorder);
    static_roles(&mut recorder);
    care(&mut recorder);
    the_end(&mut recorder);
    recorder.exchanges
}

fn configs(recorder: &mut Recorder<'_>) {
    let stage = recorder.stage;
    let (alpha, beta, url) = (&stage.alpha, &stage.beta, stage.astra.url());
    let at = format!("config/{}", alpha.id);
    recorder.fails("config/{org}", "read an organization without a config", 404, Verb::Read, &at, Value::Null);
    let incomplete = json!({ "logical_name": "prod" });
    recorder.fails("config/{org}", "create a config without an admin token", 400, Verb::Write, &at, incomplete);
    let config = json!({ "astra_token": alpha.token, "logical_name": "prod", "rotation_period": "720h", "url": url });
    recorder.shows("config/{org}", "Configure an organization", Verb::Write, &at, config);
    recorder.shows("config/{org}", "Read a config", Verb::Read, &at, Value::Null);
    let elsewhere = json!({ "url": "https://api.dev.cloud.datastax.com" });
    recorder.fails("config/{org}", "change `url` without the admin token", 400, Verb::Write, &at, elsewhere);
    let named = "config/prod";
    recorder.fails("config/{org}", "put the logical name into the path", 400, Verb::Read, named, Value::Null);

    let config = json!({ "org_id": beta.id, "astra_token": beta.token, "logical_name": "staging", "url": url });
    recorder.shows("config", "Configure an organization", Verb::Write, "config", config);
    let other = json!({ "org_id": beta.id, "logical_name": "prod" });
    recorder.fails("config", "write a logical name that another organization has", 409, Verb::Write, "config", other);
    let named = json!({ "logical_name": "staging" });
    recorder.shows("config", "Read a config by its logical name", Verb::Read, "config", named);
    recorder.fails("config", "read without `org_id` and `logical_name`", 400, Verb::Read, "config", Value::Null);
    recorder.shows("config", "List the configs", Verb::List, "config", Value::Null);
    recorder.shows("configs", "List the configs", Verb::List, "configs", Value::Null);
}

fn roles(recorder: &mut Recorder<'_>) {
    let stage = recorder.stage;
    let org = &stage.alpha.id;
    let at = format!("config/{org}/sync-roles");
    let path = "config/{org}/sync-roles";
    recorder.shows(path, "Import the roles of Astra", Verb::Write, &at, json!({ "ttl": "1h", "max_ttl": "24h" }));
    let nobody = "config/00000000-0000-4000-8000-000000000001/sync-roles";
    recorder.fails(path, "import the roles of an organization without a config", 400, Verb::Write, nobody, json!({}));
    recorder.shows("sync-roles", "Show what an import would do", Verb::Write, "sync-roles", json!({ "dry_run": true }));

    let at = format!("roles/{org}/reader");
    let astra_role = stage.astra_role(&stage.alpha, "R/W User");
    let role = json!({ "role_id": astra_role, "ttl": "1h", "max_ttl": "24h" });
    recorder.shows("roles/{org}/{role}", "Write a role", Verb::Write, &at, role);
    recorder.shows("roles/{org}/{role}", "Read a role", Verb::Read, &at, Value::Null);
    let upper = format!("roles/{org}/Reader");
    recorder.fails("roles/{org}/{role}", "write a name in upper case", 400, Verb::Write, &upper, json!({}));
    let negative = json!({ "ttl": "-1h" });
    recorder.fails("roles/{org}/{role}", "write a negative duration", 400, Verb::Write, &at, negative);
    let nothing = format!("roles/{org}/nothing");
    recorder.fails("roles/{org}/{role}", "read a role that does not exist", 404, Verb::Read, &nothing, Value::Null);
    recorder.shows(
        "roles/{org}",
        "List the roles of an organization",
        Verb::List,
        &format!("roles/{org}"),
        Value::Null,
    );
    recorder.shows("roles", "List the roles of all organizations", Verb::List, "roles", Value::Null);

    let role = json!({ "org_id": org, "role_name": "writer", "role_id": astra_role, "ttl": "1h" });
    recorder.shows("role", "Write a role", Verb::Write, "role", role);
    let named = json!({ "org_id": "prod", "role_name": "writer" });
    recorder.shows("role", "Read a role, with the logical name of its organization", Verb::Read, "role", named.clone());
    recorder.shows("role", "Delete a role", Verb::Delete, "role", named);
    recorder.fails("role", "read without `role_name`", 400, Verb::Read, "role", json!({ "org_id": org }));
}

fn leased_tokens(recorder: &mut Recorder<'_>) {
    let org = &recorder.stage.alpha.id;
    let at = format!("creds/{org}/reader");
    let path = "creds/{org}/{role}";
    recorder.shows(path, "Make a token", Verb::Read, &at, Value::Null);
    let terms = json!({ "ttl": "30m", "metadata": { "team": "payments" } });
    recorder.shows(path, "Make a token with metadata and a shorter lease", Verb::Write, &at, terms);
    let nothing = format!("creds/{org}/nothing");
    recorder.fails(path, "make a token of a role that does not exist", 400, Verb::Read, &nothing, Value::Null);
    let bad = json!({ "ttl": "soon" });
    recorder.fails(path, "send a `ttl` that is no duration", 400, Verb::Write, &at, bad);
}

fn stored_tokens(recorder: &mut Recorder<'_>) {
    let org = &recorder.stage.alpha.id;
    let named = json!({ "org_id": org, "role_name": "reader", "logical_name": "billing-service" });
    let mut body = named.clone();
    body["metadata"] = json!({ "team": "payments" });
    let path = "org/token";
    let made = recorder.shows(path, "Make a token with a logical name", Verb::Write, path, body.clone());
    recorder.fails(
        path,
        "make a token with the same organization, role and logical name",
        409,
        Verb::Write,
        path,
        body,
    );
    recorder.shows(path, "Read the token again", Verb::Read, path, named);
    recorder.fails(path, "read without `org_id`", 400, Verb::Read, path, json!({ "role_name": "reader" }));
    recorder.shows("org/tokens", "List the tokens of all organizations", Verb::List, "org/tokens", Value::Null);

    let at = format!("tokens/{org}");
    recorder.shows("tokens/{org}", "List the first two tokens", Verb::List, &at, json!({ "limit": 2 }));
    let path = "tokens/{org}/{client_id}";
    let at = format!("tokens/{org}/{}", made.text("clientId"));
    recorder.shows(path, "Read the record of a token", Verb::Read, &at, Value::Null);
    recorder.shows(path, "Revoke a token", Verb::Delete, &at, Value::Null);
    let nothing = format!("tokens/{org}/nothing");
    recorder.fails(path, "read a token that this mount did not make", 404, Verb::Read, &nothing, Value::Null);
    reports(recorder);
}

fn reports(recorder: &mut Recorder<'_>) {
    let org = &recorder.stage.alpha.id;
    let of_team = json!({ "metadata.team": "payments" });
    recorder.shows("report", "Report the tokens of a team", Verb::Read, "report", of_team);
    recorder.fails(
        "report",
        "filter by a kind that there is not",
        400,
        Verb::Read,
        "report",
        json!({ "kind": "leased" }),
    );
    let (path, at) = ("report/{org}", format!("report/{org}"));
    recorder.shows(path, "Count the tokens of an organization", Verb::Read, &at, json!({ "summary": true }));
    let nobody = "report/00000000-0000-4000-8000-000000000001";
    recorder.fails(path, "report an organization without a config and tokens", 404, Verb::Read, nobody, Value::Null);
}

fn static_roles(recorder: &mut Recorder<'_>) {
    let stage = recorder.stage;
    let org = &stage.alpha.id;
    let at = format!("static-roles/{org}/reports");
    let path = "static-roles/{org}/{name}";
    let role = json!({
        "role_ids": [stage.astra_role(&stage.alpha, "R/W User")], "rotation_period": "24h", "grace_period": "1h",
    });
    recorder.shows(path, "Write a static role", Verb::Write, &at, role.clone());
    recorder.shows(path, "Read a static role", Verb::Read, &at, Value::Null);
    let never = format!("static-roles/{org}/never");
    let none = json!({ "role_ids": role["role_ids"] });
    recorder.fails(path, "write a static role without a schedule", 400, Verb::Write, &never, none);
    recorder.shows(
        "static-roles/{org}",
        "List the static roles",
        Verb::List,
        &format!("static-roles/{org}"),
        Value::Null,
    );
    let path = "static-creds/{org}/{name}";
    recorder.shows(path, "Read the current token", Verb::Read, &format!("static-creds/{org}/reports"), Value::Null);
    let nothing = format!("static-creds/{org}/nothing");
    recorder.fails(path, "read a static role that does not exist", 404, Verb::Read, &nothing, Value::Null);
    let path = "rotate-role/{org}/{name}";
    recorder.shows(path, "Rotate the token now", Verb::Write, &format!("rotate-role/{org}/reports"), json!({}));
    let nothing = format!("rotate-role/{org}/nothing");
    recorder.fails(path, "rotate a static role that does not exist", 400, Verb::Write, &nothing, json!({}));
}

fn care(recorder: &mut Recorder<'_>) {
    let org = &recorder.stage.alpha.id;
    let at = format!("config/{org}/check");
    recorder.shows("config/{org}/check", "Check an organization", Verb::Read, &at, Value::Null);
    let nobody = "config/00000000-0000-4000-8000-000000000001/check";
    let title = "check an organization without a config";
    recorder.fails("config/{org}/check", title, 404, Verb::Read, nobody, Value::Null);
    let at = format!("config/{org}/rotate-root");
    recorder.shows("config/{org}/rotate-root", "Rotate the admin token now", Verb::Write, &at, json!({}));
    let nobody = "config/00000000-0000-4000-8000-000000000001/rotate-root";
    let title = "rotate the admin token of an organization without a config";
    recorder.fails("config/{org}/rotate-root", title, 400, Verb::Write, nobody, json!({}));
    let dry = json!({ "org_id": org, "dry_run": true });
    recorder.shows("tidy", "Compare records with Astra's list, and change nothing", Verb::Write, "tidy", dry);
    recorder.shows("tidy", "Read the last result", Verb::Read, "tidy", Value::Null);
    let nobody = json!({ "org_id": "nothing" });
    recorder.fails("tidy", "tidy an organization without a config", 400, Verb::Write, "tidy", nobody);
    recorder.shows("info", "Read versions and counts", Verb::Read, "info", Value::Null);
}

fn the_end(recorder: &mut Recorder<'_>) {
    let (alpha, beta) = (&recorder.stage.alpha.id, &recorder.stage.beta.id);
    let at = format!("static-roles/{alpha}/reports");
    let title = "Delete a static role, and revoke its tokens";
    recorder.shows("static-roles/{org}/{name}", title, Verb::Delete, &at, Value::Null);
    recorder.shows("roles/{org}/{role}", "Delete a role", Verb::Delete, &format!("roles/{alpha}/reader"), Value::Null);
    let at = format!("config/{alpha}");
    let path = "config/{org}";
    recorder.fails(
        path,
        "delete a config while tokens of the organization are alive",
        400,
        Verb::Delete,
        &at,
        Value::Null,
    );
    let title = "Delete a config while tokens of the organization are alive";
    recorder.shows(path, title, Verb::Delete, &at, json!({ "force": true }));
    recorder.shows("config", "Delete a config", Verb::Delete, "config", json!({ "org_id": beta }));
}
