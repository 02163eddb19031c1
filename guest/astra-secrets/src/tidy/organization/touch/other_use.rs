//! Who else may use a token that the organization has no record of.

use secrets_framework::Error;

use super::super::super::result::OrgResult;
use super::super::{MORE, Organization};
use super::Touch;
use crate::limits::TIDY_READS_PER_ENTRY;
use crate::names::ClientId;
use crate::record;

impl Touch<'_> {
    /// Has this mount the token under another name of the same organization? Astra lists it for each of them.
    pub(super) fn is_of_namesake(&self, client_id: &ClientId, result: &mut OrgResult) -> Result<bool, Error> {
        let Organization { context, org_id, bounds, .. } = self.organization;
        if self.namesakes.get().is_none() {
            let mut org_ids = record::org_ids(context.storage())?;
            org_ids.retain(|other| other != *org_id && other.may_be(org_id));
            let _ = self.namesakes.set(org_ids);
        }
        let namesakes = self.namesakes.get().map_or(&[][..], Vec::as_slice);
        if !bounds.look_at(namesakes.len().div_ceil(TIDY_READS_PER_ENTRY)) {
            result.stop(MORE);
            return Ok(true);
        }
        for other in namesakes {
            if record::is_indexed(context, other, client_id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Has a static role this token without a record, or may it have it?
    pub(super) fn is_of_static_role(&self, client_id: &ClientId, result: &mut OrgResult) -> Result<bool, Error> {
        let org_id = self.organization.org_id;
        let tokens = self.statics;
        if let Some(current) = tokens.current.get(client_id) {
            let name = &current.name;
            result.tell(format!(
                "the token `{client_id}` of organization `{org_id}` has lost its record, but static role `{name}` uses \
                 it: write `rotate-role/{org_id}/{name}`, and another takes its place"
            ));
            return Ok(true);
        }
        if tokens.replaced.get(client_id).is_some_and(|ends| *ends > self.now.as_secs()) {
            return Ok(true);
        }
        tokens.unknown.as_ref().map_or(Ok(false), |error| Err(error.clone()))
    }
}
