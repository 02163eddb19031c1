//! One organization: its records, then Astra's lists, then what stands out.
//!
//! Records are read first. A token made between the two stands in the list
//! only, one revoked in between among the records only: either is found out by
//! a look at storage, without asking Astra again.

mod touch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use secrets_framework::{Context, Error};

use super::bounds::Bounds;
use super::judge;
use super::result::OrgResult;
use crate::client::{AstraClient, ListedToken};
use crate::config::{self, OrgConfig, Retired};
use crate::entry::own_error;
use crate::error::{Failure, upstream};
use crate::limits::ADMIN_TOKEN_EXPIRY_NEAR;
use crate::mint::mark_of_mount;
use crate::names::{OrgId, is_uuid};
use crate::record;

use touch::Touch;

/// An organization that is being tidied.
pub(super) struct Organization<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) bounds: &'a Bounds<'a>,
    pub(super) org_id: &'a OrgId,
    pub(super) dry_run: bool,
}

/// One origin of it, and what Astra lists there.
pub(super) struct Source<'a> {
    pub(super) config: &'a OrgConfig,
    pub(super) client: AstraClient<'a>,
    pub(super) tokens: Vec<ListedToken>,
}

impl Source<'_> {
    /// A list that lacks the very token that asked for it is not whole.
    fn is_whole(&self) -> bool {
        let own = self.config.admin_token.client_id();
        own.is_some_and(|own| self.tokens.iter().any(|token| token.client_id == own))
    }
}

/// By client ID: the token, and which source lists it.
type Listed<'a> = BTreeMap<&'a str, (&'a Source<'a>, &'a ListedToken)>;

impl<'a> Organization<'a> {
    /// Tidies it. Answers why nothing was done, for a caller who asked for it
    /// alone; `Err` only where storage fails, and so for all.
    pub(super) fn tidy(
        &self,
        ended: &BTreeMap<OrgId, BTreeSet<String>>,
        result: &mut OrgResult,
    ) -> Result<Option<Error>, Failure> {
        match self.try_tidy(ended.get(self.org_id), result) {
            Ok(()) => Ok(None),
            Err(failure) => {
                let error = unless_storage_fails(self.context, failure)?;
                result.fail(error.to_string());
                Ok(Some(error))
            }
        }
    }

    fn try_tidy(&self, ended: Option<&BTreeSet<String>>, result: &mut OrgResult) -> Result<(), Failure> {
        let Some(recorded) = record::client_ids(self.context, self.org_id, self.bounds.comparable())? else {
            return Err(Failure::mistake(format!(
                "organization `{}` has more tokens than one tidy can compare: tidy it alone by `org_id={}`; if that is \
                 what was done, look for orphans by their description in Astra's portal",
                self.org_id, self.org_id
            )));
        };
        self.bounds.compared(recorded.len());
        let (current, configs) = self.configs()?;
        let sources = self.sources(&configs, result)?;
        let mut listed = Listed::new();
        for source in &sources {
            for token in &source.tokens {
                listed.entry(&token.client_id).or_insert((source, token));
            }
        }
        if current {
            self.warn_of_expiry(configs.first(), &listed, result);
        }
        let touch = Touch::new(self, &configs, &sources);
        self.visit_listed(&touch, &listed, &recorded, result)?;
        self.visit_recorded(&touch, &listed, &recorded, ended, result)
    }

    /// What could be listed; one origin that fails does not hide the others.
    fn sources<'b>(&self, configs: &'b [OrgConfig], result: &mut OrgResult) -> Result<Vec<Source<'b>>, Failure>
    where
        'a: 'b,
    {
        let mut sources = Vec::new();
        let mut failures = Vec::new();
        for config in configs {
            if !self.bounds.may_begin() {
                result.stop(MORE);
                break;
            }
            match self.list(config) {
                Ok(source) => sources.push(source),
                Err(failure) => failures.push(failure),
            }
        }
        let first = failures.into_iter().next();
        match first {
            Some(failure) if sources.is_empty() => Err(failure),
            first => {
                first.into_iter().for_each(|failure| result.fail(failure.into_error().to_string()));
                Ok(sources)
            }
        }
    }

    /// The organization's configs, one for each origin; is the first its current one?
    fn configs(&self) -> Result<(bool, Vec<OrgConfig>), Failure> {
        let current = config::load(self.context, self.org_id)?;
        let is_current = current.is_some();
        let mut configs: Vec<OrgConfig> = current.into_iter().collect();
        for old in Retired::load(self.context, self.org_id)?.into_configs() {
            if configs.iter().all(|config| config.url.origin() != old.url.origin()) {
                configs.push(old);
            }
        }
        if configs.is_empty() {
            return Err(Failure::mistake(format!("no organization `{}` is configured", self.org_id)));
        }
        Ok((is_current, configs))
    }

    /// Astra's list, from where it is certain to be this organization's.
    fn list<'b>(&self, config: &'b OrgConfig) -> Result<Source<'b>, Failure>
    where
        'a: 'b,
    {
        let client = self.bounds.client(config);
        let told = |error| upstream(self.org_id, &error);
        // Old mounts may know an organization by another name than Astra's UUID.
        if is_uuid(self.org_id.as_str())
            && !client.current_org().map_err(told)?.eq_ignore_ascii_case(self.org_id.as_str())
        {
            return Err(Failure::Failed(Error::coded(
                502,
                format!(
                    "the admin token for organization `{}` at `{}` is another organization's: write the right `astra_token` to the config",
                    self.org_id,
                    config.url.origin()
                ),
            )));
        }
        let tokens = client.list_tokens().map_err(told)?;
        self.bounds.received(client.received_bytes());
        Ok(Source { config, client, tokens })
    }

    fn warn_of_expiry(&self, config: Option<&OrgConfig>, listed: &Listed<'_>, result: &mut OrgResult) {
        let Some(client_id) = config.and_then(|config| config.admin_token.client_id()) else { return };
        let Some((_, token)) = listed.get(client_id) else { return };
        let now = self.context.host.clock().now();
        if token.expiry.is_some_and(|expiry| expiry < now + ADMIN_TOKEN_EXPIRY_NEAR) {
            result.warnings.push(client_id.to_owned());
            result.tell(format!(
                "the admin token `{client_id}` of organization `{}` is near its expiry: rotate it by `config/{}/rotate-root`, or write another",
                self.org_id, self.org_id
            ));
        }
    }

    /// Looks for orphans: tokens with this mount's mark and without a record.
    fn visit_listed(
        &self,
        touch: &Touch<'_>,
        listed: &Listed<'_>,
        recorded: &[String],
        result: &mut OrgResult,
    ) -> Result<(), Failure> {
        let uuid = self.context.host.system_view().backend_uuid();
        for (source, token) in listed.values() {
            let mark = token.description.as_deref().and_then(|description| mark_of_mount(description, &uuid));
            let Some(mark) = mark.filter(|_| recorded.binary_search(&token.client_id).is_err()) else { continue };
            if !judge::is_settled(token, touch.now, touch.age_min) {
                continue;
            }
            if !self.bounds.look_at(1) {
                result.stop(MORE);
                break;
            }
            touch.orphan(source, token, mark, result)?;
        }
        Ok(())
    }

    /// Looks for records whose token has gone, or whose end has passed.
    fn visit_recorded(
        &self,
        touch: &Touch<'_>,
        listed: &Listed<'_>,
        recorded: &[String],
        ended: Option<&BTreeSet<String>>,
        result: &mut OrgResult,
    ) -> Result<(), Failure> {
        for client_id in recorded {
            let shown = listed.get(client_id.as_str());
            let has_passed = |expiry: Duration| judge::has_passed(expiry, touch.now);
            let is_over = ended.is_some_and(|ended| ended.contains(client_id))
                || shown.is_some_and(|(_, token)| token.expiry.is_some_and(has_passed));
            if shown.is_some() && !is_over {
                continue;
            }
            if !self.bounds.look_at(1) {
                result.stop(MORE);
                break;
            }
            match shown {
                None => touch.gone(client_id, result)?,
                Some((_, token)) => touch.expired(client_id, token, result)?,
            }
        }
        Ok(())
    }
}

/// Answers the error of one organization or token; fails where storage fails, and so for all.
pub(super) fn unless_storage_fails(context: &Context<'_>, failure: Failure) -> Result<Error, Error> {
    match failure.into_error() {
        error @ Error::Plain(_) => own_error(context.host.storage(), error),
        error => Ok(error),
    }
}

pub(super) const MORE: &str = "a limit of one tidy was met, and there is more: tidy again";
