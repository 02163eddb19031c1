//! `max_tokens`: how many leased tokens of a role, and of an organization, may be alive at once.
//!
//! A mint counts under a lock and writes its write-ahead entry before it lets the lock go. What others are making counts
//! by their entries, so no two mints get the last place, and none waits for another's request to Astra. A mint that asks
//! again keeps its place and does not count again. Without a limit, nothing is counted and no lock is taken.

use std::collections::BTreeMap;

use secrets_framework::host::LockGuard;
use secrets_framework::{Context, Error};

use super::Order;
use super::intent;
use crate::limits::{COUNT_BYTES_MAX, COUNT_CALLS_MAX, RECORDS_READ_AT_ONCE};
use crate::lock::Lock;
use crate::names::{OrgId, RoleName};
use crate::record::{self, Looked, ReadFirst, Record};

/// Has the role or the organization a limit?
pub(super) fn is_limited(order: &Order<'_>) -> bool {
    order.role.max_tokens.is_some() || order.config.max_tokens.is_some()
}

/// What a count takes of what the host allows a request.
#[derive(Debug, Default)]
struct Cost {
    /// Calls of storage: each entry that is read is one.
    calls: usize,
    /// Bytes of records.
    bytes: usize,
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

/// The leased tokens that are alive or are being made, or an upper bound of them that is below each limit.
#[derive(Default)]
struct Alive {
    of_role: usize,
    of_org: usize,
}

impl Alive {
    fn count(context: &Context<'_>, order: &Order<'_>) -> Result<Self, Error> {
        let mut alive = Self::default();
        let mut cost = Cost::default();
        let org_id = &order.config.org_id;
        // Entries before records: a mint stores its record before its entry goes, so one that ends between the two looks
        // is seen at least once. One that is seen twice counts by its record.
        let mut being_made = BTreeMap::new();
        cost.calls += intent::visit_leased_in_org(context, org_id, |mark, role_name| {
            being_made.insert(mark.to_owned(), role_name.clone());
        })?;
        // Before the index is complete, nobody knows all records.
        if !record::is_complete(context)? {
            return Err(record::being_indexed());
        }
        let indexed = record::index_slice(context, org_id, "", COUNT_CALLS_MAX)?;
        if indexed.more {
            return Err(too_many(org_id, indexed.names.len()));
        }
        let possible = indexed.names.len() + being_made.len();
        let limits = [order.role.max_tokens, order.config.max_tokens];
        if limits.into_iter().flatten().all(|max| possible < max as usize) {
            // There is room, whatever the records say.
            return Ok(Self { of_role: possible, of_org: possible });
        }
        let mut first = ReadFirst::Record;
        for (number, names) in indexed.names.chunks(RECORDS_READ_AT_ONCE).enumerate() {
            if cost.calls + names.len() > COUNT_CALLS_MAX || cost.bytes > COUNT_BYTES_MAX {
                return Err(too_many(org_id, number * RECORDS_READ_AT_ONCE));
            }
            let batch = record::look_at_from(context, org_id, names, first)?;
            cost.calls += batch.calls;
            if batch.calls > 2 * names.len() {
                first = ReadFirst::Index;
            }
            for looked in batch.looked {
                match looked {
                    Looked::Record(record, bytes) => {
                        cost.bytes += bytes;
                        if is_leased(&record) {
                            being_made.remove(&record.mark);
                            alive.add(&record.role_name, order);
                        }
                    }
                    // The token of a record that cannot be read may be alive. Nobody knows of which role it is.
                    Looked::Unreadable(_) => alive.of_org += 1,
                    Looked::LeftOver => {}
                }
            }
        }
        being_made.values().for_each(|role_name| alive.add(role_name, order));
        Ok(alive)
    }

    fn add(&mut self, role_name: &RoleName, order: &Order<'_>) {
        self.of_org += 1;
        self.of_role += usize::from(*role_name == order.role.name);
    }
}

/// The failure of a count that the host does not allow one request. So many tokens were counted until then.
fn too_many(org_id: &OrgId, counted: usize) -> Error {
    Error::coded(
        503,
        format!(
            "organization `{org_id}` has more than {counted} tokens, too many to count them for `max_tokens`: end some, or \
             set `max_tokens` of role and config to 0"
        ),
    )
}

/// Tokens that are in use without a lease take no place.
fn is_leased(record: &Record) -> bool {
    !record.kind.is_replaceable() && !record.names_no_token()
}

#[cfg(test)]
mod tests;
