//! The stage of a scenario: one mount on one driver, with an Astra of its own that has the organizations alpha and
//! beta. Every text is searched for secrets, and the final check runs automatically.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use astra_simulator::{Lag, Settings, Simulator, Switches, TokenInfo, TokenState};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use crate::canary::find_secret;
use crate::fake::{Fake, FakeOptions, NativeDriver};
use crate::limits::{CONDITION_DEADLINE, POLL_INTERVAL, UPSTREAM_RESPONSE_BYTES_MAX};
use crate::openbao::{MountSettings, OpenBaoDriver, Server};
use crate::{Ask, Driver, DriverKind, HttpClient, Outcome, Verb};

/// Differences of a stage from the usual one.
#[derive(Clone, Debug)]
pub struct StageOptions {
    /// Seed of Astra's IDs, secrets and random decisions.
    pub seed: u64,
    /// Choices about Astra's behaviour that its sources leave open.
    pub switches: Switches,
    /// Delay of Astra's effects after its answers.
    pub lag: Lag,
    /// The longest life of a token that the organizations allow; `None` = any.
    pub token_expiry_max: Option<Duration>,
    /// Age from which a write-ahead entry counts as abandoned.
    pub wal_min_age: Duration,
    /// The mount's default time to live of leases; `None` = the server's.
    pub default_ttl: Option<Duration>,
    /// The mount's longest time to live of leases; `None` = the server's.
    pub max_ttl: Option<Duration>,
    /// Does storage have transactions, as in OpenBao? False for Vault; only a fake server supports false.
    pub transactional: bool,
    /// True if the registration allows requests to the simulator.
    pub egress_allowed: bool,
    /// Further origins that the registration allows.
    pub more_origins: Vec<String>,
}

impl Default for StageOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            switches: Switches::default(),
            lag: Lag::default(),
            token_expiry_max: None,
            wal_min_age: Duration::from_secs(600),
            default_ttl: None,
            max_ttl: None,
            transactional: true,
            egress_allowed: true,
            more_origins: Vec::new(),
        }
    }
}

/// An organization in Astra.
#[derive(Clone)]
pub struct Org {
    /// ID of the organization.
    pub id: String,
    /// Admin token of the organization.
    pub token: String,
}

/// One mount on one driver, with an Astra of its own.
pub struct Stage {
    /// The mount.
    pub driver: Arc<dyn Driver>,
    /// Astra of the mount.
    pub astra: Arc<Simulator>,
    /// The first organization.
    pub alpha: Org,
    /// The second organization.
    pub beta: Org,
}

/// Plays a scenario on a fresh stage, then checks the conditions that hold at the end of every scenario.
pub fn play(kind: DriverKind, options: StageOptions, scenario: impl FnOnce(&Stage)) {
    let stage = Stage::new(kind, &options);
    scenario(&stage);
    stage.finish();
}

impl Stage {
    /// A fresh mount without configuration.
    pub fn new(kind: DriverKind, options: &StageOptions) -> Self {
        Self::on_astra(kind, options, start_astra(options))
    }

    /// A fresh mount without configuration, with an Astra of the caller.
    pub(crate) fn on_astra(kind: DriverKind, options: &StageOptions, astra: Simulator) -> Self {
        let origin = options.egress_allowed.then(|| astra.url().to_owned());
        let driver: Arc<dyn Driver> = match kind {
            DriverKind::Native => NativeDriver::mount(fake_options(options, origin), &backend_uuid(options)),
            DriverKind::Component => component(fake_options(options, origin), &backend_uuid(options)),
            DriverKind::OpenBao => Arc::new(openbao(options, origin)),
            DriverKind::PlayedVault => played_vault(options, origin),
        };
        Self::with_driver(driver, astra)
    }

    /// A stage on a driver of the caller.
    pub fn with_driver(driver: Arc<dyn Driver>, astra: impl Into<Arc<Simulator>>) -> Self {
        let astra = astra.into();
        let orgs: Vec<Org> = astra
            .organizations()
            .iter()
            .map(|org| Org { id: org.id.clone(), token: org.bootstrap.token.clone() })
            .collect();
        let [alpha, beta] = <[Org; 2]>::try_from(orgs).unwrap_or_else(|orgs| panic!("{} organizations", orgs.len()));
        Self { driver, astra, alpha, beta }
    }

    /// The fake server.
    ///
    /// # Panics
    /// On a real server.
    pub fn fake(&self) -> &Fake {
        self.driver.fake().unwrap_or_else(|| panic!("this scenario needs a fake server"))
    }

    /// GET.
    pub fn read(&self, path: &str, query: Value) -> Outcome {
        self.ask(Verb::Read, path, query)
    }
    /// POST.
    pub fn write(&self, path: &str, body: Value) -> Outcome {
        self.ask(Verb::Write, path, body)
    }
    /// LIST.
    pub fn list(&self, path: &str) -> Outcome {
        self.ask(Verb::List, path, Value::Null)
    }
    /// DELETE.
    pub fn delete(&self, path: &str, query: Value) -> Outcome {
        self.ask(Verb::Delete, path, query)
    }
    /// Path help.
    pub fn help(&self, path: &str) -> Outcome {
        self.ask(Verb::Help, path, Value::Null)
    }

    /// Sends one request and searches its outcome for secrets.
    pub fn ask(&self, verb: Verb, path: &str, data: Value) -> Outcome {
        let outcome = self.driver.ask(Ask { verb, path: path.to_owned(), data });
        self.watch(verb, path, &outcome);
        outcome
    }

    /// Renews a lease.
    pub fn renew(&self, lease_id: &str, increment: Option<Duration>) -> Outcome {
        let outcome = self.driver.renew(lease_id, increment);
        self.watch(Verb::Write, "renew", &outcome);
        outcome
    }

    /// Revokes a lease.
    pub fn revoke(&self, lease_id: &str) -> Outcome {
        let outcome = self.driver.revoke(lease_id);
        self.watch(Verb::Write, "revoke", &outcome);
        outcome
    }

    /// Configures an organization at its own path.
    #[track_caller]
    pub fn configure(&self, org: &Org) {
        self.configure_with(org, json!({}));
    }

    /// Configures an organization at its own path, with further fields.
    #[track_caller]
    pub fn configure_with(&self, org: &Org, more: Value) {
        let mut body = json!({ "astra_token": org.token, "url": self.astra.url() });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        let outcome = self.write(&format!("config/{}", org.id), body);
        assert!(outcome.status < 300, "{outcome:#?}");
        assert!(outcome.warnings.is_empty(), "{outcome:#?}");
    }

    /// Makes a role of the mount with a built-in role of Astra.
    #[track_caller]
    pub fn make_role(&self, org: &Org, name: &str, more: Value) {
        let mut body = json!({ "role_id": self.astra_role(org, "R/W User") });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        let outcome = self.write(&format!("roles/{}/{name}", org.id), body);
        assert!(outcome.status < 300, "{outcome:#?}");
    }

    /// Configures alpha and gives it the role `reader`.
    #[track_caller]
    pub fn ready(&self) {
        self.configure(&self.alpha);
        self.make_role(&self.alpha, "reader", json!({}));
    }

    /// Mints by `creds/:org/:role`.
    pub fn mint(&self, org: &Org, role: &str) -> Outcome {
        self.read(&format!("creds/{}/{role}", org.id), Value::Null)
    }

    /// The ID of a role in Astra.
    pub fn astra_role(&self, org: &Org, name: &str) -> String {
        self.astra.role_id(&org.id, name).unwrap_or_else(|| panic!("Astra has no role `{name}`"))
    }

    /// The live tokens in Astra with an engine's mark, by client ID.
    pub fn live(&self, org: &Org) -> BTreeSet<String> {
        let tokens = self.astra.tokens(&org.id);
        let live = tokens.into_iter().filter(|token| token.state == TokenState::Live && is_marked(token));
        live.map(|token| token.client_id).collect()
    }

    /// All that Astra knows of one token.
    pub fn astra_token(&self, client_id: &str) -> TokenInfo {
        let all = [&self.alpha, &self.beta].into_iter().flat_map(|org| self.astra.tokens(&org.id));
        all.into_iter()
            .find(|token| token.client_id == client_id)
            .unwrap_or_else(|| panic!("Astra knows no {client_id}"))
    }

    /// The records of an organization, by client ID.
    ///
    /// # Panics
    /// When the records cannot be listed, or the list is incomplete.
    #[track_caller]
    pub fn records(&self, org: &Org) -> BTreeSet<String> {
        let listed = self.list(&format!("tokens/{}", org.id));
        assert!(listed.warnings.is_empty(), "the list of records is not whole: {:?}", listed.warnings);
        listed.keys().into_iter().collect()
    }

    /// Write-ahead entries. A real server does not show them.
    pub fn wal(&self) -> Vec<String> {
        self.driver.fake().map(|fake| fake.storage.keys_below("wal/")).unwrap_or_default()
    }

    /// The client ID of the organization's admin token.
    #[track_caller]
    pub fn admin_client_id(&self, org: &Org) -> String {
        let config = self.read(&format!("config/{}", org.id), Value::Null).expect(200);
        config.text("astra_token_client_id").to_owned()
    }

    /// Asserts this number of live tokens, each with record and lease, and nothing left to undo.
    #[track_caller]
    pub fn assert_consistent(&self, org: &Org, tokens: usize) {
        self.assert_held(org, tokens, 0);
    }

    /// Asserts numbers of live tokens with a lease, and of those in use by a static role, a config or a grace period
    /// instead. Each has its record, and nothing is left to undo.
    #[track_caller]
    pub fn assert_held(&self, org: &Org, leased: usize, held: usize) {
        let known = self.known(org);
        assert_eq!(known, self.records(org), "live tokens and records differ");
        assert_eq!(known.len(), leased + held, "live tokens");
        assert_eq!(self.driver.leases().len(), leased, "leases");
        assert_eq!(self.wal(), Vec::<String>::new(), "write-ahead entries");
    }

    /// Waits with periodic calls for this number of live tokens, each with record and lease.
    #[track_caller]
    pub fn settle_at(&self, org: &Org, tokens: usize) {
        self.settle_held(org, tokens, 0);
    }

    /// As [`Self::settle_at`], with tokens that are in use without a lease.
    #[track_caller]
    pub fn settle_held(&self, org: &Org, leased: usize, held: usize) {
        let settled = self.driver.settle(&|| {
            let known = self.known(org);
            known.len() == leased + held && known == self.records(org) && self.wal().is_empty()
        });
        if !settled {
            let errors = self.driver.fake().map(Fake::take_rollback_errors).unwrap_or_default();
            let (known, records, wal) = (self.known(org), self.records(org), self.wal());
            panic!("{known:?} live, records of {records:?}, {wal:?} to undo; errors of rollback: {errors:#?}");
        }
        self.assert_held(org, leased, held);
    }

    /// Lets time pass with periodic calls until `done`: a test clock is moved; with another clock, the test waits.
    ///
    /// # Panics
    /// When `done` does not become true.
    #[track_caller]
    pub fn settle_after(&self, time: Duration, done: &dyn Fn() -> bool) {
        if let (DriverKind::Native, Some(fake)) = (self.driver.kind(), self.driver.fake()) {
            fake.clock.advance(time);
        }
        let deadline = Instant::now() + time + CONDITION_DEADLINE;
        while !self.driver.settle(done) {
            assert!(Instant::now() < deadline, "periodic calls did not get there");
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// The live tokens in Astra that belong to the mount, by the engine's mark or by a record.
    fn known(&self, org: &Org) -> BTreeSet<String> {
        let records = self.records(org);
        let live = self.astra.tokens(&org.id).into_iter().filter(|token| token.state == TokenState::Live);
        let known = live.filter(|token| is_marked(token) || records.contains(&token.client_id));
        known.map(|token| token.client_id).collect()
    }

    /// Makes all write-ahead entries old enough to count as abandoned.
    pub fn age_wal(&self) {
        let storage = &self.fake().storage;
        for (key, mut entry) in storage.dump().into_iter().filter(|(key, _)| key.starts_with("wal/")) {
            let created_at = entry["created_at"].as_u64().unwrap_or_default();
            entry["created_at"] = json!(created_at.saturating_sub(AGED_SECONDS));
            storage.seed(&key, &entry);
        }
    }

    /// Does a token work in Astra?
    ///
    /// # Panics
    /// When Astra does not answer.
    pub fn works(&self, token: &str) -> bool {
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
        headers.insert(AUTHORIZATION, bearer.unwrap_or_else(|_| panic!("not a token")));
        let url = format!("{}/v2/currentOrg", self.astra.url());
        let client = HttpClient::new(UPSTREAM_RESPONSE_BYTES_MAX);
        match client.send(Method::GET, &url, headers, Vec::new(), CONDITION_DEADLINE) {
            Ok(answer) => answer.status == 200,
            Err(failure) => panic!("Astra does not answer: {failure:?}"),
        }
    }

    /// Checks the conditions at the end of each scenario; [`play`] calls it.
    ///
    /// # Panics
    /// When a condition does not hold.
    #[track_caller]
    pub fn finish(&self) {
        let violations = self.astra.violations();
        assert!(violations.is_empty(), "Astra was sent what no client should send: {violations:#?}");
        self.assert_no_secret("the logs", &self.driver.logs());
        // The rest is the end of the mount, not the scenario.
        self.astra.clear_faults();
    }

    /// Searches an outcome for secrets.
    #[track_caller]
    fn watch(&self, verb: Verb, path: &str, outcome: &Outcome) {
        self.assert_no_secret(&format!("the messages of {verb:?} {path}"), &outcome.messages());
        let issues = path == "org/token" || path == "renew";
        let issues = issues || path.starts_with("creds/") || path.starts_with("static-creds/");
        if !(issues && matches!(verb, Verb::Read | Verb::Write)) {
            self.assert_no_secret(&format!("the data of {verb:?} {path}"), &outcome.data.to_string());
        }
    }

    /// Fails if a text contains a token or a secret.
    ///
    /// # Panics
    /// When the text contains one.
    #[track_caller]
    pub fn assert_no_secret(&self, place: &str, text: &str) {
        if let Some(found) = find_secret(text, &self.astra) {
            panic!("{place} show {found}");
        }
    }
}

/// Older than any minimum age in use.
const AGED_SECONDS: u64 = 24 * 3600;

fn is_marked(token: &TokenInfo) -> bool {
    token.description.contains("vault-mark:")
}

/// Starts an Astra with two organizations.
pub fn start_astra(options: &StageOptions) -> Simulator {
    start_simulator(simulator_settings(options))
}

pub(crate) fn simulator_settings(options: &StageOptions) -> Settings {
    let mut settings = Settings {
        seed: options.seed,
        switches: options.switches.clone(),
        lag: options.lag,
        ..Settings::with_organizations(2)
    };
    for organization in &mut settings.organizations {
        organization.token_expiry_max = options.token_expiry_max;
    }
    settings
}

pub(crate) fn start_simulator(settings: Settings) -> Simulator {
    Simulator::start(settings).unwrap_or_else(|error| panic!("the simulator did not start: {error}"))
}

fn backend_uuid(options: &StageOptions) -> String {
    format!("00000000-0000-4000-8000-{:012x}", options.seed)
}

fn fake_options(options: &StageOptions, origin: Option<String>) -> FakeOptions {
    let usual = FakeOptions::default();
    FakeOptions {
        transactional: options.transactional,
        wal_minimum_age: options.wal_min_age,
        default_ttl: options.default_ttl.unwrap_or(usual.default_ttl),
        max_ttl: options.max_ttl.unwrap_or(usual.max_ttl),
        egress: origin.into_iter().chain(options.more_origins.iter().cloned()).collect(),
        ..usual
    }
}

#[cfg(feature = "component")]
fn component(options: FakeOptions, backend_uuid: &str) -> Arc<dyn Driver> {
    crate::fake::ComponentDriver::mount(options, backend_uuid)
}

#[cfg(not(feature = "component"))]
fn component(_: FakeOptions, _: &str) -> Arc<dyn Driver> {
    panic!("built without the feature `component`")
}

#[cfg(feature = "component")]
fn played_vault(options: &StageOptions, origin: Option<String>) -> Arc<dyn Driver> {
    let arguments = arguments(options, origin.clone());
    crate::fake::PlayedVault::mount(fake_options(options, origin), &backend_uuid(options), &arguments)
}

#[cfg(not(feature = "component"))]
fn played_vault(_: &StageOptions, _: Option<String>) -> Arc<dyn Driver> {
    panic!("built without the feature `component`")
}

/// A mount with a plugin name of its own, on the server that all scenarios share.
fn openbao(options: &StageOptions, origin: Option<String>) -> OpenBaoDriver {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let name = format!("astra-{}", NEXT.fetch_add(1, Ordering::SeqCst));
    openbao_on(Server::shared(), &name, options, origin)
}

/// A mount under the plugin's own name, on a server of the caller.
pub(crate) fn openbao_on(
    server: Arc<Server>,
    name: &str,
    options: &StageOptions,
    origin: Option<String>,
) -> OpenBaoDriver {
    OpenBaoDriver::mount(
        server,
        &MountSettings {
            mount_point: format!("{name}/"),
            plugin: name.to_owned(),
            arguments: arguments(options, origin),
            default_ttl: options.default_ttl,
            max_ttl: options.max_ttl,
            ..MountSettings::default()
        },
    )
}

/// The plugin's arguments for these options.
pub fn arguments(options: &StageOptions, origin: Option<String>) -> Vec<String> {
    let mut arguments =
        vec!["--log-level=debug".to_owned(), format!("--wal-min-age={}ms", options.wal_min_age.as_millis())];
    let origins = origin.into_iter().chain(options.more_origins.iter().cloned());
    arguments.extend(origins.map(|origin| format!("--allow-egress=astra={origin}")));
    arguments
}
