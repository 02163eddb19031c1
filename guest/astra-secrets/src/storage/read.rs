//! Reading one of many entries of storage: a walk passes over an entry that
//! cannot be read and goes on with the others, and fails only where storage
//! fails as a whole. `check` names what is passed over.

use secrets_framework::host::{Storage, StorageEntry, StorageView};
use secrets_framework::{Context, Error};

pub(crate) use secrets_framework::passed_over::own_error;

use super::key::is_key;

/// What the read of one entry of a walk came to; the error is about this entry alone.
pub(crate) type OwnRead = Result<Option<StorageEntry>, Error>;

/// Reads one entry of a walk. The outer error is a failure of storage as a whole.
pub(crate) fn read_one(view: &(impl StorageView + ?Sized), key: &str) -> Result<OwnRead, Error> {
    if !is_key(key) {
        return Ok(Err(Error::Internal(format!("`{key}` is not a key that storage can read"))));
    }
    // The second read tells a failure that passes from one that stays.
    match view.get(key).or_else(|_| view.get(key)) {
        Ok(entry) => Ok(Ok(entry)),
        Err(error) => own_error(view, error.into()).map(|error| Err(Error::Internal(format!("`{key}`: {error}")))),
    }
}

/// Reads entries of a walk, mostly in the time of one read.
pub(crate) fn read_many(storage: &dyn Storage, keys: &[String]) -> Result<Vec<OwnRead>, Error> {
    let texts: Vec<&str> = keys.iter().map(String::as_str).collect();
    if keys.iter().all(|key| is_key(key))
        && let Ok(entries) = storage.get_many(&texts)
    {
        return Ok(entries.into_iter().map(Ok).collect());
    }
    // One of them cannot be read, or storage fails: each by itself tells which.
    texts.into_iter().map(|key| read_one(storage, key)).collect()
}

/// Reads an entry whose key a client chose: under a key that storage would refuse
/// there is none, and that is no failure of storage.
pub(crate) fn entry(view: &(impl StorageView + ?Sized), key: &str) -> Result<Option<StorageEntry>, Error> {
    if !is_key(key) {
        return Ok(None);
    }
    Ok(view.get(key)?)
}

/// As [`entry`], several in the time of one; none under no key.
pub(crate) fn entries<const N: usize>(
    context: &Context<'_>,
    keys: [Option<&str>; N],
) -> Result<[Option<StorageEntry>; N], Error> {
    let keys = keys.map(|key| key.filter(|key| is_key(key)));
    let asked: Vec<&str> = keys.into_iter().flatten().collect();
    let mut found = context.storage().get_many(&asked)?.into_iter();
    Ok(keys.map(|key| key.and_then(|_| found.next()?)))
}

/// As [`entries`], where an entry that cannot be read must not hide the others.
pub(crate) fn own_entries<const N: usize>(
    context: &Context<'_>,
    keys: [Option<&str>; N],
) -> Result<[OwnRead; N], Error> {
    let keys = keys.map(|key| key.filter(|key| is_key(key)));
    let asked: Vec<String> = keys.into_iter().flatten().map(str::to_owned).collect();
    let mut reads = read_many(context.storage(), &asked)?.into_iter();
    Ok(keys.map(|key| key.and_then(|_| reads.next()).unwrap_or(Ok(None))))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use secrets_framework::host::StorageError;
    use secrets_framework::testing::{MemoryStorage, StorageCall};

    use super::*;

    fn failure() -> StorageError {
        StorageError::Failed("received message larger than max".to_owned())
    }

    #[test]
    fn an_entry_that_storage_cannot_read_is_told_from_storage_that_fails() {
        let storage = MemoryStorage::default();
        storage.seed("token/good", "{}");
        storage.seed("token/large", "{}");
        storage.fail_prefix(StorageCall::Get, "token/large", failure());
        let keys = ["token/good", "token/large", "token/none", "token/", "token/a..b"].map(str::to_owned);
        let read = read_many(&storage, &keys).unwrap();
        assert!(read[0].as_ref().unwrap().is_some() && read[2].as_ref().unwrap().is_none());
        for at in [1, 3, 4] {
            let error = read[at].as_ref().unwrap_err();
            assert!(matches!(error, Error::Internal(text) if text.contains(&keys[at])), "{error}");
        }
        storage.fail_all(failure());
        assert!(matches!(read_many(&storage, &keys[..1]), Err(Error::Plain(_))));
    }

    #[test]
    fn a_read_that_fails_once_is_repeated() {
        let storage = MemoryStorage::default();
        storage.seed("token/good", "{}");
        storage.fail_nth(StorageCall::Get, 1, failure());
        assert!(read_one(&storage, "token/good").unwrap().unwrap().is_some());
    }
}
