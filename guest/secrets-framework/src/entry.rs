//! Entries of storage that hold JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::host::StorageEntry;

impl StorageEntry {
    /// An entry that holds this value as JSON. The error names the key only, because the value may be secret.
    pub fn json(key: impl Into<String>, value: &impl Serialize) -> Result<Self, Error> {
        let key = key.into();
        match serde_json::to_vec(value) {
            Ok(value) => Ok(Self { key, value, seal_wrap: false }),
            Err(_) => Err(Error::Internal(format!("the entry `{key}` could not be written as JSON"))),
        }
    }

    /// The same entry, wrapped by the seal.
    pub fn sealed(self) -> Self {
        Self { seal_wrap: true, ..self }
    }

    /// The value that the entry holds as JSON; none where the entry holds another one.
    pub fn parsed<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.value).ok()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn an_entry_holds_a_value_and_gives_it_back() {
        let entry = StorageEntry::json("a/b", &7).unwrap();
        assert_eq!((entry.key.as_str(), entry.value.as_slice(), entry.seal_wrap), ("a/b", b"7".as_slice(), false));
        assert_eq!((entry.parsed::<u64>(), entry.parsed::<String>()), (Some(7), None));
        assert!(entry.sealed().seal_wrap);
    }

    #[test]
    fn a_value_that_is_no_json_is_an_error_that_names_the_key() {
        let value = BTreeMap::from([(vec!["secret"], 1)]);
        let error = StorageEntry::json("a/b", &value).unwrap_err();
        assert_eq!(error, Error::Internal("the entry `a/b` could not be written as JSON".to_owned()));
    }
}
