//! Counts of tokens, in the engine's form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Numbers of tokens, by different properties.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Summary {
    /// Number of all tokens.
    pub tokens: u64,
    /// Number of tokens of each organization.
    pub by_organization: BTreeMap<String, u64>,
    /// Number of tokens of each role.
    pub by_role: BTreeMap<String, u64>,
    /// Number of tokens of each kind.
    pub by_kind: BTreeMap<String, u64>,
    /// Number of tokens of each owner.
    pub by_owner: BTreeMap<String, u64>,
    /// Number of tokens for each `<key>=<value>` of the metadata.
    pub by_metadata: BTreeMap<String, u64>,
    /// Number of tokens by age.
    pub by_age: Vec<Band>,
    /// Number of tokens by the time since the last mint, read or renewal.
    pub by_last_use: Vec<Band>,
    /// Number of tokens by the time until they end.
    pub by_expiry: Vec<Band>,
}

/// Tokens within a span of time.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct Band {
    /// The end of the span.
    pub up_to: String,
    /// The tokens within the span.
    pub tokens: u64,
}

impl Summary {
    /// Adds the counts of another part of the same report.
    pub(crate) fn add(&mut self, part: Self) {
        self.tokens += part.tokens;
        let maps = [
            (&mut self.by_organization, part.by_organization),
            (&mut self.by_role, part.by_role),
            (&mut self.by_kind, part.by_kind),
            (&mut self.by_owner, part.by_owner),
            (&mut self.by_metadata, part.by_metadata),
        ];
        for (all, part) in maps {
            for (name, tokens) in part {
                *all.entry(name).or_default() += tokens;
            }
        }
        let bands = [
            (&mut self.by_age, part.by_age),
            (&mut self.by_last_use, part.by_last_use),
            (&mut self.by_expiry, part.by_expiry),
        ];
        for (all, part) in bands {
            for band in part {
                match all.iter_mut().find(|known| known.up_to == band.up_to) {
                    Some(known) => known.tokens += band.tokens,
                    None => all.push(band),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn parts_of_a_summary_add_up() {
        let part = |tokens: u64, role: &str| -> Summary {
            let age = json!([{ "up_to": "1d", "tokens": tokens }, { "up_to": "none", "tokens": 0 }]);
            serde_json::from_value(json!({ "tokens": tokens, "by_role": { role: tokens }, "by_age": age })).unwrap()
        };
        let mut sum = Summary::default();
        for (tokens, role) in [(2, "a"), (3, "b"), (4, "a")] {
            sum.add(part(tokens, role));
        }
        assert_eq!((sum.tokens, sum.by_role["a"], sum.by_role["b"]), (9, 6, 3));
        assert_eq!((sum.by_age.len(), sum.by_age[0].tokens), (2, 9));
    }
}
