//! A recorded run of the Go plugin 2.0.0: requests and answers, the plugin's stored entries, its leases in the server's
//! form, and the real organization of each token. All IDs and secrets in the recording are made up.
//!
//! A stage that takes the recording over has an Astra with exactly the recorded tokens. The simulator's URL replaces
//! the recorded one, and all times are moved so that the recording ended just now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use astra_simulator::{Credential, PlantedToken, Simulator};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::openbao::{Server, ServerKind};
use crate::stage::{openbao_on, simulator_settings, start_simulator};
use crate::{DriverKind, Stage, StageOptions};

const RECORDED: &str = include_str!("go_plugin/recorded.json");

/// Placeholder of the upstream's URL in the recording.
const URL_PLACEHOLDER: &str = "ASTRA";

/// Go's zero time, which means "never".
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// IDs of the recording's organizations `alpha` and `beta`.
const ORGANIZATIONS: [&str; 2] = ["11111111-aaaa-4aaa-8aaa-111111111111", "22222222-bbbb-4bbb-8bbb-222222222222"];

/// The recorded run, with URL and times replaced.
pub struct Recording {
    /// Requests and answers, in order.
    pub exchanges: Vec<Exchange>,
    /// Entries of the mount's storage at the end, by key.
    pub storage: Map<String, Value>,
    /// The leases at the end, in order of their creation.
    pub leases: Vec<RecordedLease>,
    /// The tokens by client ID, with their real organizations. Includes the admin tokens.
    pub tokens: BTreeMap<String, RecordedToken>,
}

/// One request to the Go plugin, and its answer.
pub struct Exchange {
    /// A remark about the request; often empty.
    pub note: String,
    /// The HTTP method.
    pub method: String,
    /// The path below the mount, without its query.
    pub path: String,
    /// Parameters of the query, or the body.
    pub data: Value,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The whole answer; null where it has no body.
    pub answer: Value,
}

/// One lease of the Go plugin.
pub struct RecordedLease {
    /// ID of the lease, with the mount's path.
    pub id: String,
    /// The client ID in the lease's internal data; empty for the token that was never made.
    pub client_id: String,
    /// The organization in the lease's internal data.
    pub org_id: String,
    /// The entry in the server's form.
    pub entry: Value,
}

/// One token in Astra.
pub struct RecordedToken {
    /// The organization to which the token really belongs.
    pub org_id: String,
    /// The token's text.
    pub token: String,
}

impl Recording {
    /// The token of this client ID.
    ///
    /// # Panics
    /// When the recording has none.
    #[track_caller]
    pub fn token(&self, client_id: &str) -> &RecordedToken {
        self.tokens.get(client_id).unwrap_or_else(|| panic!("the recording has no token `{client_id}`"))
    }

    /// The lease of this logical name.
    ///
    /// # Panics
    /// When the recording has none.
    #[track_caller]
    pub fn lease_of(&self, logical_name: &str) -> &RecordedLease {
        let is_it = |lease: &&RecordedLease| lease.entry["data"]["logicalName"] == logical_name;
        self.leases.iter().find(is_it).unwrap_or_else(|| panic!("the recording has no lease of `{logical_name}`"))
    }

    /// The lease of the token that the Go plugin stored although Astra had made none.
    #[track_caller]
    pub fn empty_lease(&self) -> &RecordedLease {
        self.lease_of("empty")
    }

    /// The lease of the token that the Go plugin made in another organization than its record says.
    ///
    /// # Panics
    /// When the recording has none.
    #[track_caller]
    pub fn misplaced_lease(&self) -> &RecordedLease {
        let is_it = |lease: &&RecordedLease| {
            self.tokens.get(&lease.client_id).is_some_and(|token| token.org_id != lease.org_id)
        };
        self.leases.iter().find(is_it).unwrap_or_else(|| panic!("the recording has no token in another organization"))
    }
}

/// A mount on this driver with the recorded data of the Go plugin, leases included, and an Astra with exactly the
/// recorded tokens.
///
/// # Panics
/// When the recording cannot be read or planted.
pub fn taken_over(kind: DriverKind, options: &StageOptions) -> (Stage, Recording) {
    let mut recorded: Value = serde_json::from_str(RECORDED).unwrap_or_else(|error| panic!("the recording: {error}"));
    move_times_to_now(&mut recorded);
    let astra = astra_of(&recorded, options);
    replace_url(&mut recorded, astra.url());
    let recording = read(&recorded);
    let stage = match kind {
        DriverKind::Native | DriverKind::Component | DriverKind::PlayedVault => {
            let stage = Stage::on_astra(kind, options, astra);
            let fake = stage.fake();
            recording.storage.iter().for_each(|(key, entry)| fake.storage.seed(key, entry));
            recording.leases.iter().for_each(|lease| fake.plant_lease(&lease.entry));
            stage
        }
        DriverKind::OpenBao => on_a_server_of_its_own(options, astra, &recording),
    };
    (stage, recording)
}

/// The server loads leases when it is unsealed, so both are written to its storage before that.
fn on_a_server_of_its_own(options: &StageOptions, astra: Simulator, recording: &Recording) -> Stage {
    let server = Arc::new(Server::start(ServerKind::Raft));
    let driver = openbao_on(Arc::clone(&server), "astra", options, Some(astra.url().to_owned()));
    for (key, entry) in &recording.storage {
        server.put_entry(driver.mount_point(), key, entry);
    }
    for lease in &recording.leases {
        server.put_lease(&lease.id, &lease.entry);
    }
    server.seal();
    server.unseal();
    let stage = Stage::with_driver(Arc::new(driver), astra);
    let mut known = stage.driver.leases();
    let mut planted: Vec<String> = recording.leases.iter().map(|lease| lease.id.clone()).collect();
    known.sort();
    planted.sort();
    assert_eq!(known, planted, "the server took the entries for leases");
    stage
}

/// An Astra with the recorded organizations, roles and tokens.
fn astra_of(recorded: &Value, options: &StageOptions) -> Simulator {
    let mut settings = simulator_settings(options);
    for (organization, id) in settings.organizations.iter_mut().zip(ORGANIZATIONS) {
        let (admin, admin_role) = admin_of(recorded, id);
        organization.id = Some(id.to_owned());
        organization.bootstrap_credential = Some(admin);
        organization.built_in_role_ids = vec![
            ("Organization Administrator".to_owned(), admin_role),
            ("R/W User".to_owned(), text(&recorded["storage"][format!("role/{id}:reader")]["role_id"])),
        ];
    }
    let astra = start_simulator(settings);
    for (client_id, place) in object(&recorded["tokens_in_astra"]) {
        let credential = credential_of(recorded, client_id);
        // Each admin token belongs to its organization.
        if credential.secret.is_empty() {
            continue;
        }
        let planted = PlantedToken {
            credential,
            roles: list(&place["roles"]).iter().map(text).collect(),
            description: text(&place["description"]),
            generated_on: text(&place["generatedOn"]),
        };
        astra.plant_token(&text(&place["orgId"]), &planted);
    }
    astra
}

/// The admin token of an organization, and its role.
fn admin_of(recorded: &Value, org_id: &str) -> (Credential, String) {
    let token = text(&recorded["storage"][format!("config/{org_id}")]["astra_token"]);
    let client_id = client_id_of(&token);
    let role = text(&recorded["tokens_in_astra"][&client_id]["roles"][0]);
    (Credential { client_id, secret: String::new(), token }, role)
}

/// A token in the form of the storage; without a secret for an admin token.
fn credential_of(recorded: &Value, client_id: &str) -> Credential {
    let entries = object(&recorded["storage"]);
    let stored = entries.values().find(|entry| entry["clientId"] == client_id);
    let stored_as_admin = || {
        let tokens = entries.values().map(|entry| text(&entry["astra_token"]));
        tokens.into_iter().find(|token| client_id_of(token) == client_id)
    };
    match stored {
        Some(entry) => {
            Credential { client_id: client_id.to_owned(), secret: text(&entry["secret"]), token: text(&entry["token"]) }
        }
        None => Credential {
            client_id: client_id.to_owned(),
            secret: String::new(),
            token: stored_as_admin().unwrap_or_else(|| panic!("the recording does not store the token `{client_id}`")),
        },
    }
}

fn read(recorded: &Value) -> Recording {
    let mut leases: Vec<RecordedLease> = object(&recorded["leases"])
        .iter()
        .map(|(id, lease)| {
            let internal = &lease["entry"]["secret"]["internal_data"];
            RecordedLease {
                id: id.clone(),
                client_id: text(&internal["clientId"]),
                org_id: text(&internal["orgId"]),
                entry: lease["entry"].clone(),
            }
        })
        .collect();
    leases.sort_by_key(|lease| time(&lease.entry["issue_time"]));
    let tokens = object(&recorded["tokens_in_astra"]).iter().map(|(client_id, place)| {
        let token = RecordedToken { org_id: text(&place["orgId"]), token: credential_of(recorded, client_id).token };
        (client_id.clone(), token)
    });
    Recording {
        exchanges: list(&recorded["exchanges"]).iter().map(exchange).collect(),
        storage: object(&recorded["storage"]).clone(),
        leases,
        tokens: tokens.collect(),
    }
}

fn exchange(recorded: &Value) -> Exchange {
    let target = text(&recorded["path"]);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let parameters = query.split('&').filter_map(|pair| pair.split_once('='));
    let query: Map<String, Value> = parameters.map(|(name, value)| (name.to_owned(), json!(value))).collect();
    Exchange {
        note: text(&recorded["note"]),
        method: text(&recorded["method"]),
        path: path.to_owned(),
        data: if query.is_empty() { recorded["body"].clone() } else { Value::Object(query) },
        status: recorded["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default(),
        answer: recorded["answer"].clone(),
    }
}

/// Moves every time forward by the time since the recording's last lease.
fn move_times_to_now(recorded: &mut Value) {
    let issued = object(&recorded["leases"]).values().filter_map(|lease| time(&lease["entry"]["issue_time"]));
    let end = issued.max().unwrap_or_else(|| panic!("the recording has no lease"));
    let by = now() - end;
    each_text(recorded, &|text| {
        let moved = time(&json!(text)).filter(|_| text != ZERO_TIME)? + by;
        moved.format(&Rfc3339).ok()
    });
}

fn replace_url(recorded: &mut Value, url: &str) {
    each_text(recorded, &|text| (text == URL_PLACEHOLDER).then(|| url.to_owned()));
}

/// Replaces each text of a value for which `other` returns a replacement.
fn each_text(value: &mut Value, other: &impl Fn(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(other) = other(text) {
                *text = other;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, other)),
        Value::Object(fields) => fields.values_mut().for_each(|field| each_text(field, other)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn now() -> OffsetDateTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    OffsetDateTime::UNIX_EPOCH + since
}

fn time(value: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(value.as_str()?, &Rfc3339).ok()
}

fn client_id_of(token: &str) -> String {
    token.split(':').nth(1).unwrap_or_default().to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("the recording has no object where one is expected: {value}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::canary::find_secret;

    fn native() -> (Stage, Recording) {
        taken_over(DriverKind::Native, &StageOptions::default())
    }

    #[test]
    fn astra_holds_exactly_the_recorded_tokens_where_they_really_live() {
        let (stage, recording) = native();
        let mut held = BTreeMap::new();
        for org in [&stage.alpha, &stage.beta] {
            held.extend(stage.astra.tokens(&org.id).into_iter().map(|token| (token.client_id, token.organization)));
        }
        let recorded = recording.tokens.iter().map(|(client_id, token)| (client_id.clone(), token.org_id.clone()));
        assert_eq!(held, recorded.collect());
        assert!(recording.tokens.values().all(|token| stage.works(&token.token)));
    }

    #[test]
    fn the_recorded_url_and_times_are_those_of_this_run() {
        let (stage, recording) = native();
        let all = Value::Object(recording.storage.clone()).to_string();
        assert!(!all.contains(&format!("\"{URL_PLACEHOLDER}\"")) && all.contains(stage.astra.url()), "{all}");
        for lease in &recording.leases {
            let issued = time(&lease.entry["issue_time"]).unwrap();
            assert!((now() - issued).whole_seconds() < 3_600, "the lease `{}` was issued at {issued}", lease.id);
            assert_eq!(lease.entry["last_renewal_time"], ZERO_TIME);
        }
    }

    #[test]
    fn the_leases_are_the_recorded_ones_the_empty_and_the_misplaced_among_them() {
        let (stage, recording) = native();
        let mut recorded: Vec<&str> = recording.leases.iter().map(|lease| lease.id.as_str()).collect();
        recorded.sort_unstable();
        assert_eq!(stage.driver.leases(), recorded);
        assert_eq!(recording.empty_lease().client_id, "");
        let misplaced = recording.misplaced_lease();
        assert_eq!(misplaced.org_id, stage.beta.id);
        assert_eq!(recording.token(&misplaced.client_id).org_id, stage.alpha.id);
    }

    #[test]
    fn the_recorded_secrets_are_found_where_none_may_be() {
        let (stage, recording) = native();
        for (key, entry) in recording.storage.iter().filter(|(key, _)| !key.starts_with("role/")) {
            for name in ["secret", "token", "astra_token"] {
                let text = text(&entry[name]);
                let found = find_secret(&format!("in {key}: {text}!"), &stage.astra);
                assert_eq!(found.is_some(), !text.is_empty(), "`{name}` of `{key}`");
            }
        }
        let admin = &recording.token(&stage.admin_client_id(&stage.alpha)).token;
        assert!(find_secret(admin.rsplit(':').next().unwrap(), &stage.astra).is_some());
    }
}
