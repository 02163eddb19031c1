//! Entries of storage that nobody can use: damaged ones, ones that storage
//! cannot read, ones of another engine. They stay where they are, and each is
//! logged once, not with every rollback call.

use crate::host::{LogLevel, StorageEntry, StorageView};
use crate::limits::PASSED_OVER_KEPT_MAX;
use crate::{Context, Error};

/// The entry that remembers which keys were logged: a JSON array, the latest last.
pub const STATE_KEY: &str = "passed-over-state";

/// An entry that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// The key of the entry.
    pub key: String,
    /// Why the entry cannot be used. The log shows the reason, so it never quotes the entry.
    pub reason: String,
}

/// Logs each entry with `message`, unless an earlier call has logged its key.
pub fn log_new(context: &Context<'_>, message: &str, entries: &[PassedOver]) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let storage = context.storage();
    // A state that cannot be read is none: the entries are logged once more.
    let stored = storage.get(STATE_KEY).ok().flatten();
    let mut logged: Vec<String> = stored.and_then(|entry| entry.parsed()).unwrap_or_default();
    let logged_before = logged.len();
    for entry in entries {
        if !logged.contains(&entry.key) {
            let fields = [("key", entry.key.as_str()), ("reason", &entry.reason)];
            context.log(LogLevel::Error, message, &fields);
            logged.push(entry.key.clone());
        }
    }
    if logged.len() == logged_before {
        return Ok(());
    }
    logged.drain(..logged.len().saturating_sub(PASSED_OVER_KEPT_MAX));
    Ok(storage.put(StorageEntry::json(STATE_KEY, &logged)?)?)
}

/// Answers `error`, with which the read of one entry failed, where only that entry is at fault; fails with `error`
/// where storage serves no other read either.
pub fn own_error(view: &(impl StorageView + ?Sized), error: Error) -> Result<Error, Error> {
    match view.get(PROBE_KEY) {
        Ok(_) => Ok(error),
        Err(_) => Err(error),
    }
}

/// No entry has this key: a read of the key only asks whether storage serves reads.
const PROBE_KEY: &str = "probe";

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::{Value, json};

    use super::*;
    use crate::Operation;
    use crate::testing::{TestHost, request};

    fn log(host: &TestHost, keys: &[String]) {
        let request = request(Operation::Rollback, "", Value::Null);
        let context = Context { host, request: &request };
        let entries: Vec<_> =
            keys.iter().map(|key| PassedOver { key: key.clone(), reason: "it is damaged".to_owned() }).collect();
        log_new(&context, "an entry was passed over", &entries).unwrap();
    }

    #[test]
    fn each_entry_is_logged_once_with_its_key_and_the_reason() {
        let host = TestHost::new();
        let keys = ["wal/a", "wal/b"].map(str::to_owned);
        log(&host, &keys[..1]);
        log(&host, &keys);
        log(&host, &keys);
        log(&host, &[]);
        assert_eq!(host.log.lines().len(), 2);
        assert!(host.log.text().contains("wal/b") && host.log.text().contains("it is damaged"));
        assert_eq!(host.storage.json(STATE_KEY), json!(["wal/a", "wal/b"]));
        host.storage.seed(STATE_KEY, "damaged");
        log(&host, &keys);
        assert_eq!(host.log.lines().len(), 4, "a damaged state costs a second line for each entry");
        let unreadable = crate::host::StorageError::Failed("cannot decrypt".to_owned());
        host.storage.fail_prefix(crate::testing::StorageCall::Get, STATE_KEY, unreadable);
        log(&host, &keys);
        assert_eq!(host.log.lines().len(), 6, "and so does one that storage cannot read");
    }

    #[test]
    fn the_latest_keys_are_remembered_up_to_the_limit() {
        let host = TestHost::new();
        let keys: Vec<String> = (0..=PASSED_OVER_KEPT_MAX).map(|number| format!("wal/{number:05}")).collect();
        log(&host, &keys);
        let logged = host.storage.json(STATE_KEY);
        let logged = logged.as_array().unwrap();
        assert_eq!((logged.len(), &logged[0]), (PASSED_OVER_KEPT_MAX, &json!("wal/00001")));
    }
}
