//! The report: who owns each live token, what the token reaches, and when it was used last. It reads what the mount has
//! stored and asks Astra nothing.
//!
//! A request reads a bounded number of records. Where that is not all, the answer names the place after which the next
//! request goes on, so that a report of any size is a number of bounded requests.

mod filter;
mod order;
mod reach;
mod row;
mod scan;
mod summary;
mod token;

use std::collections::{BTreeMap, BTreeSet};

use secrets_framework::{Context, Error};
use serde::Serialize;

use crate::astra_role::KnownRole;
use crate::config;
use crate::limits::REPORT_SHOWN_BYTES_MAX;
use crate::names::OrgId;

pub(crate) use filter::Filter;
pub(crate) use order::{Order, Place};
pub(crate) use row::Row;
pub(crate) use summary::Summary;

use reach::Roles;
use scan::{Scan, Step, scan};
use token::Token;

/// What a report is asked for.
#[derive(Debug)]
pub(crate) struct Question {
    /// The organizations, in the order of their places.
    pub(crate) org_ids: Vec<OrgId>,
    /// The tokens that the report shows.
    pub(crate) filter: Filter,
    /// The order of the tokens.
    pub(crate) order: Order,
    /// After which place; none = from the first.
    pub(crate) after: Option<Place>,
    /// The largest number of tokens on the page.
    pub(crate) limit: usize,
}

/// One page of a report.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    tokens: Vec<Row>,
    organizations: BTreeMap<OrgId, Organization>,
    astra_roles: BTreeMap<OrgId, BTreeMap<String, KnownRole>>,
    next: Option<String>,
}

/// Counts of tokens.
#[derive(Debug, Serialize)]
pub(crate) struct Counted {
    summary: Summary,
    next: Option<String>,
}

/// What a page says of an organization.
#[derive(Debug, Serialize)]
struct Organization {
    logical_name: String,
    record_reads: bool,
}

/// A page or a summary, with what the client is to be told beside it.
pub(crate) struct Answered<T> {
    /// The data of the answer.
    pub(crate) data: T,
    /// Its warnings.
    pub(crate) warnings: Vec<String>,
}

/// A page of the tokens that are asked for.
pub(crate) fn page(context: &Context<'_>, question: &Question) -> Result<Answered<Page>, Error> {
    let mut roles = Roles::default();
    let (found, mut warnings) = match question.order.is_stored() {
        true => in_stored_order(context, question, &mut roles)?,
        false => sorted(context, question, &mut roles)?,
    };
    let data = show(context, found, &question.order, &mut roles)?;
    warnings.extend(silent_organizations(&data));
    Ok(Answered { data, warnings })
}

/// How many of the tokens that are asked for there are, by role, owner and so on.
pub(crate) fn summary(context: &Context<'_>, question: &Question) -> Result<Answered<Counted>, Error> {
    let mut summary = Summary::new(context.now());
    let after = question.after.as_ref();
    let scanned = scan(context, &question.org_ids, after, &question.filter, &mut Roles::default(), |token| {
        summary.count(&token);
        Step::Next
    })?;
    let next = scanned.next.as_ref().map(Place::to_text);
    Ok(Answered { data: Counted { summary, next }, warnings: scanned.warnings() })
}

/// Tokens of a page, and the place after which there may be more.
struct Found {
    tokens: Vec<Token>,
    next: Option<Place>,
}

/// The first tokens after a place, as they are stored.
fn in_stored_order(
    context: &Context<'_>,
    question: &Question,
    roles: &mut Roles,
) -> Result<(Found, Vec<String>), Error> {
    let mut tokens = Vec::new();
    let scanned = scan(context, &question.org_ids, question.after.as_ref(), &question.filter, roles, |token| {
        tokens.push(token);
        if tokens.len() >= question.limit { Step::Stop } else { Step::Next }
    })?;
    let warnings = scanned.warnings();
    Ok((Found { tokens, next: scanned.next }, warnings))
}

/// The first tokens after a place, in another order: all of them are read.
fn sorted(context: &Context<'_>, question: &Question, roles: &mut Roles) -> Result<(Found, Vec<String>), Error> {
    let mut tokens = Vec::new();
    let scanned: Scan = scan(context, &question.org_ids, None, &question.filter, roles, |token| {
        tokens.push(token);
        Step::Next
    })?;
    if scanned.next.is_some() {
        return Err(Error::mistake(
            "`sort` needs all tokens of the report, and there are more than one request may read: ask for one organization \
             (`report/<organization>`), or leave `sort` out, read all pages, and sort them as the command `report` of the plugin's binary does",
        ));
    }
    let order = &question.order;
    tokens.sort_by_cached_key(|token| order.key(&order.place(token)));
    if let Some(after) = &question.after {
        let after = order.key(after);
        tokens.retain(|token| order.key(&order.place(token)) > after);
    }
    let more = tokens.len() > question.limit;
    tokens.truncate(question.limit);
    let next = tokens.last().filter(|_| more).map(|token| order.place(token));
    let warnings = scanned.warnings();
    Ok((Found { tokens, next }, warnings))
}

/// The page that shows these tokens: as many as one answer holds.
fn show(context: &Context<'_>, found: Found, order: &Order, roles: &mut Roles) -> Result<Page, Error> {
    let Found { tokens, next } = found;
    roles.load_of(context, &tokens);
    let mut page = Page {
        tokens: Vec::with_capacity(tokens.len()),
        organizations: BTreeMap::new(),
        astra_roles: BTreeMap::new(),
        next: next.as_ref().map(Place::to_text),
    };
    let (mut bytes, mut last) = (0, None);
    for token in tokens {
        let known = roles.of(&token);
        let shown = page.astra_roles.entry(token.record.org_id.clone()).or_default();
        let unseen: Vec<&KnownRole> = known.iter().copied().filter(|role| !shown.contains_key(role.id())).collect();
        bytes += token.record.described_bytes() + unseen.iter().map(|role| bytes_of(role)).sum::<usize>();
        if bytes > REPORT_SHOWN_BYTES_MAX && last.is_some() {
            page.next = last.as_ref().map(Place::to_text);
            break;
        }
        shown.extend(unseen.into_iter().map(|role| (role.id().to_owned(), role.clone())));
        last = Some(order.place(&token));
        page.tokens.push(Row::of(&token, &known));
    }
    page.astra_roles.retain(|_, roles| !roles.is_empty());
    page.organizations = organizations(context, &page.tokens)?;
    Ok(page)
}

fn bytes_of(role: &KnownRole) -> usize {
    role.name().len() + role.resources().iter().map(String::len).sum::<usize>()
}

/// What is known of the organizations of these tokens.
fn organizations(context: &Context<'_>, rows: &[Row]) -> Result<BTreeMap<OrgId, Organization>, Error> {
    let org_ids: BTreeSet<&OrgId> = rows.iter().map(Row::org_id).collect();
    let mut organizations = BTreeMap::new();
    for org_id in org_ids {
        // A config that is damaged, or was deleted while tokens lived, hides no token.
        let Ok(Some(config)) = config::load_own(context, org_id)? else { continue };
        let (logical_name, record_reads) = (config.logical_name_text().to_owned(), config.record_reads);
        organizations.insert(org_id.clone(), Organization { logical_name, record_reads });
    }
    Ok(organizations)
}

/// What the client is told of organizations whose reads are not recorded.
fn silent_organizations(page: &Page) -> Option<String> {
    let silent = page.organizations.iter().filter(|(_, known)| !known.record_reads);
    let silent: Vec<&str> = silent.map(|(org_id, _)| org_id.as_str()).collect();
    (!silent.is_empty()).then(|| {
        format!(
            "the config of these organizations sets `record_reads=false`, so the mount does not know when a client read \
             their tokens: {}",
            silent.join(", ")
        )
    })
}

#[cfg(test)]
mod tests;
