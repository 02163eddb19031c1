//! Changes that somebody else makes in Astra: an operator in the console, another tool, time.

use serde::{Deserialize, Serialize};

use crate::state::World;

/// A change behind the client's back, made by a test or by a fault rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum OutsideChange {
    /// The token is revoked.
    RevokeToken {
        /// Client ID of the token.
        client_id: String,
    },
    /// The token is expired from now on.
    ExpireToken {
        /// Client ID of the token.
        client_id: String,
    },
    /// The token has these roles from now on, by ID. (No API call does this; a role that was
    /// narrowed looks the same to the token's holder.)
    ChangeTokenRoles {
        /// Client ID of the token.
        client_id: String,
        /// Role IDs.
        roles: Vec<String>,
    },
    /// All tokens whose description holds this text are revoked.
    RevokeMarked {
        /// Part of the description.
        mark: String,
    },
    /// The role is deleted, built-in or not.
    DeleteRole {
        /// Organization ID.
        organization: String,
        /// Role ID.
        role: String,
    },
    /// The role has these actions from now on.
    NarrowRole {
        /// Organization ID.
        organization: String,
        /// Role ID.
        role: String,
        /// What is left.
        actions: Vec<String>,
    },
    /// Only these addresses may call from now on; `None` lifts the list.
    AccessList {
        /// Organization ID.
        organization: String,
        /// Addresses or networks.
        addresses: Option<Vec<String>>,
    },
    /// The simulator's clock jumps forward.
    AdvanceClock {
        /// Milliseconds to add to the clock.
        milliseconds: u64,
    },
}

impl World {
    /// Makes the change; false when what it names does not exist.
    pub(crate) fn change(&mut self, change: &OutsideChange) -> bool {
        let now = self.clock.now();
        match change {
            OutsideChange::RevokeToken { client_id } => self.revoke(client_id, now),
            OutsideChange::ExpireToken { client_id } => {
                self.token_mut(client_id).map(|token| token.expires = Some(now)).is_some()
            }
            OutsideChange::ChangeTokenRoles { client_id, roles } => {
                self.token_mut(client_id).map(|token| token.roles.clone_from(roles)).is_some()
            }
            OutsideChange::RevokeMarked { mark } => {
                let marked = self.client_ids_marked(mark);
                marked.iter().filter(|client_id| self.revoke(client_id, now)).count() > 0
            }
            OutsideChange::DeleteRole { organization, role } => {
                self.organization_mut(organization).is_some_and(|found| found.remove_role(role))
            }
            OutsideChange::NarrowRole { organization, role, actions } => self
                .organization_mut(organization)
                .and_then(|found| found.role_mut(role))
                .map(|role| role.actions.clone_from(actions))
                .is_some(),
            OutsideChange::AccessList { organization, addresses } => {
                self.organization_mut(organization).map(|found| found.access_list.clone_from(addresses)).is_some()
            }
            OutsideChange::AdvanceClock { milliseconds } => {
                self.clock.advance(std::time::Duration::from_millis(*milliseconds));
                true
            }
        }
    }
}
