//! The tokens of a report, in the engine's form. A field that an older or newer engine lacks is empty.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// A whole report.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Report {
    /// The tokens.
    pub tokens: Vec<Token>,
    /// Known organizations of the tokens, by ID.
    pub organizations: BTreeMap<String, Organization>,
    /// Known Astra roles, by organization and ID.
    pub astra_roles: BTreeMap<String, BTreeMap<String, AstraRole>>,
}

/// One token.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Token {
    /// ID of the token's organization.
    pub org_id: String,
    /// ID of the token in Astra.
    pub client_id: String,
    /// How the token was minted.
    pub kind: String,
    /// Name of the role.
    pub role: String,
    /// IDs of the Astra roles.
    #[serde(deserialize_with = "or_default")]
    pub role_ids: Vec<String>,
    /// Names of the Astra roles.
    #[serde(deserialize_with = "or_default")]
    pub astra_roles: Vec<String>,
    /// Logical name of the organization.
    pub logical_name: String,
    /// Metadata that the client stored with the token.
    #[serde(deserialize_with = "or_default")]
    pub metadata: BTreeMap<String, String>,
    /// Client for whom the token was minted.
    pub owner: String,
    /// The same client, in the server's terms.
    #[serde(deserialize_with = "or_default")]
    pub created_by: BTreeMap<String, String>,
    /// Time of the mint.
    pub made: Option<String>,
    /// Time of the last read by a client.
    pub last_read: Option<String>,
    /// Number of reads.
    pub reads: u64,
    /// Time of the last renewal of the lease.
    pub last_renewed: Option<String>,
    /// Number of renewals of the lease.
    pub renewals: u64,
    /// Time of the last mint, read or renewal.
    pub last_use: Option<String>,
    /// End of the lease.
    pub expires: Option<String>,
    /// Expiry of the token in Astra.
    pub expires_at: Option<String>,
    /// Whether the token reaches the resource of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reach: Option<String>,
}

/// An organization.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Organization {
    /// Logical name.
    pub logical_name: String,
    /// Are reads of its tokens recorded?
    pub record_reads: bool,
}

/// An Astra role.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct AstraRole {
    /// ID of the Astra role.
    pub id: String,
    /// Name of the Astra role.
    pub name: String,
    /// Resources that the Astra role reaches.
    #[serde(deserialize_with = "or_default")]
    pub resources: Vec<String>,
    /// Number of further resources.
    #[serde(skip_serializing_if = "is_zero")]
    pub resources_left_out: u64,
    /// Time at which Astra last listed the Astra role.
    pub seen_at: Option<String>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// `null` counts as absent.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The fields that a report can be sorted by.
const SORTED_BY: [&str; 6] = ["made", "last_read", "last_use", "expires", "owner", "role"];

impl Report {
    /// Adds the tokens of a page.
    pub(crate) fn add(&mut self, page: Self) {
        self.tokens.extend(page.tokens);
        self.organizations.extend(page.organizations);
        for (org_id, roles) in page.astra_roles {
            self.astra_roles.entry(org_id).or_default().extend(roles);
        }
    }

    /// Sorts the tokens by a field; a `-` before the field sorts the largest first. Tokens without a value come last.
    ///
    /// # Errors
    /// Names the valid fields.
    pub fn sort(&mut self, by: &str) -> Result<(), String> {
        let field = by.strip_prefix('-').unwrap_or(by);
        if !SORTED_BY.contains(&field) {
            return Err(format!(
                "`--sort` is `{by}`: it must be one of {}, with a `-` before it for the largest first",
                SORTED_BY.join(", ")
            ));
        }
        let is_descending = field != by;
        self.tokens.sort_by(|one, other| {
            let (one_value, other_value) = (one.value(field), other.value(field));
            let missing = one_value.is_empty().cmp(&other_value.is_empty());
            let values = if is_descending { other_value.cmp(one_value) } else { one_value.cmp(other_value) };
            missing.then(values).then_with(|| one.place(other))
        });
        Ok(())
    }

    /// The name of an organization: its logical name, or else its ID.
    #[must_use]
    pub fn organization<'a>(&'a self, org_id: &'a str) -> &'a str {
        let known = self.organizations.get(org_id).map(|known| known.logical_name.as_str());
        known.filter(|name| !name.is_empty()).unwrap_or(org_id)
    }
}

impl Token {
    fn value(&self, field: &str) -> &str {
        let time = match field {
            "owner" => return &self.owner,
            "role" => return &self.role,
            "made" => &self.made,
            "last_read" => &self.last_read,
            "last_use" => &self.last_use,
            _ => return self.end(),
        };
        time.as_deref().unwrap_or_default()
    }

    /// End of the token, with its lease or by Astra, whichever comes first; empty = never.
    #[must_use]
    pub fn end(&self) -> &str {
        [&self.expires, &self.expires_at].into_iter().flatten().map(String::as_str).min().unwrap_or_default()
    }

    /// The metadata as one text.
    #[must_use]
    pub fn metadata_text(&self) -> String {
        self.metadata.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
    }

    fn place(&self, other: &Self) -> Ordering {
        (&self.org_id, &self.client_id).cmp(&(&other.org_id, &other.client_id))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    /// Tokens whose texts attack every reader of the output.
    pub(crate) fn hostile() -> Report {
        serde_json::from_value(json!({
            "tokens": [
                {
                    "org_id": "o-1", "client_id": "</script><script>alert(1)</script>", "kind": "creds", "role": "=cmd|' /C calc'!A0",
                    "role_ids": ["r"], "astra_roles": ["<img src=x onerror=alert(2)>"], "logical_name": "a\"b,c\nd",
                    "metadata": { "<!--<script>": "\u{2028}]]>\u{1b}[2J", "@x": "+1" }, "owner": "-2+3", "made": "2026-01-01T00:00:00Z",
                    "expires": "2026-02-01T00:00:00Z", "created_by": { "display_name": "d" }, "reads": 2,
                },
                { "org_id": "o-1", "client_id": "second", "metadata": null, "made": null, "expires_at": "2027-01-01T00:00:00Z", "owner": "b" },
            ],
            "organizations": { "o-1": { "logical_name": "prod <b>", "record_reads": true } },
            "astra_roles": { "o-1": { "r": { "id": "r", "name": "<img src=x onerror=alert(2)>", "resources": ["drn:\"'"] } } },
        }))
        .unwrap()
    }

    #[test]
    fn a_report_is_sorted_and_tokens_without_a_value_come_last() {
        let mut report = hostile();
        let ids = |report: &Report| report.tokens.iter().map(|token| token.owner.clone()).collect::<Vec<_>>();
        for (by, expected) in
            [("made", ["-2+3", "b"]), ("-made", ["-2+3", "b"]), ("-expires", ["b", "-2+3"]), ("-owner", ["b", "-2+3"])]
        {
            report.sort(by).unwrap();
            assert_eq!(ids(&report), expected, "{by}");
        }
        assert!(report.sort("age").unwrap_err().contains("`--sort` is `age`"));
        assert_eq!(report.organization("o-1"), "prod <b>");
        assert_eq!(report.organization("o-2"), "o-2");
    }
}
