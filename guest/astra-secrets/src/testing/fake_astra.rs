//! A fake Astra behind the scripted HTTP: organizations, tokens, and faults
//! that hit chosen requests, with and without what was asked being done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrets_framework::Sensitive;
use secrets_framework::host::{Clock, HttpError, HttpMethod, HttpRequest, HttpResponse};
use secrets_framework::testing::{ManualClock, TestHost};
use serde_json::{Value, json};

use super::{ADMIN_A, ADMIN_B, ADMIN_ROLE_ID, ORG_A, ORG_B, ROLE_ID};
use crate::time_text;

/// Astra's own endpoint, where both organizations are at first.
pub(crate) const ASTRA: &str = "https://api.astra.datastax.com";

/// A path of a gateway, below which Astra answers, too.
pub(crate) const GATEWAY: &str = "/gateway";

/// What a fault does to a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// This status and body; nothing is done.
    Status(u16, &'static str),
    /// 429 or 5xx with this `Retry-After`; nothing is done.
    RetryAfter(u16, &'static str),
    /// This failure; nothing is done.
    Fails(HttpError),
    /// It is done, and then this status and body are answered.
    DoneThenStatus(u16, &'static str),
    /// It is done, and then the answer is lost so.
    DoneThenFails(HttpError),
    /// It is done, and the body is this one's work on the true one.
    DoneThenBody(fn(Value) -> String),
}

/// Which requests a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Make,
    List,
    Delete,
    CurrentOrg,
    Roles,
}

/// The fake; clones are the same one.
#[derive(Clone)]
pub(crate) struct FakeAstra(Arc<Mutex<State>>);

struct State {
    clock: Arc<ManualClock>,
    /// By the operator's admin token.
    orgs: BTreeMap<&'static str, Org>,
    made: u32,
    /// What is answered to a deletion that succeeds, and to one of an unknown token.
    delete_status: u16,
    unknown_status: u16,
    /// How many lists to come do not show a token that is made now.
    lag: u32,
    /// How many requests to come refuse a token that is made now.
    refusals: u32,
    /// May a token delete itself?
    ends_itself: bool,
    /// Reported as `tokenExpiry` where a request asked for none.
    expiry_max: Option<String>,
    /// Foreign tokens that every list shows beside those of its organization.
    foreign: usize,
    /// What every request with this bearer is answered, whatever else is true.
    by_bearer: BTreeMap<String, Result<u16, HttpError>>,
    faults: Vec<(On, u32, Fault)>,
    during: Option<(On, Box<dyn FnOnce() + Send>)>,
    /// Origin with path, and bearer, of each request.
    sent: Vec<(String, String)>,
    /// How far its clock is ahead, in seconds, as its answers' `Date` tells; none = they bear none.
    ahead_seconds: Option<i64>,
}

struct Org {
    id: &'static str,
    origin: &'static str,
    /// Client ID of the operator's admin token.
    operators: String,
    tokens: BTreeMap<String, Token>,
}

#[derive(Clone, Default)]
struct Token {
    /// What a request bears; none for one that nobody here has.
    bearer: Option<String>,
    generated_on: Option<String>,
    roles: Value,
    description: String,
    expiry: Option<String>,
    hidden_lists: u32,
    refusals: u32,
}

impl Org {
    fn new(admin_token: &str, id: &'static str, origin: &'static str) -> Self {
        let operators = admin_token.split(':').nth(1).unwrap().to_owned();
        let token = Token { bearer: Some(admin_token.to_owned()), roles: json!([ADMIN_ROLE_ID]), ..Token::outside("") };
        Self { id, origin, tokens: BTreeMap::from([(operators.clone(), token)]), operators }
    }
}

impl Token {
    /// One that somebody else made.
    fn outside(description: &str) -> Self {
        Self { roles: json!([]), description: description.to_owned(), ..Self::default() }
    }

    fn may_manage(&self) -> bool {
        self.roles.as_array().unwrap().contains(&ADMIN_ROLE_ID.into())
    }
}

impl FakeAstra {
    /// An Astra that answers all requests of `host`.
    pub(crate) fn new(host: &TestHost) -> Self {
        let fake = Self(Arc::new(Mutex::new(State {
            clock: Arc::clone(&host.clock),
            orgs: BTreeMap::from([
                (ADMIN_A, Org::new(ADMIN_A, ORG_A, ASTRA)),
                (ADMIN_B, Org::new(ADMIN_B, ORG_B, ASTRA)),
            ]),
            made: 0,
            delete_status: 204,
            unknown_status: 404,
            lag: 0,
            refusals: 0,
            ends_itself: true,
            expiry_max: None,
            foreign: 0,
            by_bearer: BTreeMap::new(),
            faults: Vec::new(),
            during: None,
            sent: Vec::new(),
            ahead_seconds: None,
        })));
        let answering = fake.clone();
        host.http.script(move |request| {
            let answer = answering.state().serve(&request);
            let during = answering.state().during.take_if(|(on, _)| kind_of(&request) == *on);
            if let Some((_, happens)) = during {
                happens();
            }
            answer.map(|answer| HttpResponse { date: answering.state().date(), ..answer })
        });
        fake
    }

    /// The tokens that were sent to this base URL.
    pub(crate) fn bearers_at(&self, url: &str) -> BTreeSet<String> {
        let state = self.state();
        let there = state.sent.iter().filter(|(to, _)| to.starts_with(&format!("{url}/v2/")));
        there.map(|(_, bearer)| bearer.clone()).collect()
    }

    /// The next request of this kind meets a fault.
    pub(crate) fn fail(&self, on: On, fault: Fault) {
        self.fail_times(on, 1, fault);
    }

    /// The next `times` requests of this kind meet a fault.
    pub(crate) fn fail_times(&self, on: On, times: u32, fault: Fault) {
        self.state().faults.push((on, times, fault));
    }

    /// Something happens after the next token is made, and before that is answered.
    pub(crate) fn during_next_make(&self, happens: impl FnOnce() + Send + 'static) {
        self.during_next(On::Make, happens);
    }

    /// Something happens after the next request of this kind is done, and before it is answered.
    pub(crate) fn during_next(&self, on: On, happens: impl FnOnce() + Send + 'static) {
        self.state().during = Some((on, Box::new(happens)));
    }

    /// Answers bear Astra's time, which is this much ahead of ours.
    pub(crate) fn set_clock_ahead(&self, seconds: i64) {
        self.state().ahead_seconds = Some(seconds);
    }

    /// All faults are over.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.by_bearer.clear();
    }

    /// Lists do not show a token for this many lists after it was made.
    pub(crate) fn set_lag(&self, lists: u32) {
        self.state().lag = lists;
    }

    /// Statuses of a deletion that succeeds, and of one of an unknown token.
    pub(crate) fn set_delete_statuses(&self, known: u16, unknown: u16) {
        let mut state = self.state();
        state.delete_status = known;
        state.unknown_status = unknown;
    }

    /// Tokens made without an expiry get this one.
    pub(crate) fn set_expiry_max(&self, expiry: &str) {
        self.state().expiry_max = Some(expiry.to_owned());
    }

    /// Lists show so many tokens more, which somebody else made.
    pub(crate) fn set_foreign(&self, tokens: usize) {
        self.state().foreign = tokens;
    }

    /// Each request with this token meets this status, or this failure.
    pub(crate) fn answer_bearer(&self, token: &str, answer: Result<u16, HttpError>) {
        self.state().by_bearer.insert(token.to_owned(), answer);
    }

    /// The organization of this admin token is reached at `origin` only.
    pub(crate) fn move_org(&self, admin_token: &str, origin: &'static str) {
        self.state().orgs.get_mut(admin_token).unwrap().origin = origin;
    }

    /// There is one more organization.
    pub(crate) fn add_org(&self, admin_token: &'static str, id: &'static str, origin: &'static str) {
        self.state().orgs.insert(admin_token, Org::new(admin_token, id, origin));
    }

    /// Somebody deletes a token behind the engine's back.
    pub(crate) fn delete_outside(&self, client_id: &str) {
        for org in self.state().orgs.values_mut() {
            org.tokens.remove(client_id);
        }
    }

    /// Somebody else makes a token with this description.
    pub(crate) fn make_outside(&self, client_id: &str, description: &str) {
        self.make_outside_in(ADMIN_A, client_id, description);
    }

    /// As [`Self::make_outside`], in the organization of this admin token.
    pub(crate) fn make_outside_in(&self, admin_token: &str, client_id: &str, description: &str) {
        let mut state = self.state();
        let generated_on = time_text::format(state.clock.now());
        let token = Token { generated_on, ..Token::outside(description) };
        state.orgs.get_mut(admin_token).unwrap().tokens.insert(client_id.to_owned(), token);
    }

    /// Somebody makes a token in the portal of organization A with these Astra roles, and has it: `AstraCS:<client_id>:canary`.
    pub(crate) fn make_in_portal(&self, client_id: &str, roles: &[&str]) {
        self.make_outside(client_id, "made in the portal");
        self.set_roles(client_id, roles);
        self.state().token(client_id).unwrap().bearer = Some(format!("AstraCS:{client_id}:canary"));
    }

    /// The list shows this as the time when a token was made.
    pub(crate) fn set_generated_on(&self, client_id: &str, text: Option<&str>) {
        self.state().token(client_id).unwrap().generated_on = text.map(str::to_owned);
    }

    /// The list shows this as a token's expiry.
    pub(crate) fn set_expiry(&self, client_id: &str, text: &str) {
        self.state().token(client_id).unwrap().expiry = Some(text.to_owned());
    }

    /// The next lists do not show a token.
    pub(crate) fn hide(&self, client_id: &str, lists: u32) {
        self.state().token(client_id).unwrap().hidden_lists = lists;
    }

    /// The operator makes one more admin token of organization A.
    pub(crate) fn make_admin(&self, admin_token: &str) {
        let token = Org::new(admin_token, ORG_A, ASTRA).tokens.pop_first().unwrap();
        self.state().orgs.get_mut(ADMIN_A).unwrap().tokens.insert(token.0, token.1);
    }

    /// Somebody gives a token other roles.
    pub(crate) fn set_roles(&self, client_id: &str, roles: &[&str]) {
        self.state().token(client_id).unwrap().roles = json!(roles);
    }

    /// Tokens made from now on are refused by the first requests that they are used for.
    pub(crate) fn set_refusals(&self, requests: u32) {
        self.state().refusals = requests;
    }

    /// A token may not delete itself.
    pub(crate) fn forbid_ending_oneself(&self) {
        self.state().ends_itself = false;
    }

    /// Client IDs of all live tokens of all organizations, the operator's first admin tokens apart.
    pub(crate) fn live(&self) -> BTreeSet<String> {
        let state = self.state();
        let of_org = |org: &Org| org.tokens.keys().filter(|id| **id != org.operators).cloned().collect::<Vec<_>>();
        state.orgs.values().flat_map(of_org).collect()
    }

    /// Is this token alive, the operator's own included?
    pub(crate) fn is_live(&self, client_id: &str) -> bool {
        self.state().token(client_id).is_some()
    }

    /// The Astra roles of a live token.
    pub(crate) fn roles(&self, client_id: &str) -> Value {
        self.token(client_id).roles
    }

    /// The description of a live token.
    pub(crate) fn description(&self, client_id: &str) -> String {
        self.token(client_id).description
    }

    /// The expiry that was asked for a live token.
    pub(crate) fn expiry(&self, client_id: &str) -> Option<String> {
        self.token(client_id).expiry
    }

    fn token(&self, client_id: &str) -> Token {
        self.state().token(client_id).unwrap().clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Answer = Result<HttpResponse, HttpError>;

impl State {
    fn serve(&mut self, request: &HttpRequest) -> Answer {
        let on = kind_of(request);
        let bearer = request.bearer.expose().clone();
        self.sent.push((format!("{}{}", request.origin, request.path_and_query), bearer));
        match self.by_bearer.get(request.bearer.expose().as_str()).cloned() {
            Some(Ok(200)) => return answer(200, json!({ "id": ORG_A }).to_string(), None),
            Some(Ok(status)) => return answer(status, String::new(), None),
            Some(Err(error)) => return self.fails(request, error),
            None => {}
        }
        let fault = self.take_fault(on);
        match fault {
            Some(Fault::Status(status, body)) => return answer(status, body.to_owned(), None),
            Some(Fault::RetryAfter(status, text)) => return answer(status, String::new(), Some(text)),
            Some(Fault::Fails(error)) => return self.fails(request, error),
            _ => {}
        }
        let done = self.act(on, request)?;
        match fault {
            Some(Fault::DoneThenStatus(status, body)) => answer(status, body.to_owned(), None),
            Some(Fault::DoneThenFails(error)) => self.fails(request, error),
            Some(Fault::DoneThenBody(body)) => {
                let true_body = serde_json::from_slice(done.body.expose()).unwrap();
                answer(done.status, body(true_body), None)
            }
            _ => Ok(done),
        }
    }

    fn take_fault(&mut self, on: On) -> Option<Fault> {
        let index = self.faults.iter().position(|(hits, ..)| *hits == on)?;
        let (_, left, fault) = &mut self.faults[index];
        let fault = fault.clone();
        *left -= 1;
        if *left == 0 {
            self.faults.remove(index);
        }
        Some(fault)
    }

    /// A timeout takes its time.
    fn fails(&self, request: &HttpRequest, error: HttpError) -> Answer {
        if error == HttpError::TimedOut {
            self.clock.advance(request.timeout);
        }
        Err(error)
    }

    fn token(&mut self, client_id: &str) -> Option<&mut Token> {
        self.orgs.values_mut().find_map(|org| org.tokens.get_mut(client_id))
    }

    fn date(&self) -> Option<String> {
        let now = i64::try_from(self.clock.now().as_secs()).unwrap() + self.ahead_seconds?;
        let time = time::OffsetDateTime::from_unix_timestamp(now).unwrap();
        let (weekday, month) = (time.weekday().to_string(), time.month().to_string());
        let (hour, minute, second) = time.to_hms();
        let date = format!("{}, {:02} {} {}", &weekday[..3], time.day(), &month[..3], time.year());
        Some(format!("{date} {hour:02}:{minute:02}:{second:02} GMT"))
    }

    fn act(&mut self, on: On, request: &HttpRequest) -> Answer {
        let bearer = request.bearer.expose().as_str();
        let is_it = |token: &Token| token.bearer.as_deref() == Some(bearer);
        let Some((org, caller)) = self.orgs.iter_mut().find_map(|(key, org)| {
            org.tokens.iter_mut().find(|(_, token)| is_it(token)).map(|(_, token)| (*key, token))
        }) else {
            return answer(401, r#"{"errors":[{"ID":340018,"message":"canary: not found"}]}"#.to_owned(), None);
        };
        if caller.refusals > 0 {
            caller.refusals -= 1;
            return answer(401, r#"{"errors":[{"ID":340018,"message":"canary: not yet"}]}"#.to_owned(), None);
        }
        let may_manage = caller.may_manage();
        if self.orgs[org].origin != request.origin {
            return answer(404, "404 page not found".to_owned(), None);
        }
        match on {
            On::CurrentOrg => answer(200, json!({ "id": self.orgs[org].id }).to_string(), None),
            On::Roles => answer(200, json!([{ "id": ROLE_ID, "name": "R/W User" }]).to_string(), None),
            _ if !may_manage => answer(403, r#""canary: permission denied""#.to_owned(), None),
            On::Make => self.make(org, request),
            On::List => self.list(org),
            On::Delete => self.delete(org, request),
        }
    }

    fn make(&mut self, org: &str, request: &HttpRequest) -> Answer {
        self.made += 1;
        let asked: Value = serde_json::from_slice(request.body.as_deref().unwrap()).unwrap();
        let client_id = format!("Client{:04}", self.made);
        let expiry = asked["tokenExpiry"].as_str().map(str::to_owned);
        let bearer = format!("AstraCS:{client_id}:canary");
        let org = self.orgs.get_mut(org).unwrap();
        let body = json!({
            "clientId": client_id, "secret": format!("canary-secret-{client_id}"),
            "token": bearer, "orgId": org.id, "roles": asked["roles"],
            "generatedOn": "2026-01-01T00:00:00.147847107Z",
            "tokenExpiry": expiry.clone().or_else(|| self.expiry_max.clone()), "extra": { "canary": [1] },
        });
        let token = Token {
            bearer: Some(bearer),
            generated_on: time_text::format(self.clock.now()),
            roles: asked["roles"].clone(),
            description: asked["description"].as_str().unwrap_or_default().to_owned(),
            expiry,
            hidden_lists: self.lag,
            refusals: self.refusals,
        };
        org.tokens.insert(client_id, token);
        answer(200, body.to_string(), None)
    }

    fn list(&mut self, org: &str) -> Answer {
        let mut clients = Vec::new();
        for (client_id, token) in &mut self.orgs.get_mut(org).unwrap().tokens {
            if token.hidden_lists > 0 {
                token.hidden_lists -= 1;
                continue;
            }
            clients.push(json!({
                "clientId": client_id, "roles": token.roles, "description": token.description,
                "generatedOn": token.generated_on, "tokenExpiry": token.expiry,
            }));
        }
        let mut body = json!({ "clients": clients }).to_string();
        if self.foreign > 0 {
            // Written as text: so many values would take long.
            let foreign: String = (0..self.foreign).map(|number| format!(r#"{{"clientId":"f{number}"}},"#)).collect();
            body = body.replacen('[', &format!("[{foreign}"), 1).replace(",]", "]");
        }
        answer(200, body, None)
    }

    fn delete(&mut self, org: &str, request: &HttpRequest) -> Answer {
        let client_id = request.path_and_query.rsplit('/').next().unwrap();
        let is_self = request.bearer.expose().split(':').nth(1) == Some(client_id);
        if is_self && !self.ends_itself {
            return answer(403, r#""canary: not yourself""#.to_owned(), None);
        }
        let known = self.orgs.get_mut(org).unwrap().tokens.remove(client_id).is_some();
        answer(if known { self.delete_status } else { self.unknown_status }, String::new(), None)
    }
}

fn kind_of(request: &HttpRequest) -> On {
    // A gateway may put a path before Astra's.
    let path = &request.path_and_query;
    match (request.method, path.get(path.find("/v2/").unwrap_or_default()..).unwrap_or_default()) {
        (HttpMethod::Post, "/v2/clientIdSecrets") => On::Make,
        (HttpMethod::Get, "/v2/clientIdSecrets") => On::List,
        (HttpMethod::Get, "/v2/currentOrg") => On::CurrentOrg,
        (HttpMethod::Get, "/v2/organizations/roles") => On::Roles,
        (HttpMethod::Delete, path) if path.starts_with("/v2/clientIdSecrets/") => On::Delete,
        (method, path) => panic!("not a call of Astra: {method:?} {path}"),
    }
}

fn answer(status: u16, body: String, retry_after: Option<&str>) -> Answer {
    Ok(HttpResponse {
        status,
        retry_after: retry_after.map(str::to_owned),
        upstream_request_id: Some("upstream-1".to_owned()),
        date: None,
        body: Sensitive::new(body.into_bytes()),
    })
}
