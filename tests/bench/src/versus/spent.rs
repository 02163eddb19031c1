//! Processor time and wake-ups of processes.

use anyhow::Context;

/// Use of the processor by all threads of some processes.
pub(super) struct Spent {
    pub(super) milliseconds: f64,
    pub(super) wakes: f64,
}

impl Spent {
    pub(super) fn by(pids: &[u32]) -> anyhow::Result<Self> {
        let mut spent = Self { milliseconds: 0.0, wakes: 0.0 };
        for pid in pids {
            for thread in std::fs::read_dir(format!("/proc/{pid}/task")).context("a process has gone")? {
                // A thread may end in the meantime.
                let Ok(text) = std::fs::read_to_string(thread?.path().join("schedstat")) else { continue };
                let mut numbers = text.split_whitespace().filter_map(|number| number.parse::<f64>().ok());
                let (time, _, slices) = (numbers.next(), numbers.next(), numbers.next());
                spent.milliseconds += time.context("no time in `schedstat`")? / 1e6;
                spent.wakes += slices.context("no time slices in `schedstat`")?;
            }
        }
        Ok(spent)
    }

    pub(super) fn since(&self, before: &Self) -> Self {
        Self { milliseconds: self.milliseconds - before.milliseconds, wakes: self.wakes - before.wakes }
    }
}
