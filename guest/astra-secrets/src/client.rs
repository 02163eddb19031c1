//! A client of Astra's control plane, bound to one organization.
//!
//! It holds one origin and one admin token for one request of the server, so
//! that a token can never go to another organization's endpoint. GET and
//! DELETE are repeated here, within bounds; a POST never is: whether it may be
//! is for `mint` to decide. Upstream bodies end here, they reach no error and
//! no log line.

mod encode;
mod error;
mod exchange;
mod retry;
mod sentence;
mod token_list;
mod wire;

use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::Duration;

use secrets_framework::Error;
use secrets_framework::escape::path_segment;
use secrets_framework::host::{Host, HttpMethod};

pub(crate) use error::{ClientError, is_about_the_token, is_unknown_token};
pub(crate) use sentence::upstream;
pub(crate) use wire::{CreatedToken, ListedRole, ListedToken, TokenRequest};

use crate::config::OrgConfig;
use crate::limits::{PROOF_BUDGET, PROOF_RETRIES, SETTLE_BUDGET, UPSTREAM_BUDGET, UPSTREAM_TIME_MIN, VERIFY_TIMEOUT};
use crate::names::{ClientId, OrgId, is_uuid};
use crate::tainted;

const TOKENS_PATH: &str = "/v2/clientIdSecrets";

/// A client of one organization, for one request of the server.
pub(crate) struct AstraClient<'a> {
    host: &'a dyn Host,
    config: &'a OrgConfig,
    request_timeout: Duration,
    retries_max: u32,
    /// When the work that was asked for must have ended.
    work_deadline: Duration,
    /// When what cleans up after it must have ended, too.
    deadline: Cell<Duration>,
    skew: Cell<Option<Skew>>,
    when_refused: Option<WhenRefused>,
}

/// Is called when Astra refuses the admin token of the config with 401.
pub(crate) type WhenRefused = fn(&dyn Host, &OrgConfig, &ClientError);

/// How a scan of the organization's tokens ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScanEnd {
    /// Every token was visited.
    Complete,
    /// The visitor broke off the scan.
    Stopped,
}

/// How Astra's clock stood to ours at one answer, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skew {
    /// Astra's time less ours, when the answer was there.
    pub(crate) ahead_seconds: i64,
    /// How long the exchange took: so far the difference may be off.
    pub(crate) exchange_seconds: u64,
}

impl<'a> AstraClient<'a> {
    /// A client within the bounds that the config sets. Its time begins to run now.
    pub(crate) fn new(host: &'a dyn Host, config: &'a OrgConfig) -> Self {
        Self::with_bounds(host, config, config.request_timeout(), config.max_retries())
    }

    /// A client with bounds of its own on one exchange and on repetitions.
    pub(crate) fn with_bounds(
        host: &'a dyn Host,
        config: &'a OrgConfig,
        request_timeout: Duration,
        retries_max: u32,
    ) -> Self {
        let work_deadline = host.clock().now() + UPSTREAM_BUDGET;
        Self {
            host,
            config,
            request_timeout,
            retries_max,
            work_deadline,
            deadline: Cell::new(work_deadline),
            skew: Cell::new(None),
            when_refused: None,
        }
    }

    /// The same client with less time for all its work: lists may be long, and a bound between two reads ends none.
    pub(crate) fn within(self, budget: Duration) -> Self {
        let work_deadline = self.work_deadline.min(self.host.clock().now() + budget);
        Self { work_deadline, deadline: Cell::new(work_deadline), ..self }
    }

    /// The same client, which calls `act` when Astra refuses the admin token with 401.
    pub(crate) fn when_refused(self, act: WhenRefused) -> Self {
        Self { when_refused: Some(act), ..self }
    }

    /// A client for proving the new token of `candidate`, within the time that is left to this one.
    pub(crate) fn proving<'b>(&self, candidate: &'b OrgConfig) -> AstraClient<'b>
    where
        'a: 'b,
    {
        let work_deadline = self.work_deadline.min(self.host.clock().now() + PROOF_BUDGET);
        AstraClient {
            work_deadline,
            deadline: Cell::new(work_deadline),
            ..AstraClient::with_bounds(self.host, candidate, self.request_timeout.min(VERIFY_TIMEOUT), PROOF_RETRIES)
        }
    }

    /// The outside of the request.
    pub(crate) fn host(&self) -> &'a dyn Host {
        self.host
    }

    /// What the caller is told of a failure of this client.
    pub(crate) fn failure(&self, error: &ClientError) -> Error {
        sentence::failure(self.host, self.config, error)
    }

    /// The organization this client is bound to.
    pub(crate) fn org_id(&self) -> &'a OrgId {
        &self.config.org_id
    }

    /// Does it ask with this very token?
    pub(crate) fn asks_with(&self, client_id: &ClientId) -> bool {
        self.config.admin_token.is(client_id)
    }

    /// That organization's settings.
    pub(crate) fn config(&self) -> &'a OrgConfig {
        self.config
    }

    /// Asks for one token, once. `Ok` means that every field needed is there.
    pub(crate) fn create_token(&self, wanted: &TokenRequest<'_>) -> Result<CreatedToken, ClientError> {
        let body = wire::write_token_request(wanted)?;
        let response = self.send(HttpMethod::Post, TOKENS_PATH, Some(body))?;
        wire::read_created(response.body.expose(), wanted, self.org_id())
    }

    /// Visits the tokens of the organization until `visit` breaks off the scan. The list is read as a stream, so that
    /// its length does not matter, and no further than the scan goes.
    ///
    /// A list that is lost on the way is read again from its beginning, so `visit` may see one token more than once.
    pub(crate) fn scan_tokens(
        &self,
        visit: &mut dyn FnMut(ListedToken) -> ControlFlow<()>,
    ) -> Result<ScanEnd, ClientError> {
        self.repeatedly(|| {
            self.exchange(HttpMethod::Get, TOKENS_PATH, None, |response| token_list::scan(response.body, visit))
        })
    }

    /// The first listed token that `is_it` accepts; the rest of the list is not read.
    pub(crate) fn find_token(&self, is_it: impl Fn(&ListedToken) -> bool) -> Result<Option<ListedToken>, ClientError> {
        let mut found = None;
        self.scan_tokens(&mut |token| {
            if is_it(&token) {
                found = Some(token);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Revokes a token; `Ok` only on Astra's own 200 or 204.
    pub(crate) fn delete_token(&self, client_id: &ClientId) -> Result<(), ClientError> {
        let path = format!("{TOKENS_PATH}/{}", path_segment(client_id));
        let response = self.send_repeatedly(HttpMethod::Delete, &path)?;
        match response.status {
            200 | 204 => Ok(()),
            status => Err(ClientError::Unexpected { status }),
        }
    }

    /// The ID of the organization that the admin token belongs to.
    pub(crate) fn current_org(&self) -> Result<String, ClientError> {
        let response = self.send_repeatedly(HttpMethod::Get, "/v2/currentOrg")?;
        wire::read_current_org(response.body.expose())
    }

    /// Does the admin token belong to the organization of its config? A mount of the Go plugin may know an organization by
    /// another name than Astra's UUID: then there is nothing to compare.
    pub(crate) fn is_of_own_organization(&self) -> Result<bool, ClientError> {
        let org_id = self.org_id().as_str();
        Ok(!is_uuid(org_id) || self.current_org()?.eq_ignore_ascii_case(org_id))
    }

    /// Fails unless the admin token belongs to the organization of its config: without that, what a list lacks proves
    /// nothing.
    pub(crate) fn check_organization(&self) -> Result<(), Error> {
        if self.is_of_own_organization().map_err(|error| self.failure(&error))? {
            return Ok(());
        }
        let write = self.config.step_for_token("write the right `astra_token` to the config");
        let next_step = tainted::next_step(self.host, write);
        Err(Error::coded(
            502,
            format!(
                "the admin token for organization `{}` at `{}` is another organization's: {next_step}",
                self.org_id(),
                self.config.url.origin()
            ),
        ))
    }

    /// All roles of the organization.
    pub(crate) fn list_roles(&self) -> Result<Vec<ListedRole>, ClientError> {
        let response = self.send_repeatedly(HttpMethod::Get, "/v2/organizations/roles")?;
        wire::read_roles(response.body.expose())
    }

    /// Waits before repeating what failed with `error`, `attempts` times so
    /// far. False = it must not be repeated: too often, or no time left.
    pub(crate) fn pause_before_repeating(&self, error: &ClientError, attempts: u32) -> bool {
        if attempts > self.retries_max {
            return false;
        }
        let Some(pause) = retry::pause(self.host, error, attempts) else { return false };
        if pause + UPSTREAM_TIME_MIN > self.time_until(self.work_deadline) {
            return false;
        }
        self.host.clock().sleep(pause);
        true
    }

    /// How the clocks stood at the last answer that bore Astra's time.
    pub(crate) fn skew(&self) -> Option<Skew> {
        self.skew.get()
    }

    /// From now on, lists and deletions may use the time kept for cleaning up.
    pub(crate) fn use_time_to_settle(&self) {
        self.deadline.set(self.work_deadline + SETTLE_BUDGET);
    }
}

#[cfg(test)]
mod tests;
