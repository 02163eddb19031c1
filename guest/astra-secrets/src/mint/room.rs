//! `max_tokens`: how many leased tokens of a role, and of an organization, may be alive at once.
//!
//! A mint counts under a lock and writes its write-ahead entry before it lets the lock go. What others are making counts
//! by their entries, so no two mints get the last place, and none waits for another's request to Astra. Without a limit,
//! nothing is counted and no lock is taken.

use std::collections::BTreeMap;

use secrets_framework::host::LockGuard;
use secrets_framework::{Context, Error};

use super::Order;
use super::intent;
use crate::limits::LIMITED_TOKENS_SEEN_MAX;
use crate::lock::Lock;
use crate::names::RoleName;
use crate::record::{self, Record, Seen};

/// Has the role or the organization a limit?
pub(super) fn is_limited(order: &Order<'_>) -> bool {
    order.role.max_tokens.is_some() || order.config.max_tokens.is_some()
}

/// Refuses a mint that has no room. Otherwise answers the lock under which the mint must be noted, if there is a limit.
pub(super) fn enter<'a>(context: &Context<'a>, order: &Order<'_>) -> Result<Option<Box<dyn LockGuard + 'a>>, Error> {
    if !is_limited(order) {
        return Ok(None);
    }
    let (max_of_role, max_of_org) = (order.role.max_tokens, order.config.max_tokens);
    let org_id = &order.config.org_id;
    let turn = Lock::TokenLimit(org_id).acquire(context)?;
    let alive = Alive::count(context, order)?;
    let refuse = |what: String, count: usize, max: u32| {
        Err(Error::mistake(format!(
            "{what} has {count} of {max} tokens alive, the limit by `max_tokens`: revoke the lease of one, or have the \
             limit raised"
        )))
    };
    match (max_of_role, max_of_org) {
        (Some(max), _) if alive.of_role >= max as usize => {
            refuse(format!("role `{}` of organization `{org_id}`", order.role.name), alive.of_role, max)
        }
        (_, Some(max)) if alive.of_org >= max as usize => refuse(format!("organization `{org_id}`"), alive.of_org, max),
        _ => Ok(Some(turn)),
    }
}

/// The leased tokens that are alive or are being made.
#[derive(Default)]
struct Alive {
    of_role: usize,
    of_org: usize,
}

impl Alive {
    fn count(context: &Context<'_>, order: &Order<'_>) -> Result<Self, Error> {
        let mut alive = Self::default();
        let org_id = &order.config.org_id;
        // Entries before records: a mint stores its record before its entry goes, so one that ends between the two looks
        // is seen at least once. One that is seen twice counts by its record.
        let mut being_made = BTreeMap::new();
        intent::visit_leased_in_org(context, org_id, |mark, role_name| {
            being_made.insert(mark.to_owned(), role_name.clone());
        })?;
        let seen = record::visit_in_org(context, org_id, LIMITED_TOKENS_SEEN_MAX, |record| match record {
            // The token of a record that cannot be read may be alive. Nobody knows of which role it is.
            None => alive.of_org += 1,
            Some(record) if is_leased(&record) => {
                being_made.remove(&record.mark);
                alive.add(&record.role_name, order);
            }
            Some(_) => {}
        })?;
        if seen == Seen::NotAll {
            return Err(Error::coded(
                503,
                format!(
                    "organization `{org_id}` has more than {LIMITED_TOKENS_SEEN_MAX} tokens, too many to count them for \
                     `max_tokens`: end some, or set `max_tokens` of role and config to 0"
                ),
            ));
        }
        being_made.values().for_each(|role_name| alive.add(role_name, order));
        Ok(alive)
    }

    fn add(&mut self, role_name: &RoleName, order: &Order<'_>) {
        self.of_org += 1;
        self.of_role += usize::from(*role_name == order.role.name);
    }
}

/// Tokens that are in use without a lease take no place.
fn is_leased(record: &Record) -> bool {
    !record.kind.is_replaceable() && !record.names_no_token()
}

#[cfg(test)]
mod tests;
