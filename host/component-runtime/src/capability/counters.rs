//! Counters that engines add to the metrics of their mount.
//!
//! Requests of a mount add without a lock: each series has a slot in a table of fixed size, and a slot is never reused.
//! The first count creates the table, and the end of the mount drops it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::{Limits, METRIC_HELP_BYTES_MAX, METRIC_LABELS_MAX, METRIC_NAME_BYTES_MAX};

/// Prefix of the host's own metrics. A metric of an engine must not have this prefix.
pub const HOST_METRIC_PREFIX: &str = "secrets_engine_";

/// One addition to a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) name: String,
    pub(crate) help: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) number: u64,
}

/// One series of a counter of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedSeries {
    /// The name of the counter.
    pub name: String,
    /// Help text of the counter.
    pub help: String,
    /// The labels of the series.
    pub labels: BTreeMap<String, String>,
    /// Value of the counter.
    pub value: u64,
}

/// The counters of one mount.
pub(crate) struct EngineCounters {
    series_max: usize,
    slots: OnceLock<Box<[Slot]>>,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Slot {
    series: OnceLock<Series>,
    value: AtomicU64,
}

/// Identity of a series. The help text does not belong to it.
struct Series {
    name: String,
    help: String,
    labels: BTreeMap<String, String>,
}

impl Count {
    /// All texts that the guest wrote.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let labels = self.labels.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        [self.name.as_bytes(), self.help.as_bytes()].into_iter().chain(labels)
    }

    /// The series, if the texts are valid for a metric.
    fn series(self) -> Option<(Series, u64)> {
        let Self { name, help, labels, number } = self;
        let count = labels.len();
        let is_good = is_metric_name(&name)
            && name.ends_with("_total")
            && !name.starts_with(HOST_METRIC_PREFIX)
            && help.len() <= METRIC_HELP_BYTES_MAX
            && count <= METRIC_LABELS_MAX
            && labels.iter().all(|(name, value)| is_label(name, value));
        let labels: BTreeMap<_, _> = labels.into_iter().collect();
        (is_good && labels.len() == count).then_some((Series { name, help, labels }, number))
    }
}

impl EngineCounters {
    pub(crate) fn new(limits: &Limits) -> Self {
        let series_max = limits.counter_series_per_mount_max;
        Self { series_max, slots: OnceLock::new(), dropped: AtomicU64::new(0) }
    }

    /// Adds to a counter. An invalid addition increases the number of dropped ones.
    pub(crate) fn add(&self, count: Count) {
        let Some((mut series, number)) = count.series() else { return self.drop_one() };
        let slots = self.slots.get_or_init(|| (0..self.series_max).map(|_| Slot::default()).collect());
        let mut hasher = DefaultHasher::new();
        (&series.name, &series.labels).hash(&mut hasher);
        let places = u64::try_from(slots.len().max(1)).unwrap_or(u64::MAX);
        let first = usize::try_from(hasher.finish() % places).unwrap_or_default();
        for slot in slots.iter().cycle().skip(first).take(slots.len()) {
            match slot.take(series) {
                Ok(()) => {
                    let add = |value: u64| Some(value.saturating_add(number));
                    let _ = slot.value.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
                    return;
                }
                Err(other) => series = other,
            }
        }
        self.drop_one();
    }

    /// Counts a call that adds nothing.
    pub(crate) fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls that added nothing.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// All series, by name and labels.
    pub(crate) fn series(&self) -> Vec<CountedSeries> {
        let taken = self.slots.get().into_iter().flatten().filter_map(|slot| Some((slot.series.get()?, &slot.value)));
        let mut all: Vec<CountedSeries> = taken
            .map(|(Series { name, help, labels }, value)| CountedSeries {
                name: name.clone(),
                help: help.clone(),
                labels: labels.clone(),
                value: value.load(Ordering::Relaxed),
            })
            .collect();
        all.sort_by(|one, other| (&one.name, &one.labels).cmp(&(&other.name, &other.labels)));
        all
    }
}

impl Slot {
    /// Takes the slot for this series. Returns the series if the slot belongs to another one.
    fn take(&self, series: Series) -> Result<(), Series> {
        let is_own = |other: &Series| (&other.name, &other.labels) == (&series.name, &series.labels);
        match self.series.get() {
            Some(other) if is_own(other) => Ok(()),
            Some(_) => Err(series),
            None => match self.series.set(series) {
                Ok(()) => Ok(()),
                // Another request took the slot in the meantime.
                Err(series) => self.take(series),
            },
        }
    }
}

/// True for a name of a metric or label that an engine may use: lower-case letters, digits and `_`, at most
/// [`METRIC_NAME_BYTES_MAX`] bytes. Prometheus allows more.
#[must_use]
pub fn is_metric_name(text: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let is_written_so =
        text.bytes().next().is_some_and(is_first) && text.bytes().all(|byte| is_first(byte) || byte.is_ascii_digit());
    is_written_so && text.len() <= METRIC_NAME_BYTES_MAX && !text.starts_with("__")
}

/// True for a label that an engine may use. `le` and `quantile` belong to histograms and summaries.
fn is_label(name: &str, value: &str) -> bool {
    is_metric_name(name)
        && !["le", "quantile"].contains(&name)
        && value.len() <= METRIC_NAME_BYTES_MAX
        && !value.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn count(name: &str, labels: &[(&str, &str)], number: u64) -> Count {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Count { name: name.to_owned(), help: "Help.".to_owned(), labels, number }
    }

    fn counters(series_max: usize) -> EngineCounters {
        EngineCounters::new(&Limits { counter_series_per_mount_max: series_max, ..Limits::default() })
    }

    #[test]
    fn a_series_is_its_name_and_its_labels_in_any_order() {
        let counters = counters(8);
        assert_eq!(counters.series(), []);
        for (kind, outcome, number) in [("admin", "done", 1), ("static", "done", 2), ("admin", "done", 3)] {
            counters.add(count("rotations_total", &[("kind", kind), ("outcome", outcome)], number));
            counters.add(count("rotations_total", &[("outcome", outcome), ("kind", kind)], 10));
        }
        let series = counters.series();
        let values: Vec<u64> = series.iter().map(|series| series.value).collect();
        assert_eq!((values, counters.dropped()), (vec![24, 12], 0));
        assert_eq!(series.first().map(|series| series.help.as_str()), Some("Help."));
    }

    #[test]
    fn an_invalid_metric_of_an_engine_is_dropped_and_counted() {
        let counters = counters(8);
        let long = "x".repeat(METRIC_NAME_BYTES_MAX + 1);
        let rows: [(&str, &[(&str, &str)]); 12] = [
            ("", &[]),
            ("no_end", &[]),
            ("Upper_total", &[]),
            ("a\nb_total", &[]),
            ("1_total", &[]),
            ("secrets_engine_requests_total", &[]),
            (&format!("{long}_total"), &[]),
            ("a_total", &[("le", "1")]),
            ("a_total", &[("__name__", "b")]),
            ("a_total", &[("a", &long)]),
            ("a_total", &[("a", "b\nc")]),
            ("a_total", &[("a", "1"), ("a", "2")]),
        ];
        for (name, labels) in rows {
            counters.add(count(name, labels, 1));
        }
        let labels = [("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"), ("e", "1")];
        counters.add(count("a_total", &labels, 1));
        counters.add(Count { help: "x".repeat(METRIC_HELP_BYTES_MAX + 1), ..count("a_total", &[], 1) });
        assert_eq!((counters.series(), counters.dropped()), (vec![], 14));
        let (most, longest) = (labels.get(..METRIC_LABELS_MAX).unwrap_or_default(), "x".repeat(METRIC_NAME_BYTES_MAX));
        counters.add(count("a_total", most, 1));
        counters.add(count("a_total", &[(&longest, &longest)], 1));
        assert_eq!((counters.series().len(), counters.dropped()), (2, 14));
    }

    #[test]
    fn a_mount_has_a_number_of_series_and_no_count_is_lost_among_them() {
        let counters = Arc::new(counters(4));
        let add_all = |counters: &EngineCounters| {
            for value in ["a", "b", "c", "d", "e", "f"].repeat(100) {
                counters.add(count("a_total", &[("value", value)], 1));
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| add_all(&counters));
            }
        });
        let series = counters.series();
        assert_eq!(series.iter().map(|series| series.value).collect::<Vec<_>>(), [400; 4]);
        assert_eq!(counters.dropped(), 800);
        counters.add(count("a_total", &[("value", "a")], u64::MAX));
        assert!(counters.series().iter().all(|series| series.value >= 400), "a counter never goes round");
    }
}
