//! The order of much work for several upstreams, so that an upstream that hangs does not take the time of the others.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use crate::Context;
use crate::limits::SLOW_AFTER;

/// Does the work on each of `items`, upstream by upstream in a random order, until `end` has passed or `work` breaks off.
/// After an item that took a second, the other items of its upstream come after those of all other upstreams.
pub fn take_turns<T, K: Ord>(
    context: &Context<'_>,
    items: impl IntoIterator<Item = T>,
    upstream: impl Fn(&T) -> K,
    end: Duration,
    mut work: impl FnMut(T) -> ControlFlow<()>,
) {
    let mut upstreams = VecDeque::from(by_upstream(context, items, upstream));
    while let Some(mut items) = upstreams.pop_front() {
        while let Some(item) = items.pop_front() {
            let began = context.now();
            if began >= end || work(item).is_break() {
                return;
            }
            if context.now().saturating_sub(began) >= SLOW_AFTER {
                upstreams.push_back(std::mem::take(&mut items));
            }
        }
    }
}

/// At most `max` of the items: the first item of each upstream, then the second item of each, and so on.
pub fn share<T, K: Ord>(
    context: &Context<'_>,
    items: impl IntoIterator<Item = T>,
    upstream: impl Fn(&T) -> K,
    max: usize,
) -> Vec<T> {
    let mut upstreams = VecDeque::from(by_upstream(context, items, upstream));
    let mut shared = Vec::new();
    while let Some(mut items) = upstreams.pop_front().filter(|_| shared.len() < max) {
        if let Some(item) = items.pop_front() {
            shared.push(item);
            upstreams.push_back(items);
        }
    }
    shared
}

/// The items of each upstream in their order, and the upstreams in a random order.
fn by_upstream<T, K: Ord>(
    context: &Context<'_>,
    items: impl IntoIterator<Item = T>,
    upstream: impl Fn(&T) -> K,
) -> Vec<VecDeque<T>> {
    let mut upstreams: BTreeMap<K, VecDeque<T>> = BTreeMap::new();
    for item in items {
        upstreams.entry(upstream(&item)).or_default().push_back(item);
    }
    let mut upstreams: Vec<VecDeque<T>> = upstreams.into_values().collect();
    // Each place gets one of those that have none yet (Fisher and Yates).
    for place in (1..upstreams.len()).rev() {
        upstreams.swap(place, random_below(context, place + 1));
    }
    upstreams
}

/// A random number below `bound`, which is not 0.
pub fn random_below(context: &Context<'_>, bound: usize) -> usize {
    let mut random = [0; 8];
    context.host.random().fill(&mut random);
    usize::try_from(u64::from_le_bytes(random) % bound as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::Operation;
    use crate::host::Clock as _;
    use crate::testing::{TestHost, request};

    /// Does items such as `a1` of the upstream `a`; those of the upstreams in `slow` take five seconds. Answers the order.
    fn done(host: &TestHost, items: &[&'static str], slow: &str, end: u64) -> Vec<&'static str> {
        let request = request(Operation::Rollback, "", Value::Null);
        let context = Context { host, request: &request };
        let end = context.now() + Duration::from_secs(end);
        let mut done = Vec::new();
        take_turns(
            &context,
            items.iter().copied(),
            |item| item.chars().next(),
            end,
            |item| {
                done.push(item);
                host.clock.advance(Duration::from_secs(if slow.contains(&item[..1]) { 5 } else { 0 }));
                ControlFlow::Continue(())
            },
        );
        done
    }

    #[test]
    fn an_upstream_is_done_at_a_stretch_and_each_is_the_first_at_times() {
        let host = TestHost::new();
        let orders: BTreeSet<Vec<&str>> =
            (0..100).map(|_| done(&host, &["a1", "b1", "c1", "b2", "a2"], "", 10)).collect();
        assert_eq!(orders.len(), 6, "{orders:?}");
        for order in orders {
            let places = ["a1", "a2", "b1", "b2"].map(|item| order.iter().position(|done| *done == item).unwrap());
            assert!(places[0] + 1 == places[1] && places[2] + 1 == places[3], "{order:?}");
        }
    }

    #[test]
    fn items_of_slow_upstreams_come_after_all_others_and_take_turns() {
        let host = TestHost::new();
        for _ in 0..20 {
            let order = done(&host, &["a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2"], "ab", 100);
            let mut fast: Vec<&str> = order[..4].to_vec();
            fast.sort_unstable();
            assert_eq!(fast, ["a1", "b1", "c1", "c2"], "{order:?}");
            assert!(order[4..].windows(2).all(|next| next[0][..1] != next[1][..1]), "{order:?}");
            assert_eq!(order.len(), 8);
        }
    }

    #[test]
    fn no_upstream_takes_the_share_of_another() {
        let host = TestHost::new();
        let request = request(Operation::Rollback, "", Value::Null);
        let context = Context { host: &host, request: &request };
        let share = |max: usize| {
            let items = ["a1", "a2", "a3", "a4", "b1", "b2", "c1"];
            let mut shared = share(&context, items, |item| item.chars().next(), max);
            shared.sort_unstable();
            shared
        };
        assert_eq!(share(3), ["a1", "b1", "c1"]);
        assert_eq!(share(6), ["a1", "a2", "a3", "b1", "b2", "c1"]);
        assert_eq!(share(10).len(), 7);
        assert_eq!(share(0), Vec::<&str>::new());
    }

    #[test]
    fn nothing_begins_after_the_end() {
        let host = TestHost::new();
        let began = host.clock.now();
        assert_eq!(done(&host, &["a1", "a2", "a3"], "a", 10), ["a1", "a2"]);
        assert_eq!(host.clock.now() - began, Duration::from_secs(10));
        assert_eq!(done(&host, &["a1"], "", 0), Vec::<&str>::new());
    }
}
