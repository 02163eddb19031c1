//! A token of the Go plugin that its own organization does not list: the Go
//! plugin had one HTTP client for all organizations, so the token may have
//! been made in another one of the mount, where it is looked for and ended.
//!
//! Each admin token only asks for its own list. What was asked is kept in
//! `elsewhere/<organization>/<client id>`, so that the next attempt goes on.

mod organizations;
mod progress;

use std::cell::Cell;
use std::time::Duration;

use secrets_framework::{Context, Error};

use super::Patience;
use crate::config::OrgConfig;
use crate::events;
use crate::history::{End, Whereabouts};
use crate::limits::{
    ELSEWHERE_ASKED_PER_CALL_MAX, ELSEWHERE_BUDGET, ELSEWHERE_GIVE_UP_AFTER, ELSEWHERE_NAMED_MAX,
    ELSEWHERE_ROLLBACK_BUDGET,
};
use crate::names::{ClientId, OrgId};
use crate::record::{self, Record, TokenKind};
use crate::tainted;

use organizations::{Other, others};
use progress::Progress;

/// A token that the list of its own organization lacks.
pub(super) struct Absent<'a> {
    /// Its organization.
    pub(super) org_id: &'a OrgId,
    /// Its ID in Astra.
    pub(super) client_id: &'a ClientId,
    /// Its record, if there is one.
    pub(super) record: Option<&'a Record>,
    /// With what its own organization was asked.
    pub(super) asked: &'a OrgConfig,
    /// How long the calls to Astra may take.
    pub(super) patience: Patience,
    /// When the request began to ask Astra.
    pub(super) began: Duration,
}

/// May the token have been made in another organization than its record says? The Go plugin's tokens may: they bear no
/// mark of ours, also where the walk of the index noted an origin for them.
pub(super) fn may_be_elsewhere(record: &Record) -> bool {
    record.mark.is_empty() && record.kind == TokenKind::Standard
}

/// Forgets a record whose token the list of its own organization lacks. One of the Go plugin is first looked for in the
/// mount's other organizations, and ended where it is found.
pub(crate) fn remove_absent(context: &Context<'_>, record: &Record, asked: &OrgConfig, how: End) -> Result<(), Error> {
    if !may_be_elsewhere(record) {
        return record::remove(context, record, how);
    }
    let (org_id, client_id, began) = (&record.org_id, &record.client_id, context.now());
    let patience = Patience::Rollback;
    let absent = Absent { org_id, client_id, record: Some(record), asked, patience, began };
    let whereabouts = end_elsewhere(context, &absent)?;
    record::remove_from(context, record, how, whereabouts)
}

/// Looks for the token in the mount's other organizations, and ends it where it is. It is over when it is ended, when
/// each of them has shown its complete list without it, or [`ELSEWHERE_GIVE_UP_AFTER`] its lease's end; else this fails and is to
/// be tried again.
pub(super) fn end_elsewhere(context: &Context<'_>, absent: &Absent<'_>) -> Result<Whereabouts, Error> {
    let others = others(context, absent.asked)?;
    if others.is_empty() {
        return Ok(Whereabouts::default());
    }
    let mut progress = Progress::load(context, absent)?;
    let mut search = Search { context, absent, asked_now: 0, failure: None, not_asked: Vec::new() };
    for other in &others {
        if progress.has_asked(other) {
            continue;
        }
        match search.ask(other)? {
            Answer::Ended => {
                progress.forget(context, absent)?;
                log_found(context, absent, other);
                return Ok(Whereabouts { found_in: Some(other.org_id.to_string()), not_asked: Vec::new() });
            }
            Answer::NotThere => progress.note(other),
            Answer::None => {}
        }
    }
    let Some(failure) = search.failure else {
        progress.forget(context, absent)?;
        return Ok(Whereabouts::default());
    };
    let now = context.now();
    if Duration::from_secs(progress.since) + ELSEWHERE_GIVE_UP_AFTER > now {
        progress.store(context, absent)?;
        return Err(failure);
    }
    progress.forget(context, absent)?;
    let not_asked = named(search.not_asked);
    log_given_up(context, absent, &not_asked);
    Ok(Whereabouts { found_in: None, not_asked })
}

/// What an organization answered.
enum Answer {
    /// It had the token, which is ended.
    Ended,
    /// Its own, complete list lacks the token.
    NotThere,
    /// It did not answer, or was not asked.
    None,
}

/// One look at the other organizations.
struct Search<'a> {
    context: &'a Context<'a>,
    absent: &'a Absent<'a>,
    asked_now: usize,
    /// Why the first that did not answer did not.
    failure: Option<Error>,
    not_asked: Vec<String>,
}

impl Search<'_> {
    /// Fails where the token is found and cannot be ended: that is never given up.
    fn ask(&mut self, other: &Other) -> Result<Answer, Error> {
        let config = match &other.config {
            Ok(config) => config,
            Err(error) => return Ok(self.not_answered(other, error.clone())),
        };
        if !self.has_time() {
            return Ok(self.not_answered(other, no_time(&other.org_id)));
        }
        self.asked_now += 1;
        let client = Patience::Rollback.client(self.context, config);
        let client_id = self.absent.client_id;
        let shows_asker = Cell::new(false);
        let found = client.find_token(|token| {
            shows_asker.set(shows_asker.get() || client.asks_with(&token.client_id));
            token.client_id == *client_id
        });
        match found {
            // The token's lease ends by this answer: a list that is cut, or another organization's, is none.
            Ok(None) if !shows_asker.get() => Ok(self.not_answered(other, cut(self.context, config))),
            Ok(None) => match client.check_organization() {
                Ok(()) => Ok(Answer::NotThere),
                Err(error) => Ok(self.not_answered(other, error)),
            },
            Err(error) => Ok(self.not_answered(other, client.failure(&error))),
            Ok(Some(_)) if client.asks_with(client_id) => Err(self.explained(&in_use(self.context, config))),
            Ok(Some(_)) => match client.delete_token(client_id) {
                Ok(()) => Ok(Answer::Ended),
                Err(error) => Err(self.explained(&client.failure(&error))),
            },
        }
    }

    fn has_time(&self) -> bool {
        let budget = match self.absent.patience {
            Patience::Caller => ELSEWHERE_BUDGET,
            Patience::Rollback => ELSEWHERE_ROLLBACK_BUDGET,
            Patience::Once => return false,
        };
        let now = self.context.now();
        self.asked_now < ELSEWHERE_ASKED_PER_CALL_MAX && now <= self.absent.began + budget
    }

    fn not_answered(&mut self, other: &Other, failure: Error) -> Answer {
        self.not_asked.push(other.name.clone());
        if self.failure.is_none() {
            self.failure = Some(self.explained(&failure));
        }
        Answer::None
    }

    /// Why a request about one organization fails for another.
    fn explained(&self, error: &Error) -> Error {
        let Absent { org_id, client_id, .. } = self.absent;
        let code = match error {
            Error::Coded { code, .. } => *code,
            _ => 502,
        };
        let sentence = format!(
            "Astra does not list the token `{client_id}` in its own organization `{org_id}`, and the Go plugin may have \
             made it in another one of this mount: {error}"
        );
        Error::coded(code, sentence)
    }
}

fn in_use(context: &Context<'_>, config: &OrgConfig) -> Error {
    let write = config.step_for_token("write another `astra_token` to that config");
    let next_step = tainted::next_step(context.host, write);
    Error::coded(409, format!("it is the admin token of organization `{}`: {next_step}", config.org_id))
}

fn cut(context: &Context<'_>, config: &OrgConfig) -> Error {
    let write = config.step_for_token("write the right `astra_token` to that config");
    let next_step = tainted::next_step(context.host, write);
    let sentence = format!(
        "Astra's list of organization `{}` is not complete, for it lacks the admin token that asked for the list; if a later \
         attempt fails so, too: {next_step}",
        config.org_id
    );
    Error::coded(502, sentence)
}

fn no_time(org_id: &OrgId) -> Error {
    let sentence =
        format!("no time was left to ask organization `{org_id}` and what follows: try again, it goes on there");
    Error::coded(504, sentence)
}

/// The first of the names, and how many more there are.
fn named(mut names: Vec<String>) -> Vec<String> {
    let more = names.len().saturating_sub(ELSEWHERE_NAMED_MAX);
    names.truncate(ELSEWHERE_NAMED_MAX);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names
}

fn log_found(context: &Context<'_>, absent: &Absent<'_>, other: &Other) {
    let fields = [("org", absent.org_id.as_str()), ("client_id", absent.client_id), ("found_in", &other.name)];
    events::TOKEN_FOUND_ELSEWHERE.log(context, &fields);
}

fn log_given_up(context: &Context<'_>, absent: &Absent<'_>, not_asked: &[String]) {
    let not_asked = not_asked.join(", ");
    let fields = [("org", absent.org_id.as_str()), ("client_id", absent.client_id), ("not_asked", &not_asked)];
    events::TOKEN_TAKEN_FOR_ENDED.log(context, &fields);
}

#[cfg(test)]
mod tests;
