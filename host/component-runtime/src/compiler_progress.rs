//! Tells a process that a busy machine delays from one that hangs: the first gets processor time, however little.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

/// Looks at a process, evenly spread over the time that it may make no progress. All of them must find no progress, so
/// that the time in which the whole machine or container stood still counts as one look.
const LOOKS: u32 = 12;

/// Waits for `work`, which the caller limits in time as well.
///
/// # Errors
/// When `used` has returned the same number for `idle`. A number that is not known counts as progress.
pub(crate) async fn unless_idle<T>(
    idle: Duration,
    used: impl Fn() -> Option<u64>,
    work: impl Future<Output = T>,
) -> Result<T, Idle> {
    let (mut work, mut last, mut in_vain) = (pin!(work), used(), 0);
    while in_vain < LOOKS {
        if let Ok(done) = timeout(idle / LOOKS, work.as_mut()).await {
            return Ok(done);
        }
        let now = used();
        in_vain = if now.is_some() && now == last { in_vain + 1 } else { 0 };
        last = now;
    }
    Err(Idle)
}

/// The process made no progress.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Idle;

/// Processor time of all threads of a process, in ticks of the kernel. `None` if the system does not say, for example
/// without `/proc`.
#[expect(clippy::disallowed_methods, reason = "the kernel says it in a file")]
pub(crate) fn processor_ticks(pid: u32) -> Option<u64> {
    in_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Fields 14 and 15, in user mode and in the kernel. The second field, the name of the program, may contain blanks and
/// parentheses, so the fields after it are counted from its end.
fn in_stat(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    ticks()?.checked_add(ticks()?)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use tokio::time::{Instant, sleep};

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);
    const HOURS: Duration = Duration::from_secs(5 * 3_600);

    #[tokio::test(start_paused = true)]
    async fn a_process_that_gets_a_little_processor_time_now_and_then_is_waited_for() {
        let looks = Cell::new(0);
        // One tick in 55 seconds, on a machine that leaves it no more.
        let used = || {
            looks.set(looks.get() + 1);
            Some(looks.get() / 11)
        };
        assert_eq!(unless_idle(IDLE, used, sleep(HOURS)).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_gets_no_processor_time_is_given_up() {
        let begin = Instant::now();
        assert_eq!(unless_idle(IDLE, || Some(7), pending::<()>()).await, Err(Idle));
        assert_eq!(begin.elapsed().as_secs(), IDLE.as_secs());
        assert_eq!(unless_idle(IDLE, || Some(7), sleep(IDLE / 2)).await, Ok(()), "one that ends by then is not");
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_in_which_this_process_stood_still_too_is_not_held_against_the_other() {
        let looks = Cell::new(0);
        // The other process does nothing but between the last two looks.
        let used = || {
            looks.set(looks.get() + 1);
            Some(u64::from(looks.get() >= LOOKS))
        };
        let stopped = async {
            sleep(Duration::from_secs(1)).await;
            tokio::time::advance(HOURS).await;
            sleep(IDLE).await;
        };
        assert_eq!(unless_idle(IDLE, used, stopped).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_system_tells_nothing_the_process_is_not_given_up() {
        assert_eq!(unless_idle(IDLE, || None, sleep(HOURS)).await, Ok(()));
    }

    #[test]
    fn processor_time_is_read_whatever_the_program_is_called() {
        let rest = "R 1 2 3 4 5 6 7 8 9 10 250 17 0 0 20 0 1 0 100";
        for name in ["(sh)", "(a b)", "(odd) S 1 (name)"] {
            assert_eq!(in_stat(&format!("42 {name} {rest}\n")), Some(267));
        }
        for other in ["", "42 (sh)", "42 (sh) R 1 2 3 4 5 6 7 8 9 10 x 17", "42 (sh) R 1 2 3 4 5 6 7 8 9 10 250"] {
            assert_eq!(in_stat(other), None, "{other}");
        }
        assert!(processor_ticks(std::process::id()).is_some());
        assert_eq!(processor_ticks(u32::MAX), None);
    }
}
