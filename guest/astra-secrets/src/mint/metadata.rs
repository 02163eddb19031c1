//! What a client may note about a token: bounded, for it is stored with the
//! record, shown in lists and kept in the history.

use secrets_framework::Error;
use std::collections::BTreeMap;

use crate::limits::{METADATA_KEY_BYTES_MAX, METADATA_PAIRS_MAX, METADATA_VALUE_BYTES_MAX};
use crate::names::shown;

/// Refuses metadata beyond the limits, before anything is made.
pub(super) fn check(metadata: &BTreeMap<String, String>) -> Result<(), Error> {
    if metadata.len() > METADATA_PAIRS_MAX {
        return Err(Error::mistake(format!(
            "`metadata` has {} pairs: at most {METADATA_PAIRS_MAX} can be noted about a token",
            metadata.len()
        )));
    }
    for (key, value) in metadata {
        if key.len() > METADATA_KEY_BYTES_MAX {
            return Err(Error::mistake(format!(
                "`metadata` has the key {} of {} bytes: a key has at most {METADATA_KEY_BYTES_MAX}",
                shown(key),
                key.len()
            )));
        }
        if value.len() > METADATA_VALUE_BYTES_MAX {
            return Err(Error::mistake(format!(
                "`metadata` has for the key {} a value of {} bytes: a value has at most {METADATA_VALUE_BYTES_MAX}",
                shown(key),
                value.len()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Leased, Mount, ORG_A};

    fn pairs(pairs: usize, key_bytes: usize, value_bytes: usize) -> Value {
        let pair = |number: usize| (format!("{number:0key_bytes$}"), "v".repeat(value_bytes).into());
        Value::Object((0..pairs).map(pair).collect())
    }

    #[test]
    fn what_is_within_the_limits_is_noted() {
        let mount = Mount::new();
        let metadata = pairs(METADATA_PAIRS_MAX, METADATA_KEY_BYTES_MAX, METADATA_VALUE_BYTES_MAX);
        let made = Leased::of(mount.org_token(json!({ "metadata": metadata.clone() })));
        assert_eq!(made.data["metadata"], metadata);
    }

    #[test]
    fn what_is_beyond_is_a_400_that_names_the_limit_and_makes_nothing() {
        let mount = Mount::new();
        let (all, key, value) = (METADATA_PAIRS_MAX, METADATA_KEY_BYTES_MAX, METADATA_VALUE_BYTES_MAX);
        for (metadata, limit) in
            [(pairs(all + 1, key, value), all), (pairs(all, key + 1, value), key), (pairs(all, key, value + 1), value)]
        {
            for answered in [
                mount.org_token(json!({ "logical_name": "app", "metadata": metadata.clone() })),
                mount.write(&format!("creds/{ORG_A}/reader"), json!({ "metadata": metadata })),
            ] {
                let text = answered.mistake();
                assert!(text.contains("`metadata`") && text.contains(&limit.to_string()), "{text}");
                assert!(!text.contains("vvv"), "{text}");
            }
        }
        assert!(mount.host.http.requests().is_empty());
        mount.assert_settled(0);
    }
}
