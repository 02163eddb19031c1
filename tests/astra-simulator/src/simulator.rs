//! The simulator as a test or a demo holds it: starts it, asks it, changes it, stops it.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::change::OutsideChange;
use crate::clock::Timestamp;
use crate::crowd::Crowd;
use crate::fault::FaultRule;
use crate::faults::{Faults, TooManyRules};
use crate::hub::{ConnectionCounts, Hub, State};
use crate::leak;
use crate::record::{Records, RequestRecord, Violation};
use crate::server;
use crate::settings::Settings;
use crate::state::{Founded, TokenCounts, World};
use crate::switches::{Lag, Switches};
use crate::tls::{self, ClientCertificate};
use crate::token::{Credential, PlantedToken, TokenInfo};

/// A running simulator with a thread, a port and a state of its own. Dropping it stops it: the
/// thread is joined and the port is free again.
#[derive(Debug)]
pub struct Simulator {
    hub: Arc<Hub>,
    url: String,
    organizations: Vec<OrganizationHandle>,
    enterprises: Vec<OrganizationHandle>,
    authority_pem: Option<String>,
    client: Option<ClientCertificate>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// An organization (or enterprise) and the token it is reached by.
#[derive(Debug, Clone)]
pub struct OrganizationHandle {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its bootstrap token; the client ID starts with `Canary` and the name.
    pub bootstrap: Credential,
}

/// A state to come back to: organizations, roles, tokens, clock, switches. Rules and records are
/// not part of it.
#[derive(Debug, Clone)]
pub struct Snapshot(World);

impl Simulator {
    /// Starts a simulator that listens when this returns.
    ///
    /// # Errors
    /// When the address is not a loopback one or cannot be listened on.
    pub fn start(settings: Settings) -> io::Result<Self> {
        if !settings.listen.ip().is_loopback() {
            let problem = "the simulator listens on loopback addresses only";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let (world, founded) = World::new(&settings);
        let hub = Arc::new(Hub::new(State {
            world,
            faults: Faults::default(),
            records: Records::default(),
            connect_delay_ms: settings.connect_delay_ms,
        }));
        let identity = settings.certificate.map(tls::identity).transpose()?;
        let authority_pem = identity.as_ref().map(|identity| identity.authority_pem.clone());
        let client = identity.as_ref().map(|identity| identity.client.clone());
        let scheme = if identity.is_some() { "https" } else { "http" };
        let (stop, stopped) = oneshot::channel();
        let running = server::spawn(settings.listen, identity, Arc::clone(&hub), stopped)?;
        let (enterprises, organizations): (Vec<_>, Vec<_>) = founded.into_iter().partition(|one| one.is_enterprise);
        Ok(Self {
            hub,
            url: format!("{scheme}://{}", running.address),
            organizations: organizations.into_iter().map(OrganizationHandle::from).collect(),
            enterprises: enterprises.into_iter().map(OrganizationHandle::from).collect(),
            authority_pem,
            client,
            stop: Some(stop),
            thread: Some(running.thread),
        })
    }

    /// Its origin, without a trailing slash: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate authority a client must trust, when TLS is on.
    pub fn authority_pem(&self) -> Option<&str> {
        self.authority_pem.as_deref()
    }

    /// A certificate for a client of [`Certificate::GoodForKnownClients`], when TLS is on.
    ///
    /// [`Certificate::GoodForKnownClients`]: crate::Certificate::GoodForKnownClients
    pub fn client_certificate(&self) -> Option<&ClientCertificate> {
        self.client.as_ref()
    }

    /// The organizations it was started with, in that order.
    pub fn organizations(&self) -> &[OrganizationHandle] {
        &self.organizations
    }

    /// The organization at this place.
    ///
    /// # Panics
    /// When there are not so many: a test that asks for one too many is wrong.
    pub fn organization(&self, index: usize) -> &OrganizationHandle {
        match self.organizations.get(index) {
            Some(organization) => organization,
            None => panic!("the simulator has {} organizations", self.organizations.len()),
        }
    }

    /// The enterprises named in the settings, each with a token of its own.
    pub fn enterprises(&self) -> &[OrganizationHandle] {
        &self.enterprises
    }

    /// The ID of a role by its name, built-in or custom.
    pub fn role_id(&self, organization: &str, name: &str) -> Option<String> {
        let state = self.hub.state();
        let organization = state.world.organization(organization)?;
        organization.role_named(name).map(|role| role.id.clone())
    }

    /// Adds a custom role on the whole organization; returns its ID.
    pub fn add_role(&self, organization: &str, name: &str, actions: &[&str]) -> Option<String> {
        let mut state = self.hub.state();
        let world = &mut state.world;
        let now = world.clock.now();
        let actions: Vec<String> = actions.iter().map(|action| (*action).to_owned()).collect();
        let mut random = world.random.clone();
        let organization = world.organization_mut(organization)?;
        let id = organization.add_custom_role(name, &actions, &mut random, now);
        world.random = random;
        Some(id)
    }

    /// Makes a token as an operator would in the console. `expires_in` counts from now.
    pub fn add_token(
        &self,
        organization: &str,
        roles: &[&str],
        description: &str,
        expires_in: Option<Duration>,
    ) -> Credential {
        let mut state = self.hub.state();
        let expires = expires_in.map(|after| state.world.clock.now().plus(after));
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        state.world.make_token(organization, roles, description.to_owned(), expires, None)
    }

    /// Adds a token that was made elsewhere, with its own client ID, text and time.
    ///
    /// # Panics
    /// When there is no such organization, or the time is not RFC 3339.
    pub fn plant_token(&self, organization: &str, planted: &PlantedToken) {
        let Some(made) = Timestamp::parse(&planted.generated_on) else {
            panic!("`{}` is not a time in RFC 3339", planted.generated_on)
        };
        let is_planted = self.hub.state().world.plant_token(organization, planted, made);
        assert!(is_planted, "the simulator has no organization `{organization}`");
    }

    /// Gives an organization many tokens that nobody can use, as a flood leaves them behind: half of them are listed before
    /// all other tokens and half after those. They stand in the list and nowhere else. A crowd takes the place of the last.
    pub fn set_crowd(&self, organization: &str, count: usize, description: &str) {
        let mut state = self.hub.state();
        let now = state.world.clock.now();
        let half = count / 2;
        if let Some(organization) = state.world.organization_mut(organization) {
            organization.crowd =
                Some([(1, half), (2, count - half)].map(|(number, count)| Crowd::new(number, count, description, now)));
        }
    }

    /// Changes something behind the client's back; false when what it names does not exist.
    pub fn change(&self, change: &OutsideChange) -> bool {
        self.hub.state().world.change(change)
    }

    /// Moves the simulator's clock forward.
    pub fn advance(&self, by: Duration) {
        self.hub.state().world.clock.advance(by);
    }

    /// The simulator's time, RFC 3339 with milliseconds.
    pub fn now(&self) -> String {
        Timestamp::with_milliseconds(self.hub.state().world.clock.now())
    }

    /// Changes the switches.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.hub.state().world.switches);
    }

    /// Sets how far effects trail behind their answers.
    pub fn set_lag(&self, lag: Lag) {
        self.hub.state().world.lag = lag;
    }

    /// Holds each new connection back before its first byte is read: from, to milliseconds.
    pub fn set_connect_delay_ms(&self, from: u64, to: u64) {
        self.hub.state().connect_delay_ms = (from, to);
    }

    /// Adds a fault rule.
    ///
    /// # Panics
    /// When there are too many: see `limits::FAULT_RULES_MAX`.
    pub fn fault(&self, rule: FaultRule) {
        let added = self.hub.state().faults.add(rule);
        if let Err(TooManyRules) = added {
            panic!("{TooManyRules}");
        }
    }

    /// Removes all fault rules and ends the effect of what they hold back.
    pub fn clear_faults(&self) {
        self.hub.state().faults.clear();
    }

    /// How many calls each rule has been applied to, in the order they were added.
    pub fn fault_hits(&self) -> Vec<u64> {
        self.hub.state().faults.hits()
    }

    /// All requests since the start or the last reset, oldest first (the newest
    /// `limits::RECORDS_MAX` of them).
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.hub.state().records.requests()
    }

    /// How many requests there were since the start or the last reset.
    pub fn request_count(&self) -> u64 {
        self.hub.state().records.total()
    }

    /// What no client of ours should have sent. A test asserts that it is empty.
    pub fn violations(&self) -> Vec<Violation> {
        self.hub.state().records.violations()
    }

    /// All tokens of an organization ever made, oldest first, revoked ones too.
    pub fn tokens(&self, organization: &str) -> Vec<TokenInfo> {
        let state = self.hub.state();
        let now = state.world.clock.now();
        state.world.tokens_of(organization).map(|token| token.info(now)).collect()
    }

    /// Those of them whose description holds `mark`, for example `vault-mark:<backend UUID>`.
    pub fn tokens_marked(&self, organization: &str, mark: &str) -> Vec<TokenInfo> {
        let mut tokens = self.tokens(organization);
        tokens.retain(|token| token.description.contains(mark));
        tokens
    }

    /// How many tokens an organization has, by state.
    pub fn counts(&self, organization: &str) -> TokenCounts {
        self.hub.state().world.counts(organization)
    }

    /// TCP connections accepted, open, and most at once.
    pub fn connections(&self) -> ConnectionCounts {
        self.hub.connections.counts()
    }

    /// Client IDs of all tokens whose secret part, or whose secret, stands in `text` in clear.
    pub fn leaks(&self, text: &[u8]) -> Vec<String> {
        leak::scan(&self.hub.state().world, text)
    }

    /// Refuses new connections; those that are open go on.
    pub fn listener_off(&self) {
        assert!(self.hub.listener.turn(false), "the listener did not close in time");
    }

    /// Listens again on the same port.
    pub fn listener_on(&self) {
        assert!(self.hub.listener.turn(true), "the port could not be taken again in time");
    }

    /// Closes every open connection, idle or not. A connection counts as open until its client has closed it, too.
    pub fn drop_connections(&self) {
        self.hub.drop_connections.send_modify(|count| *count += 1);
    }

    /// The state as it is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.hub.state().world.clone())
    }

    /// Comes back to a state; rules and records stay.
    pub fn restore(&self, snapshot: &Snapshot) {
        self.hub.state().world = snapshot.0.clone();
    }

    /// Comes back to the state at the start, and forgets rules, records and counts.
    pub fn reset(&self) {
        self.hub.reset();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended by itself; then there is nobody to tell.
            let _gone = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl From<Founded> for OrganizationHandle {
    fn from(founded: Founded) -> Self {
        Self { id: founded.id, name: founded.name, bootstrap: founded.bootstrap }
    }
}
