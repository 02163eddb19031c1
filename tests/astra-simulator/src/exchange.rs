//! One request from its bytes to the script of its answer: faults, checks in the recorded order,
//! the call itself, the record. Everything happens under the lock at once, so that the state a
//! test sees is the state before or after a call, never within.

use std::net::IpAddr;

use crate::answer::Answer;
use crate::auth::{authorize, claimed, token_of};
use crate::call::Call;
use crate::desk::Desk;
use crate::faults::{CallFacts, Plan};
use crate::framing::Request;
use crate::hub::{Hub, State};
use crate::record::{AnswerRecord, RequestRecord, without_secrets, without_tokens};
use crate::script::{Script, script, tells};

/// What is left to do for a request: the waits, and what to write.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) number: u64,
    pub(crate) delay_ms: u64,
    pub(crate) drip_ms: Option<u64>,
    pub(crate) close_idle_ms: Option<u64>,
    pub(crate) script: Script,
    made_token: Option<String>,
}

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) connection: u64,
    pub(crate) address: IpAddr,
}

impl Exchange {
    /// Works the request and decides about its answer.
    pub(crate) fn begin(hub: &Hub, request: &Request, origin: Origin) -> Self {
        let mut state = hub.state();
        let state = &mut *state;
        let token = token_of(request);
        let (client_id, organization) = claimed(&state.world, token);
        let facts = CallFacts {
            method: &request.method,
            path: &request.path,
            organization: organization.as_deref(),
            client_id,
        };
        let now = state.world.clock.now();
        let plan = state.faults.plan(facts, &mut state.world.noise, now);
        for change in &plan.outside {
            state.world.change(change);
        }
        let mut problems = problems_of(request);
        let call =
            Call::route(&request.method, &request.path, request.query.as_deref(), state.world.switches.tokens_delete);
        if call.is_none() {
            problems.push("no call of the DevOps API".to_owned());
        }
        let real = plan.is_done().then(|| work(state, request, call.as_ref(), token, origin, &mut problems));

        let mut record = RequestRecord {
            number: 0,
            time: now.with_milliseconds(),
            connection: origin.connection,
            method: request.method.clone(),
            path: without_tokens(&request.path),
            query: request.query.as_deref().map(without_tokens),
            call: call.as_ref().map(Call::kind),
            headers: clean_headers(request),
            body: without_tokens(&String::from_utf8_lossy(&request.body)),
            client_id: client_id.map(str::to_owned),
            organization: organization.clone(),
            faults: plan.applied.clone(),
            changed: real.as_ref().is_some_and(|answer| answer.changed),
            answer: None,
            told: tells(plan.decisive.as_ref()),
        };
        let exchange = Self::scripted(state, &mut record, plan, real, request.method == "HEAD");
        for problem in problems {
            let about = format!("{} {}: {problem}", record.method, record.path);
            state.records.violation(exchange.number, about);
        }
        exchange
    }

    /// Chooses the script, and files the record with the answer that was meant.
    fn scripted(
        state: &mut State,
        record: &mut RequestRecord,
        plan: Plan,
        real: Option<Answer>,
        head_only: bool,
    ) -> Self {
        let made_token = real.as_ref().and_then(|answer| answer.made_token.clone());
        let (script, sent) = script(real, plan.decisive.as_ref(), state.world.clock.now(), head_only);
        record.answer = sent.map(|answer| AnswerRecord {
            status: answer.status,
            body_bytes: answer.body.len(),
            body: match made_token {
                Some(_) => without_secrets(&answer.body),
                None => without_tokens(&String::from_utf8_lossy(&answer.body)),
            },
        });
        let number = state.records.open(record.clone());
        let told = record.told;
        if let Some(token) = made_token.as_deref().and_then(|id| state.world.token_mut(id)) {
            token.told = told;
        }
        Self {
            number,
            delay_ms: plan.delay_ms,
            drip_ms: plan.drip_ms,
            close_idle_ms: plan.close_idle_ms,
            script,
            made_token,
        }
    }

    /// Notes that the client went away before the answer was written in full.
    pub(crate) fn lost(&self, hub: &Hub) {
        let mut state = hub.state();
        state.records.untold(self.number);
        if let Some(token) = self.made_token.as_deref().and_then(|id| state.world.token_mut(id)) {
            token.told = false;
        }
    }
}

/// The checks and the call, in this order: path and method, access list, token, permission, body.
fn work(
    state: &mut State,
    request: &Request,
    call: Option<&Call>,
    token: Option<&str>,
    origin: Origin,
    problems: &mut Vec<String>,
) -> Answer {
    let Some(call) = call else { return Answer::page_not_found() };
    let kind = call.kind();
    let caller = match authorize(&mut state.world, kind, token, origin.address) {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    let mut desk = Desk {
        world: &mut state.world,
        caller,
        kind,
        body: &request.body,
        query: request.query.as_deref(),
        problems: Vec::new(),
    };
    let answer = desk.handle(call);
    problems.append(&mut desk.problems);
    answer
}

/// What is wrong with a request whatever the call.
fn problems_of(request: &Request) -> Vec<String> {
    let mut problems = Vec::new();
    let mut note = |wrong: bool, problem: &str| {
        if wrong {
            problems.push(problem.to_owned());
        }
    };
    let has_body = !request.body.is_empty();
    let is_json =
        request.header("content-type").is_some_and(|content_type| content_type.starts_with("application/json"));
    let in_query = request.query.as_deref().is_some_and(|query| query.contains("AstraCS"));
    note(has_body && !is_json, "a body whose content type is not JSON");
    note(has_body && matches!(request.method.as_str(), "GET" | "DELETE"), "a body on GET or DELETE");
    note(in_query || request.path.contains("AstraCS"), "a token in the URL");
    note(request.header_count("authorization") > 1, "more than one `Authorization`");
    note(request.header_count("host") != 1, "not exactly one `Host`");
    problems
}

fn clean_headers(request: &Request) -> Vec<(String, String)> {
    let clean = |(name, value): &(String, String)| (name.clone(), without_tokens(value));
    request.headers.iter().map(clean).collect()
}
