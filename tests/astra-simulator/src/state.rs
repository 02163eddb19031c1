//! All that Astra knows: organizations and tokens, with the clock and the generator that make
//! them repeatable. Knows no HTTP; the calls are in `calls_*.rs`.

use std::collections::HashMap;

use serde::Serialize;

use crate::clock::{Clock, Timestamp};
use crate::organization::Organization;
use crate::random::Random;
use crate::role::Permissions;
use crate::settings::{BootstrapRole, OrganizationSettings, Settings};
use crate::switches::{Lag, Switches};
use crate::token::{CallsSince, Credential, PlantedToken, SECRET_PREFIX, Token, TokenState, sha256};

/// How many tokens an organization has, by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TokenCounts {
    /// Usable ones, the bootstrap token and orphans among them.
    pub live: usize,
    /// Ended by their `tokenExpiry`.
    pub expired: usize,
    /// Deleted ones.
    pub revoked: usize,
    /// Live ones whose only answer never reached the client.
    pub orphaned: usize,
}

/// The whole state. Cloning it is a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) clock: Clock,
    /// Makes IDs and secrets.
    pub(crate) random: Random,
    /// Draws faults, delays and orders. They depend on how many connections and requests clients make, which differs
    /// between runs; the IDs of a seed must not.
    pub(crate) noise: Random,
    pub(crate) switches: Switches,
    pub(crate) lag: Lag,
    organizations: Vec<Organization>,
    tokens: HashMap<String, Token>,
    /// SHA-256 of each token's secret part (itself a SHA-256), for the scan for leaks.
    secret_parts: HashMap<[u8; 32], String>,
    /// SHA-256 of each secret that does not start with `SECRET_PREFIX`, for the same scan.
    planted_secrets: HashMap<[u8; 32], String>,
}

/// An organization as made at the start, with the token it is reached by.
#[derive(Debug, Clone)]
pub(crate) struct Founded {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) is_enterprise: bool,
    pub(crate) bootstrap: Credential,
}

impl World {
    /// The state at the start, and each organization's and enterprise's bootstrap token.
    pub(crate) fn new(settings: &Settings) -> (Self, Vec<Founded>) {
        let mut world = Self {
            clock: Clock::new(settings.clock),
            random: Random::new(settings.seed),
            noise: Random::new(!settings.seed),
            switches: settings.switches.clone(),
            lag: settings.lag,
            organizations: Vec::new(),
            tokens: HashMap::new(),
            secret_parts: HashMap::new(),
            planted_secrets: HashMap::new(),
        };
        let mut founded: Vec<Founded> = Vec::new();
        for organization in &settings.organizations {
            founded.push(world.found(organization));
        }
        founded.extend(world.found_enterprises(settings));
        (world, founded)
    }

    fn found(&mut self, settings: &OrganizationSettings) -> Founded {
        let now = self.clock.now();
        let id = settings.id.clone().unwrap_or_else(|| self.random.uuid());
        let random = &mut self.random;
        let mut organization = Organization::new(id.clone(), settings.name.clone(), random, now);
        organization.token_expiry_max = settings.token_expiry_max;
        organization.access_list.clone_from(&settings.access_list);
        organization.add_databases(settings.databases, random);
        for (name, id) in &settings.built_in_role_ids {
            organization.set_role_id(name, id);
        }
        for (name, actions) in &settings.custom_roles {
            organization.add_custom_role(name, actions, random, now);
        }
        let role = match &settings.bootstrap {
            BootstrapRole::BuiltIn(name) => {
                organization.role_named(name).map(|role| role.id.clone()).unwrap_or_default()
            }
            BootstrapRole::Custom(actions) => organization.add_custom_role("bootstrap", actions, random, now),
        };
        self.organizations.push(organization);
        let given = settings.bootstrap_credential.clone();
        let credential = given.unwrap_or_else(|| self.bootstrap_credential(&settings.name));
        let bootstrap = self.add_bootstrap(&id, credential, role);
        Founded { id, name: settings.name.clone(), is_enterprise: false, bootstrap }
    }

    fn found_enterprises(&mut self, settings: &Settings) -> Vec<Founded> {
        let mut founded: Vec<Founded> = Vec::new();
        let now = self.clock.now();
        for (index, member) in settings.organizations.iter().enumerate() {
            let Some(name) = &member.enterprise else { continue };
            if !founded.iter().any(|enterprise| enterprise.name == *name) {
                let id = self.random.uuid();
                let mut enterprise = Organization::new(id.clone(), name.clone(), &mut self.random, now);
                enterprise.is_enterprise = true;
                let administrator = enterprise.role_named("Organization Administrator");
                let role = administrator.map(|role| role.id.clone()).unwrap_or_default();
                self.organizations.push(enterprise);
                let credential = self.bootstrap_credential(name);
                let bootstrap = self.add_bootstrap(&id, credential, role);
                founded.push(Founded { id, name: name.clone(), is_enterprise: true, bootstrap });
            }
            let id = founded.iter().find(|one| one.name == *name).map(|one| one.id.clone());
            if let Some(organization) = self.organizations.get_mut(index) {
                organization.enterprise = id;
            }
        }
        founded
    }

    /// A bootstrap token whose client ID names its organization, so that a leak is told at sight.
    fn bootstrap_credential(&mut self, name: &str) -> Credential {
        let letters: String = name.chars().filter(char::is_ascii_alphabetic).take(8).collect();
        let mut prefix = format!("Canary{letters}");
        if let Some(initial) = prefix.get_mut(6..7) {
            initial.make_ascii_uppercase();
        }
        Credential::generate(&mut self.random, &prefix)
    }

    fn add_bootstrap(&mut self, organization: &str, credential: Credential, role: String) -> Credential {
        self.insert(&credential, organization, vec![role], String::new(), None, None);
        credential
    }

    /// Adds a token that was made before the simulator's time; false when there is no such organization.
    pub(crate) fn plant_token(&mut self, organization: &str, planted: &PlantedToken, made: Timestamp) -> bool {
        if self.organization(organization).is_none() {
            return false;
        }
        let credential = &planted.credential;
        self.insert(credential, organization, planted.roles.clone(), planted.description.clone(), None, None);
        if let Some(token) = self.tokens.get_mut(&credential.client_id) {
            token.generated_on = made;
        }
        true
    }

    /// Makes a token of a random client ID and returns it, for the only time.
    pub(crate) fn make_token(
        &mut self,
        organization: &str,
        roles: Vec<String>,
        description: String,
        expires: Option<Timestamp>,
        made_by: Option<String>,
    ) -> Credential {
        let credential = Credential::generate(&mut self.random, "");
        self.insert(&credential, organization, roles, description, expires, made_by);
        credential
    }

    fn insert(
        &mut self,
        credential: &Credential,
        organization: &str,
        roles: Vec<String>,
        description: String,
        expires: Option<Timestamp>,
        made_by: Option<String>,
    ) {
        let token = Token {
            client_id: credential.client_id.clone(),
            organization: organization.to_owned(),
            roles,
            description,
            generated_on: self.clock.now(),
            expires,
            revoked: None,
            told: true,
            made_by,
            digest: sha256(credential.token.as_bytes()),
            calls_since: CallsSince::default(),
            lists_since: CallsSince::default(),
        };
        if let Some(found) = self.organization_mut(organization) {
            found.client_ids.push(credential.client_id.clone());
        }
        if let Some((_, secret_part)) = credential.token.rsplit_once(':') {
            let digest = sha256(secret_part.as_bytes());
            self.secret_parts.insert(digest, credential.client_id.clone());
        }
        if !credential.secret.is_empty() && !credential.secret.starts_with(SECRET_PREFIX) {
            let digest = sha256(credential.secret.as_bytes());
            self.planted_secrets.insert(digest, credential.client_id.clone());
        }
        self.tokens.insert(credential.client_id.clone(), token);
    }

    /// Marks a token as deleted; false when there is none or it was deleted before.
    pub(crate) fn revoke(&mut self, client_id: &str, now: Timestamp) -> bool {
        match self.tokens.get_mut(client_id) {
            Some(token) if token.revoked.is_none() => {
                token.revoked = Some(now);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn token(&self, client_id: &str) -> Option<&Token> {
        self.tokens.get(client_id)
    }

    pub(crate) fn token_mut(&mut self, client_id: &str) -> Option<&mut Token> {
        self.tokens.get_mut(client_id)
    }

    /// Whose secret part this is the digest of.
    pub(crate) fn client_id_of(&self, secret_part: &[u8; 32]) -> Option<&str> {
        self.secret_parts.get(secret_part).map(String::as_str)
    }

    /// Whose secret this is the digest of, if the token was planted.
    pub(crate) fn client_id_of_planted(&self, secret: &[u8; 32]) -> Option<&str> {
        self.planted_secrets.get(secret).map(String::as_str)
    }

    /// Is there a secret that a scan for `SECRET_PREFIX` does not find?
    pub(crate) fn has_planted_secrets(&self) -> bool {
        !self.planted_secrets.is_empty()
    }

    pub(crate) fn organizations(&self) -> impl Iterator<Item = &Organization> {
        self.organizations.iter()
    }

    pub(crate) fn organization(&self, id: &str) -> Option<&Organization> {
        self.organizations.iter().find(|organization| organization.id == id)
    }

    pub(crate) fn organization_mut(&mut self, id: &str) -> Option<&mut Organization> {
        self.organizations.iter_mut().find(|organization| organization.id == id)
    }

    /// Tokens of one organization, oldest first.
    pub(crate) fn tokens_of(&self, organization: &str) -> impl Iterator<Item = &Token> {
        let client_ids = self.organization(organization).map(|found| found.client_ids.as_slice());
        client_ids.unwrap_or_default().iter().filter_map(|client_id| self.tokens.get(client_id))
    }

    pub(crate) fn client_ids_marked(&self, mark: &str) -> Vec<String> {
        self.organizations
            .iter()
            .flat_map(|organization| self.tokens_of(&organization.id))
            .filter(|token| token.description.contains(mark))
            .map(|token| token.client_id.clone())
            .collect()
    }

    pub(crate) fn counts(&self, organization: &str) -> TokenCounts {
        let now = self.clock.now();
        let mut counts = TokenCounts::default();
        for token in self.tokens_of(organization) {
            match token.state(now) {
                TokenState::Live => counts.live += 1,
                TokenState::Expired => counts.expired += 1,
                TokenState::Revoked => counts.revoked += 1,
            }
            if token.state(now) == TokenState::Live && !token.told {
                counts.orphaned += 1;
            }
        }
        counts
    }

    /// What a token may do now, by the union of those of its roles that still exist.
    pub(crate) fn permissions(&self, token: &Token) -> Permissions {
        let Some(organization) = self.organization(&token.organization) else {
            return Permissions::default();
        };
        let roles: Vec<_> = token.roles.iter().filter_map(|role| organization.resolved_role(role)).collect();
        Permissions::of(roles.iter())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_organizations() {
        let (_, one) = World::new(&Settings::default());
        let (_, two) = World::new(&Settings::default());
        let other = World::new(&Settings { seed: 2, ..Settings::default() }).1;
        assert_eq!(one.first().unwrap().id, two.first().unwrap().id);
        assert_eq!(one.first().unwrap().bootstrap, two.first().unwrap().bootstrap);
        assert_ne!(one.first().unwrap().id, other.first().unwrap().id);
    }

    #[test]
    fn bootstrap_tokens_name_their_organization_and_built_in_roles_differ() {
        let (world, founded) = World::new(&Settings::default());
        assert!(founded.first().unwrap().bootstrap.client_id.starts_with("CanaryAlpha"));
        assert!(founded.last().unwrap().bootstrap.client_id.starts_with("CanaryBeta"));
        let ids: Vec<_> = world.organizations().map(|one| one.role_named("R/W User").unwrap().id.clone()).collect();
        assert_eq!(world.organizations().next().unwrap().roles.len(), 16);
        assert_ne!(ids.first(), ids.last());
    }

    #[test]
    fn nothing_in_the_state_is_a_secret() {
        let (world, founded) = World::new(&Settings::default());
        let shown = format!("{world:?}");
        for organization in founded {
            let (_, hex) = organization.bootstrap.token.rsplit_once(':').unwrap();
            assert!(!shown.contains(hex));
            assert!(!shown.contains(&organization.bootstrap.secret));
        }
    }
}
