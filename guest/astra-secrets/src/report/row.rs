//! What a report shows of one token. Nothing of it is secret.

use std::collections::BTreeMap;

use serde::Serialize;

use super::reach::Reach;
use super::token::Token;
use crate::astra_role::KnownRole;
use crate::names::{ClientId, OrgId};
use crate::time_text;

/// One token of a page.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    org_id: OrgId,
    client_id: ClientId,
    kind: &'static str,
    role: String,
    role_ids: Vec<String>,
    astra_roles: Vec<String>,
    logical_name: String,
    metadata: BTreeMap<String, String>,
    owner: String,
    created_by: Creator,
    made: Option<String>,
    last_read: Option<String>,
    reads: usize,
    last_renewed: Option<String>,
    renewals: usize,
    last_use: Option<String>,
    expires: Option<String>,
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reach: Option<Reach>,
}

#[derive(Debug, Serialize)]
struct Creator {
    display_name: String,
    entity_id: String,
    entity_name: String,
}

impl Row {
    /// What is shown of a token with these known Astra roles.
    pub(super) fn of(token: &Token, known: &[&KnownRole]) -> Self {
        let Token { record, reads, renewals, reach } = token;
        let by = &record.created_by;
        let text = |seconds: Option<u64>| seconds.and_then(time_text::of_seconds);
        Self {
            org_id: record.org_id.clone(),
            client_id: record.client_id.clone(),
            kind: record.kind.as_str(),
            role: record.role_name.as_str().to_owned(),
            astra_roles: record.role_ids.iter().map(|id| name_of(id, known)).collect(),
            role_ids: record.role_ids.clone(),
            logical_name: record.logical_name_text().to_owned(),
            metadata: record.metadata.clone(),
            owner: token.owner().to_owned(),
            created_by: Creator {
                display_name: by.display_name.clone(),
                entity_id: by.entity_id.clone(),
                entity_name: by.entity_name.clone(),
            },
            made: record.made_at().and_then(time_text::format),
            last_read: text(reads.last),
            reads: reads.count,
            last_renewed: text(renewals.last),
            renewals: renewals.count,
            last_use: text(token.last_use()),
            expires: text(record.lease_end),
            expires_at: record.expires_at.clone(),
            reach: *reach,
        }
    }

    /// Its organization.
    pub(super) fn org_id(&self) -> &OrgId {
        &self.org_id
    }
}

/// The name of an Astra role; its ID where the mount does not know the name.
fn name_of(id: &str, known: &[&KnownRole]) -> String {
    let role = known.iter().find(|role| role.id().eq_ignore_ascii_case(id));
    role.map_or(id, |role| role.name()).to_owned()
}
