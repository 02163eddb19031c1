//! The linear memory that the guests of one mount use, for its metrics.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The memory of one mount. All its requests add to it.
#[derive(Debug, Default)]
pub(crate) struct MemoryUse {
    bytes: AtomicUsize,
    bytes_max: AtomicUsize,
}

impl MemoryUse {
    /// A guest grows by so many bytes.
    pub(crate) fn add(&self, bytes: usize) {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes_max.fetch_max(before.saturating_add(bytes), Ordering::Relaxed);
    }

    /// A guest with so many bytes has ended.
    pub(crate) fn subtract(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// What the guests use now.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The most that the guests used at a time.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_stays_when_guests_end() {
        let memory = MemoryUse::default();
        memory.add(10);
        memory.add(20);
        memory.subtract(10);
        memory.add(5);
        assert_eq!((memory.bytes(), memory.bytes_max()), (25, 30));
        memory.subtract(25);
        assert_eq!((memory.bytes(), memory.bytes_max()), (0, 30));
    }
}
