//! Counters that guests add to the metrics of their mount, and the resources that a mount used.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use component_runtime::{Limits, Mount};

use crate::support::{MemoryStorage, answer, limits, load, mount, on_each_scheduler, runtime};

fn counted(mount: &Mount) -> Vec<(String, String, u64)> {
    let labels = |labels: std::collections::BTreeMap<String, String>| labels.into_values().collect::<String>();
    mount.counted().into_iter().map(|series| (series.name, labels(series.labels), series.value)).collect()
}

#[test]
fn a_guest_counts_among_the_metrics_of_its_mount_and_of_no_other() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let module = load(&runtime, "flood_counters").await;
        let storage = Arc::<MemoryStorage>::default();
        let (own, other) = (mount(&runtime, "own", &storage), mount(&runtime, "other", &storage));
        for _ in 0..2 {
            answer(&module, &own, "count/properly").await.unwrap();
        }
        let greetings = |kind: &str, value| ("greetings_total".to_owned(), kind.to_owned(), value);
        assert_eq!(counted(&own), [greetings("loud", 6), greetings("low", 2)]);
        assert_eq!(own.counted()[0].help, "Greetings.");
        assert_eq!((counted(&other), own.counts_dropped()), (vec![], 0));
        // The counters belong to the mount: a reload starts at zero.
        assert_eq!(counted(&mount(&runtime, "own", &storage)), []);
    });
}

#[test]
fn a_guest_that_floods_or_forges_counters_is_bounded() {
    on_each_scheduler(|| async {
        let limits = Limits { counts_per_request_max: 10, counter_series_per_mount_max: 25, ..limits() };
        let runtime = runtime(limits, &[]);
        let module = load(&runtime, "flood_counters").await;
        let mount = mount(&runtime, "own", &Arc::default());
        answer(&module, &mount, "count/forged").await.unwrap();
        assert_eq!((counted(&mount), mount.counts_dropped()), (vec![], 3));
        answer(&module, &mount, "count/properly").await.unwrap();
        answer(&module, &mount, "count/a").await.unwrap();
        assert_eq!((counted(&mount).len(), mount.counts_dropped()), (12, 3 + 990), "ten calls of a request count");
        for which in ["b", "c", "d"] {
            answer(&module, &mount, &format!("count/{which}")).await.unwrap();
        }
        assert_eq!(counted(&mount).len(), 25, "a mount has so many series");
        answer(&module, &mount, "count/properly").await.unwrap();
        assert!(counted(&mount).contains(&("greetings_total".to_owned(), "loud".to_owned(), 6)));
    });
}

#[test]
fn processor_time_and_memory_are_those_of_the_mount() {
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        let module = load(&runtime, "good").await;
        let storage = Arc::<MemoryStorage>::default();
        let (own, other) = (mount(&runtime, "own", &storage), mount(&runtime, "other", &storage));
        answer(&module, &own, "").await.unwrap();
        assert!(own.processor_time() > Duration::ZERO);
        let most = own.memory_held_max();
        assert_eq!(own.memory_held(), 0, "the guest has gone");
        assert!(most >= 64 * 1024, "a guest has a page at least: {most}");
        assert_eq!((other.processor_time(), other.memory_held_max()), (Duration::ZERO, 0));
        let reloaded = mount(&runtime, "own", &storage);
        assert_eq!(reloaded.processor_time(), Duration::ZERO, "counted from the load on");
    });
}
