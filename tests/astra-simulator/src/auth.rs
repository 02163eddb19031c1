//! Who calls: the access list and the bearer token, in the order the real gateway checks them,
//! with the answers it was recorded to give.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::answer::Answer;
use crate::call::{CallKind, DATA_API};
use crate::framing::Request;
use crate::state::World;
use crate::switches::ErrorShape;
use crate::token::{TokenState, client_id_and_rest, well_formed_client_id};

/// The token that calls.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) client_id: String,
    pub(crate) organization: String,
}

/// The bearer token of an `Authorization` header; `Some("")` when the scheme stands alone.
fn bearer(authorization: Option<&str>) -> Option<&str> {
    let rest = authorization?.strip_prefix("Bearer")?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix(' ') }
}

/// The token that a request carries: the Data API has a header without a scheme for it (SDK).
pub(crate) fn token_of(request: &Request) -> Option<&str> {
    if request.path.starts_with(DATA_API) { request.header("token") } else { bearer(request.header("authorization")) }
}

/// Whose call it is by the look of its token, which may still be refused.
pub(crate) fn claimed<'call>(world: &World, bearer: Option<&'call str>) -> (Option<&'call str>, Option<String>) {
    let client_id = bearer.and_then(client_id_and_rest).map(|(client_id, _)| client_id);
    let token = client_id.and_then(|client_id| world.token(client_id));
    (client_id, token.map(|token| token.organization.clone()))
}

/// Checks access list and token; the caller, or the refusal.
pub(crate) fn authorize(
    world: &mut World,
    kind: CallKind,
    bearer: Option<&str>,
    address: IpAddr,
) -> Result<Caller, Answer> {
    let refuse = |world: &World, status: u16, id: u32, message: &str| {
        let shape = world.switches.error_shapes.get(&kind).copied();
        Err(Answer::error(status, shape.unwrap_or(ErrorShape::Errors), id, message))
    };
    let (claimed_id, claimed_organization) = claimed(world, bearer);
    if !on_access_list(world, claimed_organization.as_deref(), address) {
        let status = world.switches.access_list_status;
        return refuse(world, status, 340_003, "address is not on the access list");
    }
    match bearer {
        // CAULDRON, live 2026-09-13.
        None => return refuse(world, 401, 340_002, "no bearer token in request"),
        // TF#57, live 2021.
        Some("") => return refuse(world, 401, 340_012, "invalid token format"),
        Some(bearer) => {
            let known = claimed_id.and_then(|client_id| world.token(client_id));
            if known.is_some_and(|token| token.revoked.is_none() && !token.matches(bearer)) {
                // CLI#66, live 2023: recorded for a stray extra character.
                return refuse(world, 403, 340_017, MALFORMED_403);
            }
            if well_formed_client_id(bearer).is_none() {
                // CAULDRON, live 2026-09-13. The `%s` are really sent.
                return refuse(world, 401, 340_016, MALFORMED_400);
            }
            if let Some(caller) = live_caller(world, bearer) {
                return Ok(caller);
            }
        }
    }
    // SWARM#30, live 2024.
    let status = world.switches.dead_token_status;
    refuse(world, status, 340_018, UNKNOWN)
}

fn live_caller(world: &mut World, bearer: &str) -> Option<Caller> {
    let client_id = well_formed_client_id(bearer)?;
    let (now, lag) = (world.clock.now(), world.lag);
    let token = world.token_mut(client_id)?;
    if !token.matches(bearer) {
        return None;
    }
    let revoked = token.revoked.is_some();
    token.calls_since.count(revoked);
    let usable = match token.state(now) {
        TokenState::Live => !lag.refuses_new(token, now),
        TokenState::Expired => false,
        TokenState::Revoked => lag.accepts_deleted(token, now),
    };
    usable.then(|| Caller { client_id: token.client_id.clone(), organization: token.organization.clone() })
}

fn on_access_list(world: &World, organization: Option<&str>, address: IpAddr) -> bool {
    let list =
        organization.and_then(|id| world.organization(id)).and_then(|organization| organization.access_list.as_ref());
    list.is_none_or(|list| list.iter().any(|entry| covers(entry, address)))
}

/// Whether an entry, an address or a network, covers an address.
fn covers(entry: &str, address: IpAddr) -> bool {
    let network = entry.parse::<IpNet>().ok();
    let single = entry.parse::<IpAddr>().ok();
    network.is_some_and(|network| network.contains(&address)) || single == Some(address)
}

const MALFORMED_400: &str = "Resource, token, was malformed. Error: auth-manager returned 400 for \
                             call %s/v2/admin/tokens?%s";
const MALFORMED_403: &str = "Resource, token, was malformed. Error: auth-manager returned 403 for \
                             call %s/v2/admin/tokens";
const UNKNOWN: &str = "Resource not found: token with identifier: auth-manager returned 404 for \
                       call %s/v2/admin/tokens?%s";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_token_is_not_an_absent_one() {
        assert_eq!(bearer(None), None);
        assert_eq!(bearer(Some("Basic abc")), None);
        assert_eq!(bearer(Some("Bearer")), Some(""));
        assert_eq!(bearer(Some("Bearer abc")), Some("abc"));
    }

    #[test]
    fn an_access_list_holds_addresses_and_networks() {
        let address = IpAddr::from([127, 0, 0, 1]);
        assert!(covers("127.0.0.1", address) && covers("127.0.0.0/8", address));
        assert!(!covers("10.0.0.0/8", address) && !covers("nonsense", address));
    }
}
