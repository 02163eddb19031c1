//! The control interface, under `/_sim/`: the library's means over HTTP and JSON, for whoever
//! runs the simulator as a process. Shows no secret; not recorded, not subject to faults.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::call::query_value;
use crate::change::OutsideChange;
use crate::fault::FaultRule;
use crate::framing::Request;
use crate::hub::{Hub, State};
use crate::leak;
use crate::switches::{Lag, Switches};

pub(crate) fn is_control(path: &str) -> bool {
    path.starts_with("/_sim/")
}

/// The bytes of the answer.
pub(crate) fn handle(hub: &Hub, request: &Request) -> Vec<u8> {
    let (status, body) = match answer(hub, request) {
        Ok(body) => (200, body.to_string()),
        Err(Refusal { status, problem }) => (status, json!({"error": problem}).to_string()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} Control\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    [head.into_bytes(), body.into_bytes()].concat()
}

#[derive(Debug)]
struct Refusal {
    status: u16,
    problem: String,
}

fn answer(hub: &Hub, request: &Request) -> Result<Value, Refusal> {
    let path = request.path.strip_prefix("/_sim/").unwrap_or_default();
    match (request.method.as_str(), path) {
        ("GET", "connections") => return Ok(json!(hub.connections.counts())),
        ("POST", "reset") => {
            hub.reset();
            return Ok(Value::Null);
        }
        _ => {}
    }
    let mut state = hub.state();
    match (request.method.as_str(), path) {
        ("GET", "organizations") => Ok(organizations(&state)),
        ("GET", "tokens") => tokens(&state, request),
        ("GET", "requests") => Ok(json!(state.records.requests())),
        ("GET", "violations") => Ok(json!(state.records.violations())),
        ("GET", "faults") => Ok(json!({"hits": state.faults.hits()})),
        ("POST", "faults") => add_fault(&mut state, body(request)?),
        ("DELETE", "faults") => {
            state.faults.clear();
            Ok(Value::Null)
        }
        ("GET", "clock") => Ok(json!({"now": state.world.clock.now().with_milliseconds()})),
        ("POST", "clock") => {
            let Advance { advance_ms } = body(request)?;
            state.world.clock.advance(Duration::from_millis(advance_ms));
            Ok(json!({"now": state.world.clock.now().with_milliseconds()}))
        }
        ("GET", "switches") => Ok(json!(state.world.switches)),
        ("PUT", "switches") => {
            state.world.switches = body::<Switches>(request)?;
            Ok(json!(state.world.switches))
        }
        ("PUT", "lag") => {
            state.world.lag = body::<Lag>(request)?;
            Ok(json!(state.world.lag))
        }
        ("POST", "changes") => {
            let changed = state.world.change(&body::<OutsideChange>(request)?);
            Ok(json!({"changed": changed}))
        }
        ("POST", "leaks") => Ok(json!(leak::scan(&state.world, &request.body))),
        _ => Err(Refusal { status: 404, problem: format!("no control `{path}`") }),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Refusal> {
    serde_json::from_slice(&request.body).map_err(|error| Refusal { status: 400, problem: error.to_string() })
}

fn add_fault(state: &mut State, rule: FaultRule) -> Result<Value, Refusal> {
    state.faults.add(rule).map(|()| Value::Null).map_err(|error| Refusal { status: 409, problem: error.to_string() })
}

/// Organizations with the counts of their tokens and their roles.
fn organizations(state: &State) -> Value {
    let world = &state.world;
    world
        .organizations()
        .map(|organization| {
            let roles: Vec<Value> = organization
                .roles
                .iter()
                .map(|role| json!({"id": role.id, "name": role.name, "built_in": role.built_in}))
                .collect();
            json!({
                "id": organization.id,
                "name": organization.name,
                "is_enterprise": organization.is_enterprise,
                "tokens": world.counts(&organization.id),
                "roles": roles,
            })
        })
        .collect()
}

/// Tokens of one organization, or of all, whose description holds a mark, if one is given.
fn tokens(state: &State, request: &Request) -> Result<Value, Refusal> {
    let world = &state.world;
    let wanted = query_value(request.query.as_deref(), "organization");
    let mark = query_value(request.query.as_deref(), "mark").unwrap_or_default();
    if let Some(id) = wanted.as_deref().filter(|id| world.organization(id).is_none()) {
        return Err(Refusal { status: 404, problem: format!("no organization `{id}`") });
    }
    let now = world.clock.now();
    Ok(world
        .organizations()
        .filter(|organization| wanted.as_ref().is_none_or(|wanted| *wanted == organization.id))
        .flat_map(|organization| world.tokens_of(&organization.id))
        .filter(|token| token.description.contains(&mark))
        .map(|token| json!(token.info(now)))
        .collect())
}
