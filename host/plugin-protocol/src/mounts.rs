//! The mounts of this process. Each call carries the multiplexing ID of its mount.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError, RwLock};

use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::Backend;
use crate::connection::Closer;
use crate::limits::MULTIPLEX_ID_BYTES_MAX;

/// The metadata key of the multiplexing ID.
pub(crate) const MULTIPLEX_ID: &str = "multiplex_id";

/// A mount after its setup.
pub(crate) struct Mount {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) connection: Closer,
}

/// All mounts. The server's mount table limits their number.
#[derive(Default)]
pub(crate) struct Mounts {
    by_id: RwLock<HashMap<String, Arc<Mount>>>,
}

impl Mounts {
    /// The mount of a call.
    pub(crate) fn find(&self, id: &str) -> Result<Arc<Mount>, Status> {
        let mounts = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        mounts.get(id).cloned().ok_or_else(|| Status::unknown("no backend instance found for this multiplexing id"))
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    /// Adds a mount; false if another setup has taken the ID.
    pub(crate) fn insert(&self, id: String, mount: Mount) -> bool {
        match self.by_id.write().unwrap_or_else(PoisonError::into_inner).entry(id) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(Arc::new(mount));
                true
            }
        }
    }

    pub(crate) fn remove(&self, id: &str) -> Option<Arc<Mount>> {
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).remove(id)
    }
}

/// The multiplexing ID of a call: exactly one, not empty.
pub(crate) fn multiplex_id(metadata: &MetadataMap) -> Result<&str, Status> {
    let mut values = metadata.get_all(MULTIPLEX_ID).iter();
    let first = values.next().and_then(|value| value.to_str().ok());
    match (first, values.next()) {
        (Some(id), None) if !id.is_empty() && id.len() <= MULTIPLEX_ID_BYTES_MAX => Ok(id),
        (_, Some(_)) => Err(Status::invalid_argument("several values of metadata `multiplex_id`; expected one")),
        _ => Err(Status::invalid_argument("metadata `multiplex_id` is missing, empty or too long")),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn metadata(ids: &[&str]) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        for id in ids {
            metadata.append(MULTIPLEX_ID, id.parse().unwrap());
        }
        metadata
    }

    #[test]
    fn a_call_has_exactly_one_id() {
        assert_eq!(multiplex_id(&metadata(&["0123456789"])).unwrap(), "0123456789");
        let longest = "x".repeat(MULTIPLEX_ID_BYTES_MAX);
        assert_eq!(multiplex_id(&metadata(&[&longest])).unwrap(), longest);
        for ids in [&[][..], &[""], &["a", "b"], &["a", "a"], &[&*format!("{longest}x")]] {
            assert!(multiplex_id(&metadata(ids)).is_err(), "{ids:?}");
        }
    }
}
