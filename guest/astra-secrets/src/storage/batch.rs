//! Entries that belong together: written in one transaction where the server
//! has them, else one after the other. So the order given must leave
//! something usable after each write.

use secrets_framework::host::{StorageEntry, StorageError, StorageView};
use secrets_framework::{Context, Error};

use crate::limits::TRANSACTION_ATTEMPTS_MAX;

/// One change of storage.
#[derive(Debug)]
pub(crate) enum Write {
    /// Writes an entry.
    Put(StorageEntry),
    /// Deletes a key; it need not exist.
    Delete(String),
}

impl Write {
    /// Makes the change, in storage itself or in a transaction.
    pub(crate) fn apply(&self, view: &(impl StorageView + ?Sized)) -> Result<(), StorageError> {
        match self {
            Self::Put(entry) => view.put(entry.clone()),
            Self::Delete(key) => view.delete(key),
        }
    }
}

/// Makes the changes, all of them or none where the server can.
pub(crate) fn write_batch(context: &Context<'_>, writes: &[Write]) -> Result<(), Error> {
    let mut attempt = 1;
    loop {
        match write_once(context, writes) {
            // The writes depend on nothing read in the transaction, so they can simply be made again.
            Err(StorageError::Conflict(_)) if attempt < TRANSACTION_ATTEMPTS_MAX => attempt += 1,
            result => return Ok(result?),
        }
    }
}

fn write_once(context: &Context<'_>, writes: &[Write]) -> Result<(), StorageError> {
    let storage = context.storage();
    // One write is whole by itself; a transaction would only cost two more calls.
    if let [write] = writes {
        return write.apply(storage);
    }
    match storage.begin()? {
        Some(transaction) => {
            for write in writes {
                write.apply(&*transaction)?;
            }
            transaction.commit()
        }
        None => writes.iter().try_for_each(|write| write.apply(storage)),
    }
}
