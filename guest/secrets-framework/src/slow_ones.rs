//! Turns among things to do of which some take long: one upstream that hangs keeps nobody else's waiting.

use std::collections::BTreeSet;

use crate::Context;
use crate::limits::SLOW_AFTER;

/// Those whose work took long in this call. What else there is to do for them comes last.
#[derive(Debug)]
pub struct SlowOnes<K>(BTreeSet<K>);

impl<K> Default for SlowOnes<K> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K: Ord> SlowOnes<K> {
    /// Does some work for `whose`, and notes whether the work took long.
    pub fn timed<T>(&mut self, context: &Context<'_>, whose: K, work: impl FnOnce() -> T) -> T {
        let began = context.now();
        let done = work();
        if context.now().saturating_sub(began) >= SLOW_AFTER {
            self.0.insert(whose);
        }
        done
    }

    /// Did work for `whose` take long?
    pub fn has(&self, whose: &K) -> bool {
        self.0.contains(whose)
    }
}
