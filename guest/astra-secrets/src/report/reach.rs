//! What tokens reach, by what the mount knows of their Astra roles.
//!
//! A resource is a path of names, such as `drn:astra:org:ORG:db:DB:keyspace:KS:table:*`. A role reaches what one of its
//! resources names, at that level or below, where `*` stands for every name. A role of which the mount knows nothing may
//! reach anything, so that is told and never counts as no.

use std::collections::BTreeMap;

use secrets_framework::Context;
use serde::Serialize;

use super::token::Token;
use crate::astra_role::{self, KnownRole};
use crate::limits::ASTRA_ROLES_NOTED_MAX;
use crate::names::{NameError, OrgId, is_uuid};

/// Does a token reach what was asked for?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reach {
    No,
    /// The mount does not know what all of its Astra roles reach.
    Unknown,
    Yes,
}

/// What tokens are to reach.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A resource, name by name.
    Resource(Vec<String>),
    /// A thing of a kind, wherever it is: `db` and its ID.
    Part(String, String),
    /// A database or an Astra role, by its ID.
    Id(String),
    /// An Astra role, by its name.
    Role(String),
}

impl Target {
    /// What the field `reaches` asks for.
    pub(super) fn parse(text: &str) -> Result<Self, NameError> {
        if text.starts_with("drn:") {
            return Ok(Self::Resource(text.split(':').map(str::to_owned).collect()));
        }
        match text.split_once(':') {
            Some((kind, name)) if KINDS.contains(&kind) && !name.is_empty() && !name.contains(':') => {
                Ok(Self::Part(kind.to_owned(), name.to_owned()))
            }
            Some(_) => Err(NameError::new(
                "reaches",
                text,
                "must be the ID of a database, the name or ID of an Astra role, `db:`, `keyspace:`, `table:`, `stream:` or \
                 `role:` with a name, or a resource that begins with `drn:`",
            )),
            None if is_uuid(text) => Ok(Self::Id(text.to_owned())),
            None => Ok(Self::Role(text.to_owned())),
        }
    }

    fn is_reached_by(&self, org_id: &OrgId, role: &KnownRole) -> bool {
        let mut resources = role.resources().iter().map(|resource| names_of(resource, org_id));
        match self {
            Self::Resource(asked) => resources.any(|held| covers(&held, asked)),
            Self::Part(kind, name) => resources.any(|held| has(&held, kind, name)),
            Self::Id(id) => role.id().eq_ignore_ascii_case(id) || resources.any(|held| has(&held, "db", id)),
            Self::Role(name) => role.name().eq_ignore_ascii_case(name),
        }
    }
}

/// What is known of Astra roles, each read once in a request.
#[derive(Debug, Default)]
pub(super) struct Roles {
    known: BTreeMap<OrgId, BTreeMap<String, Option<KnownRole>>>,
    read: usize,
}

impl Roles {
    /// Reads what is known of the Astra roles of these tokens. Beyond the limit for a request nothing is known.
    pub(super) fn load_of(&mut self, context: &Context<'_>, tokens: &[Token]) {
        let mut unread: BTreeMap<&OrgId, Vec<&str>> = BTreeMap::new();
        for token in tokens {
            let known = self.known.entry(token.record.org_id.clone()).or_default();
            for id in &token.record.role_ids {
                if self.read < ASTRA_ROLES_NOTED_MAX && !known.contains_key(&folded(id)) {
                    self.read += 1;
                    known.insert(folded(id), None);
                    unread.entry(&token.record.org_id).or_default().push(id);
                }
            }
        }
        for (org_id, ids) in unread {
            let known = self.known.entry(org_id.clone()).or_default();
            for role in astra_role::known(context, org_id, ids.into_iter()) {
                known.insert(folded(role.id()), Some(role));
            }
        }
    }

    /// The known ones of a token's Astra roles, in their order.
    pub(super) fn of(&self, token: &Token) -> Vec<&KnownRole> {
        token.record.role_ids.iter().filter_map(|id| self.role(&token.record.org_id, id)).collect()
    }

    /// Does a token reach this?
    pub(super) fn reach(&self, token: &Token, target: &Target) -> Reach {
        let org_id = &token.record.org_id;
        let reach = |id: &String| match self.role(org_id, id) {
            Some(role) if target.is_reached_by(org_id, role) => Reach::Yes,
            Some(role) if role.is_whole() => Reach::No,
            _ => Reach::Unknown,
        };
        // No token is without an Astra role: the Go plugin did not note those of its first tokens.
        token.record.role_ids.iter().map(reach).max().unwrap_or(Reach::Unknown)
    }

    fn role(&self, org_id: &OrgId, id: &str) -> Option<&KnownRole> {
        self.known.get(org_id)?.get(&folded(id))?.as_ref()
    }
}

/// Letter case does not tell IDs of Astra roles apart.
fn folded(id: &str) -> String {
    id.to_ascii_lowercase()
}

/// The names of a resource. Astra writes built-in roles with a placeholder for the organization.
fn names_of<'a>(resource: &'a str, org_id: &'a OrgId) -> Vec<&'a str> {
    resource.split(':').map(|name| if name == ORG_PLACEHOLDER { org_id.as_str() } else { name }).collect()
}

fn covers(held: &[&str], asked: &[String]) -> bool {
    held.len() >= asked.len() && held.iter().zip(asked).all(|(held, asked)| same(held, asked) || asked == "*")
}

fn has(held: &[&str], kind: &str, name: &str) -> bool {
    held.iter().zip(held.iter().skip(1)).any(|(held_kind, held_name)| *held_kind == kind && same(held_name, name))
}

fn same(held: &str, asked: &str) -> bool {
    held == "*" || held.eq_ignore_ascii_case(asked)
}

const KINDS: [&str; 5] = ["db", "keyspace", "table", "stream", "role"];
const ORG_PLACEHOLDER: &str = "__ORG_ID__";

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_resource_is_reached_at_its_level_or_below_and_by_a_star() {
        let org_id = OrgId::stored("o");
        let rows = [
            ("drn:astra:org:o:db:*", "drn:astra:org:o:db:d", true),
            ("drn:astra:org:__ORG_ID__:db:*", "drn:astra:org:o:db:d", true),
            ("drn:astra:org:__ORG_ID__:db:*", "drn:astra:org:p:db:d", false),
            ("drn:astra:org:o:db:d:keyspace:k:table:t", "drn:astra:org:o:db:d", true),
            ("drn:astra:org:o:db:d", "drn:astra:org:o:db:d:keyspace:k", false),
            ("drn:astra:org:o", "drn:astra:org:o:db:d", false),
            ("drn:astra:org:o:db:d", "drn:astra:org:o:db:*", true),
            ("drn:astra:org:o:db:d", "db:d", true),
            ("drn:astra:org:o:db:*", "db:d", true),
            ("drn:astra:org:o:db:e", "db:d", false),
            ("drn:astra:org:o:db:e:keyspace:k", "keyspace:k", true),
            ("drn:astra:org:o:role:*", "db:d", false),
        ];
        for (held, asked, expected) in rows {
            let held = names_of(held, &org_id);
            let reached = match Target::parse(asked).unwrap() {
                Target::Resource(asked) => covers(&held, &asked),
                Target::Part(kind, name) => has(&held, &kind, &name),
                target => panic!("{target:?}"),
            };
            assert_eq!(reached, expected, "{held:?} {asked}");
        }
    }

    #[test]
    fn a_target_is_an_id_a_name_or_a_resource() {
        let id = "99999999-9999-4999-8999-999999999999";
        assert_eq!(Target::parse(id), Ok(Target::Id(id.to_owned())));
        assert_eq!(Target::parse("R/W User"), Ok(Target::Role("R/W User".to_owned())));
        for wrong in ["cluster:x", "db:", "db:a:b"] {
            assert!(Target::parse(wrong).unwrap_err().to_string().contains("`reaches` is"), "{wrong}");
        }
    }
}
