//! The second look at one token, under its lock, and what is done about it.
//! All rules about what must not be touched are held here once more, for the
//! first look may be old by now.

mod other_use;

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use secrets_framework::Error;

use super::super::judge;
use super::super::result::OrgResult;
use super::comparison::{Compared, Orphan};
use super::{MORE, Organization, Source, unless_storage_fails};
use crate::client::ClientError;
use crate::config::OrgConfig;
use crate::ending::remove_absent;
use crate::events;
use crate::history::End;
use crate::in_use;
use crate::mint;
use crate::names::{ClientId, OrgId};
use crate::record::{self, Record, RecordId, TokenKind};
use crate::static_role::Tokens;

/// Looks again, and acts.
pub(super) struct Touch<'a> {
    organization: &'a Organization<'a>,
    /// All of the organization's, also those whose list was not had.
    configs: &'a [OrgConfig],
    sources: &'a [Source<'a>],
    pub(super) now: Duration,
    pub(super) age_min: Duration,
    /// Read when the first is asked for, and so after Astra's lists: a listed token whose mint has no entry by then
    /// has a record, or will never have one.
    open_marks: OnceCell<BTreeMap<String, u64>>,
    /// Of the static roles, read before Astra's lists; each token that a rotation makes from then on has a record.
    statics: &'a Tokens,
    /// Other names under which this mount may know the same organization of Astra's.
    namesakes: OnceCell<Vec<OrgId>>,
    /// Astra does not do what is asked; the next tidy may have more luck.
    gave_up: Cell<bool>,
}

/// What became of a token that stands out.
enum Act {
    /// It does not stand out any more, or must not be touched.
    Left,
    /// As the result tells; nothing was changed.
    Told,
    /// It is gone.
    Removed,
}

impl<'a> Touch<'a> {
    pub(super) fn new(
        organization: &'a Organization<'a>,
        configs: &'a [OrgConfig],
        sources: &'a [Source<'a>],
        statics: &'a Tokens,
    ) -> Self {
        let host = organization.context.host;
        let (now, age_min) = (host.clock().now(), host.system_view().wal_minimum_age());
        let (open_marks, namesakes) = (OnceCell::new(), OnceCell::new());
        let gave_up = Cell::new(false);
        Self { organization, configs, sources, now, age_min, open_marks, statics, namesakes, gave_up }
    }

    /// Did Astra not do what it was asked, so that nothing more was asked?
    pub(super) fn gave_up(&self) -> bool {
        self.gave_up.get()
    }

    /// Deals with a token with a mark of ours and, so far, without a record. False = a limit kept it from being
    /// looked at.
    pub(super) fn orphan(&self, orphan: &Orphan, result: &mut OrgResult) -> Result<bool, Error> {
        // A source whose list broke off is not among them.
        let source = self.sources.iter().find(|source| source.number == orphan.source);
        let Some(source) = source else { return Ok(true) };
        if !self.may_look(result) {
            return Ok(false);
        }
        let act = self.settled(self.try_orphan(source, orphan, result), &orphan.client_id, result)?;
        note(&orphan.client_id, act, |result| &mut result.orphans, result);
        Ok(true)
    }

    /// Deals with a record, if no list shows its token, or if its end has passed as the list or `ended`, from the
    /// index, says. False = a limit kept it from being looked at.
    pub(super) fn record(
        &self,
        client_id: &ClientId,
        record: &Compared,
        ended: Option<&BTreeSet<ClientId>>,
        result: &mut OrgResult,
    ) -> Result<bool, Error> {
        let is_over = ended.is_some_and(|ended| ended.contains(client_id))
            || record.expiry.is_some_and(|expiry| judge::has_passed(expiry, self.now));
        if record.is_listed && !is_over {
            return Ok(true);
        }
        if !self.may_look(result) {
            return Ok(false);
        }
        if record.is_listed {
            let act = self.settled(self.try_expired(client_id, record.expiry, result), client_id, result)?;
            note(client_id, act, |result| &mut result.expired, result);
        } else {
            let act = self.settled(self.try_gone(client_id, result), client_id, result)?;
            note(client_id, act, |result| &mut result.gone, result);
        }
        Ok(true)
    }

    fn may_look(&self, result: &mut OrgResult) -> bool {
        let may = self.organization.bounds.look_at(1);
        if !may {
            result.stop(MORE);
        }
        may
    }

    fn try_orphan(&self, source: &Source<'_>, orphan: &Orphan, result: &mut OrgResult) -> Result<Act, Error> {
        let Orphan { client_id, mark, .. } = orphan;
        if self.is_open(mark)? {
            return Ok(Act::Left);
        }
        let Organization { context, org_id, .. } = self.organization;
        // A mint that is still going on holds this lock.
        let _guard = mint::lock(context, mark)?;
        // A record that cannot be read is one all the same: its token may be in use.
        record::load(context, &RecordId::of_client(client_id))?;
        if record::find(context, org_id, client_id)?.is_some() || self.is_admin_token(client_id)? {
            return Ok(Act::Left);
        }
        if self.is_of_namesake(client_id, result)? || self.is_of_static_role(client_id, result)? {
            return Ok(Act::Left);
        }
        if !self.may_act(result) {
            return Ok(Act::Told);
        }
        self.delete(source, client_id)?;
        let fields = [("org", org_id.as_str()), ("client_id", client_id), ("mark", mark)];
        events::ORPHAN_REMOVED.log(context, &fields);
        Ok(Act::Removed)
    }

    fn try_gone(&self, client_id: &ClientId, result: &mut OrgResult) -> Result<Act, Error> {
        let Organization { context, org_id, .. } = self.organization;
        let Some(found) = record::find(context, org_id, client_id)? else { return Ok(Act::Left) };
        let _guard = record::lock(context, &found.id)?;
        let Some(record) = self.current(&found)? else { return Ok(Act::Left) };
        let Some(source) = self.source_of(&record) else { return Ok(Act::Left) };
        if self.must_be_left(&record)? {
            return Ok(Act::Left);
        }
        if record.kind == TokenKind::Static && in_use::is_held(context, &record)? {
            // Found dead or not, and told of, before (`served`).
            return Ok(Act::Left);
        }
        if in_use::is_held(context, &record)? || self.is_admin_token(client_id)? {
            result.tell(format!(
                "the {} token `{client_id}` of organization `{org_id}` is in use, but Astra does not list it: if requests \
                 with it fail, rotate it or write another",
                record.kind.as_str()
            ));
            return Ok(Act::Left);
        }
        if !source.is_whole {
            result.skip(NOT_WHOLE);
            return Ok(Act::Left);
        }
        if !self.may_act(result) {
            return Ok(Act::Told);
        }
        remove_absent(context, &record, source.config, End::Tidied)?;
        Ok(Act::Removed)
    }

    fn try_expired(
        &self,
        client_id: &ClientId,
        expiry: Option<Duration>,
        result: &mut OrgResult,
    ) -> Result<Act, Error> {
        let Organization { context, org_id, .. } = self.organization;
        let Some(found) = record::find(context, org_id, client_id)? else { return Ok(Act::Left) };
        let _guard = record::lock(context, &found.id)?;
        let Some(record) = self.current(&found)? else { return Ok(Act::Left) };
        let Some(source) = self.source_of(&record) else { return Ok(Act::Left) };
        let is_over = judge::is_over(&record, self.now) || expiry.is_some_and(|end| judge::has_passed(end, self.now));
        let is_used = in_use::is_held(context, &record)? || self.is_admin_token(client_id)?;
        if !is_over || is_used || self.must_be_left(&record)? {
            return Ok(Act::Left);
        }
        if !self.may_act(result) {
            return Ok(Act::Told);
        }
        self.delete(source, client_id)?;
        record::remove(context, &record, End::Tidied)?;
        Ok(Act::Removed)
    }

    /// The record as it is now that nobody else changes it.
    fn current(&self, found: &Record) -> Result<Option<Record>, Error> {
        let record = record::load(self.organization.context, &found.id)?;
        Ok(record.filter(|record| record.client_id == found.client_id && record.org_id == found.org_id))
    }

    /// Where its token is, if that was asked. The Go plugin noted no origin:
    /// then it is certain only where there is one to choose from.
    fn source_of(&self, record: &Record) -> Option<&'a Source<'a>> {
        match &record.origin {
            Some(origin) => self.sources.iter().find(|source| source.config.url.origin() == origin),
            None => self.sources.first().filter(|_| self.sources.len() == 1),
        }
    }

    /// Too new, in its grace period, or still in the making.
    fn must_be_left(&self, record: &Record) -> Result<bool, Error> {
        if !judge::is_record_settled(record, self.now, self.age_min) || judge::is_in_grace(record, self.now) {
            return Ok(true);
        }
        Ok(!record.mark.is_empty() && self.is_open(&record.mark)?)
    }

    /// Has the mint with this mark still a write-ahead entry?
    fn is_open(&self, mark: &str) -> Result<bool, Error> {
        if let Some(open) = self.open_marks.get() {
            return Ok(open.contains_key(mark));
        }
        let Organization { context, org_id, bounds, .. } = self.organization;
        let open = mint::open_marks(context, org_id)?;
        bounds.looked_at(open.looked_at);
        Ok(self.open_marks.get_or_init(|| open.marks).contains_key(mark))
    }

    /// Is it the token that a config, also a retired one, asks Astra with?
    fn is_admin_token(&self, client_id: &ClientId) -> Result<bool, Error> {
        if self.configs.iter().any(|config| config.admin_token.is(client_id)) {
            return Ok(true);
        }
        // It may have been rotated since.
        in_use::is_admin_token(self.organization.context, self.organization.org_id, client_id)
    }

    /// May anything be changed now?
    fn may_act(&self, result: &mut OrgResult) -> bool {
        if self.organization.dry_run {
            return false;
        }
        if self.gave_up.get() {
            self.organization.bounds.refuse();
            return false;
        }
        let may = self.organization.bounds.remove();
        if !may {
            result.stop(MORE);
        }
        may
    }

    fn delete(&self, source: &Source<'_>, client_id: &ClientId) -> Result<(), Error> {
        source.client.delete_token(client_id).map_err(|error| {
            // What Astra says of this one token says nothing of the others.
            let of_this_one = matches!(error, ClientError::NotFound | ClientError::Rejected { .. });
            self.gave_up.set(!of_this_one);
            source.client.failure(&error)
        })
    }

    /// A token that could not be dealt with must not keep others from their turn.
    fn settled(&self, act: Result<Act, Error>, client_id: &ClientId, result: &mut OrgResult) -> Result<Act, Error> {
        match act {
            Err(failure) => {
                let error = unless_storage_fails(self.organization.context, failure)?;
                result.tell(format!("the token `{client_id}` could not be tidied: {error}"));
                if self.gave_up.get() {
                    result.fail(error.to_string());
                }
                Ok(Act::Told)
            }
            Ok(act) => Ok(act),
        }
    }
}

fn note(client_id: &ClientId, act: Act, list: impl Fn(&mut OrgResult) -> &mut Vec<String>, result: &mut OrgResult) {
    if !matches!(act, Act::Left) {
        list(result).push(client_id.to_string());
    }
    if matches!(act, Act::Removed) {
        result.removed.push(client_id.to_string());
    }
}

const NOT_WHOLE: &str =
    "Astra's list does not show the admin token that asked for it, so no record was taken for gone: tidy again later";
