//! One organization, or the next part of it: a slice of its records, then
//! Astra's lists, then what stands out.
//!
//! Records are read first. A token made between the two stands in the list
//! only, one revoked in between among the records only: either is found out by
//! a look at storage, without asking Astra again.

mod comparison;
mod served;
mod touch;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use secrets_framework::{Context, Error};

use super::bounds::Bounds;
use super::result::OrgResult;
use crate::astra_role;
use crate::client::{AstraClient, ListedToken};
use crate::config::{self, OrgConfig, Retired};
use crate::held_tokens::HeldTokens;
use crate::limits::{
    ADMIN_TOKEN_EXPIRY_NEAR, ASTRA_ROLE_NOTED_AGAIN, ROLLBACK_REQUEST_TIMEOUT, TIDY_ORPHANS_MAX, TIDY_READS_PER_ENTRY,
};
use crate::names::{ClientId, OrgId};
use crate::record;
use crate::static_role;
use crate::storage::{key, own_error};

use comparison::{Comparison, Item, Rules};
use touch::Touch;

/// An organization that is being tidied.
pub(super) struct Organization<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) bounds: &'a Bounds<'a>,
    pub(super) org_id: &'a OrgId,
    pub(super) dry_run: bool,
    /// Did no other organization use up of the bounds before it?
    pub(super) is_first: bool,
}

/// One origin of it, whose list was read.
pub(super) struct Source<'a> {
    pub(super) config: &'a OrgConfig,
    pub(super) client: AstraClient<'a>,
    /// Its number among the organization's configs.
    number: usize,
    /// Did the list show the very token that asked for it? Else it is not whole.
    is_whole: bool,
    /// When Astra ends that token, as the list says.
    expiry: Option<Duration>,
}

/// What the lists are compared with.
struct Compared {
    slice: Comparison,
    served: HeldTokens,
}

impl<'a> Organization<'a> {
    /// Tidies it. Answers why nothing was done, for a caller who asked for it
    /// alone; `Err` only where storage fails, and so for all.
    pub(super) fn tidy(
        &self,
        ended: &BTreeMap<OrgId, BTreeSet<ClientId>>,
        result: &mut OrgResult,
    ) -> Result<Option<Error>, Error> {
        match self.try_tidy(ended.get(self.org_id), result) {
            Ok(()) => Ok(None),
            Err(failure) => {
                let error = unless_storage_fails(self.context, failure)?;
                result.fail(error.to_string());
                Ok(Some(error))
            }
        }
    }

    fn try_tidy(&self, ended: Option<&BTreeSet<ClientId>>, result: &mut OrgResult) -> Result<(), Error> {
        let names = static_role::names(self.context.storage(), self.org_id)?;
        if !self.bounds.look_at(names.len().div_ceil(TIDY_READS_PER_ENTRY)) {
            result.unfinished = true;
            result.stop(MORE);
            return Ok(());
        }
        let slice = record::index_slice(self.context, self.org_id, &result.after, self.bounds.comparable())?;
        self.bounds.compared(slice.names.len());
        let served = HeldTokens::load(self.context, self.org_id, &names)?;
        let mut compared = Compared { slice: Comparison::new(&result.after, slice, self.rules()), served };
        let (is_configured, configs) = self.configs(result)?;
        let sources = self.sources(&configs, &mut compared, result)?;
        if is_configured {
            self.warn_of_expiry(&sources, result);
        }
        self.replace_dead(&sources, &compared.served, result)?;
        let touch = Touch::new(self, &configs, &sources, compared.served.tokens());
        self.visit(&touch, &compared.slice, ended, result)?;
        if is_configured {
            self.note_astra_roles(&sources, result);
        }
        Ok(())
    }

    /// Notes what Astra's own roles are called and reach, once a day. If Astra does not list them, the tidy is none the
    /// worse for it.
    fn note_astra_roles(&self, sources: &[Source<'_>], result: &mut OrgResult) {
        let now = self.context.now().as_secs();
        let is_due = now >= result.roles_noted.saturating_add(ASTRA_ROLE_NOTED_AGAIN.as_secs());
        if self.dry_run || !is_due || !self.bounds.may_note() {
            return;
        }
        // The first of the configs is the current one.
        let Some(source) = sources.iter().find(|source| source.number == 0) else { return };
        // A token that may list tokens and no roles is not refused as a whole, so nothing warns of it here.
        let timeout = source.config.request_timeout().min(ROLLBACK_REQUEST_TIMEOUT);
        let client = AstraClient::with_bounds(self.context.host, source.config, timeout, 0);
        if let Ok(listed) = client.list_roles() {
            astra_role::note(self.context, self.org_id, &listed, self.bounds.room());
            result.roles_noted = now;
        }
    }

    fn rules(&self) -> Rules {
        let host = self.context.host;
        Rules {
            backend_uuid: host.system_view().backend_uuid(),
            now: host.clock().now(),
            age_min: host.system_view().wal_minimum_age(),
            orphans_max: TIDY_ORPHANS_MAX,
        }
    }

    /// What could be listed; one origin that fails does not hide the others.
    fn sources<'b>(
        &self,
        configs: &'b [OrgConfig],
        compared: &mut Compared,
        result: &mut OrgResult,
    ) -> Result<Vec<Source<'b>>, Error>
    where
        'a: 'b,
    {
        let mut sources = Vec::new();
        let mut failures = Vec::new();
        for (number, config) in configs.iter().enumerate() {
            // The first list may be as long as it is.
            let may_list = if number == 0 { self.bounds.is_early() } else { self.bounds.may_list() };
            if !may_list {
                result.skip(MORE);
                break;
            }
            match self.list(number, config, compared) {
                Ok(source) => sources.push(source),
                Err(failure) => failures.push(failure),
            }
        }
        let first = failures.into_iter().next();
        match first {
            Some(failure) if sources.is_empty() => Err(failure),
            Some(failure) => {
                result.skipped = true;
                result.fail(failure.to_string());
                Ok(sources)
            }
            None => Ok(sources),
        }
    }

    /// The organization's configs, one for each origin; is the first its current one?
    fn configs(&self, result: &mut OrgResult) -> Result<(bool, Vec<OrgConfig>), Error> {
        let current = config::load(self.context, self.org_id)?;
        let is_current = current.is_some();
        let mut configs: Vec<OrgConfig> = current.into_iter().collect();
        let retired = Retired::load(self.context, self.org_id)?;
        match retired.damage() {
            Some(damage) if configs.is_empty() && !retired.has_configs() => return Err(Error::Internal(damage)),
            Some(damage) => result.tell(format!("tokens at some origins may not have been looked at, for {damage}")),
            None => {}
        }
        for old in retired.into_configs() {
            if configs.iter().all(|config| config.url.origin() != old.url.origin()) {
                configs.push(old);
            }
        }
        if configs.is_empty() {
            return Err(Error::mistake(format!(
                "no organization `{}` is configured: write its config first, or tidy all organizations",
                self.org_id
            )));
        }
        Ok((is_current, configs))
    }

    /// Reads Astra's list, from where it is certain to be this organization's.
    fn list<'b>(&self, number: usize, config: &'b OrgConfig, compared: &mut Compared) -> Result<Source<'b>, Error>
    where
        'a: 'b,
    {
        let client = self.bounds.client(config);
        client.check_organization()?;
        let mut source = Source { config, client, number, is_whole: false, expiry: None };
        let (mut is_whole, mut expiry) = (false, None);
        let scanned = source.client.scan_tokens(&mut |token: ListedToken| {
            self.bounds.list_one();
            if source.client.asks_with(&token.client_id) {
                (is_whole, expiry) = (true, token.expiry);
            }
            compared.slice.see(number, &token);
            compared.served.see(&token.client_id);
            ControlFlow::Continue(())
        });
        scanned.map_err(|error| source.client.failure(&error))?;
        (source.is_whole, source.expiry) = (is_whole, expiry);
        Ok(source)
    }

    fn warn_of_expiry(&self, sources: &[Source<'_>], result: &mut OrgResult) {
        // The first of the configs is the current one.
        let Some(source) = sources.iter().find(|source| source.number == 0) else { return };
        let Some(client_id) = source.config.admin_token.client_id() else { return };
        let now = self.context.now();
        if source.expiry.is_some_and(|expiry| expiry < now + ADMIN_TOKEN_EXPIRY_NEAR) {
            result.warnings.push(client_id.to_string());
            result.tell(format!(
                "the admin token `{client_id}` of organization `{}` is near its expiry: rotate it by `config/{}/rotate-root`, or write another",
                self.org_id, self.org_id
            ));
        }
    }

    /// Visits what stands out in the slice, and notes how far it came: tokens with this mount's mark and without a
    /// record, records whose token has gone, and those whose end has passed.
    fn visit(
        &self,
        touch: &Touch<'_>,
        slice: &Comparison,
        ended: Option<&BTreeSet<ClientId>>,
        result: &mut OrgResult,
    ) -> Result<(), Error> {
        // The name up to which all is done, once something is left to the next tidy.
        let mut left_after: Option<String> = None;
        let mut last_done = result.after.clone();
        self.bounds.take_refused();
        for (name, item) in slice.items() {
            let visited = match item {
                Item::Record(record) => match key::from_segment(name) {
                    Some(client_id) => touch.record(&ClientId::stored(client_id), record, ended, result)?,
                    None => true,
                },
                Item::Orphan(orphan) => touch.orphan(orphan, result)?,
            };
            if self.bounds.take_refused() && left_after.is_none() {
                left_after = Some(std::mem::take(&mut last_done));
                // What a tidy cannot do even as its first must not keep all that follows waiting for ever.
                if self.is_first && left_after.as_deref() == Some(result.after.as_str()) {
                    result.skipped = true;
                    left_after = Some(name.to_owned());
                }
            }
            if !visited {
                break;
            }
            if left_after.is_none() {
                name.clone_into(&mut last_done);
            }
        }
        if touch.gave_up() {
            if !result.is_retry {
                // The next tidy tries the same part again.
                return Ok(());
            }
            result.skipped = true;
        }
        let left_after = left_after.or_else(|| slice.until().map(str::to_owned));
        result.unfinished = left_after.is_some();
        result.after = left_after.unwrap_or_default();
        if result.complete && result.skipped && !result.unfinished {
            result.stop(SKIPPED);
        }
        if result.failed.is_none() && result.unfinished {
            result.stop(MORE);
        }
        Ok(())
    }
}

/// Answers the error of one organization or token; fails where storage fails, and so for all.
pub(super) fn unless_storage_fails(context: &Context<'_>, failure: Error) -> Result<Error, Error> {
    match failure {
        error @ Error::Plain(_) => own_error(context.storage(), error),
        error => Ok(error),
    }
}

const MORE: &str = "a limit of one tidy was met, and there is more: tidy again, and the next tidy goes on from there";

const SKIPPED: &str =
    "this tidy or one before it, on which it went on, could not look at everything: tidy again to begin anew";
