//! The answer of the path `metrics`: what the host counts of the mount (`host_families.rs`), and the engine's own counters and
//! families, as JSON or as the text that Prometheus reads.

mod host_families;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use component_runtime::{CountedSeries, HOST_METRIC_PREFIX, is_metric_name};
use envelope::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::limits::ENGINE_METRICS_BYTES_MAX;
use crate::metrics::{Value, number};

pub(super) use host_families::{Snapshot, of_host};

/// One metric.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Family {
    name: String,
    r#type: String,
    help: String,
    samples: Vec<Sample>,
}

/// One value of a metric.
#[derive(Debug, Deserialize, Serialize)]
struct Sample {
    /// What follows the name of the metric, for the parts of a histogram.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    suffix: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Family {
    fn new(name: &str, kind: &str, help: &str, values: Vec<Value>) -> Self {
        let sample = |(labels, value): Value| Sample {
            suffix: String::new(),
            labels: labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            value,
        };
        Self {
            name: name.to_owned(),
            r#type: kind.to_owned(),
            help: help.to_owned(),
            samples: values.into_iter().map(sample).collect(),
        }
    }

    fn histogram(name: &str, help: &str, (buckets, all, seconds): (Vec<(f64, u64)>, u64, f64)) -> Self {
        let ends = buckets.into_iter().map(|(end, count)| (end.to_string(), count)).chain([("+Inf".to_owned(), all)]);
        let bucket = |(end, count): (String, u64)| Sample {
            suffix: "_bucket".to_owned(),
            labels: BTreeMap::from([("le".to_owned(), end)]),
            value: number(count),
        };
        let part = |suffix: &str, value: f64| Sample { suffix: suffix.to_owned(), labels: BTreeMap::new(), value };
        let samples = ends.map(bucket).chain([part("_sum", seconds), part("_count", number(all))]).collect();
        Self { samples, ..Self::new(name, "histogram", help, Vec::new()) }
    }
}

/// The counters of the engine.
pub(super) fn counted(series: Vec<CountedSeries>) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for CountedSeries { name, help, labels, value } in series {
        let sample = Sample { suffix: String::new(), labels, value: number(value) };
        match families.last_mut() {
            // The series come by name.
            Some(family) if family.name == name => family.samples.push(sample),
            _ => families.push(Family { name, r#type: "counter".to_owned(), help, samples: vec![sample] }),
        }
    }
    families
}

/// Those families whose name no earlier one has: a text with a metric twice is none.
pub(super) fn without_repeats(mut families: Vec<Family>) -> Vec<Family> {
    let mut seen = BTreeSet::new();
    families.retain(|family| seen.insert(family.name.clone()));
    families
}

/// The families of the engine, from its answer to the same path; none of what is no such answer, or is too long.
pub(super) fn of_engine(answer: Option<&Response>) -> Option<Vec<Family>> {
    #[derive(Deserialize)]
    struct Answer {
        families: Vec<Family>,
    }
    let data = answer?.data.as_deref().filter(|data| data.len() <= ENGINE_METRICS_BYTES_MAX)?;
    let families = serde_json::from_str::<Answer>(data).ok()?.families;
    let is_good = |family: &Family| {
        ["counter", "gauge"].contains(&family.r#type.as_str())
            && is_metric_name(&family.name)
            && family
                .samples
                .iter()
                .all(|sample| sample.suffix.is_empty() && sample.labels.keys().all(|name| is_metric_name(name)))
    };
    // The engine's names are its own: none may stand for one of the host's.
    families.iter().all(|family| is_good(family) && !family.name.starts_with(HOST_METRIC_PREFIX)).then_some(families)
}

/// The answer as JSON.
pub(super) fn as_json(families: &[Family]) -> Response {
    Response { data: Some(json!({ "families": families }).to_string()), ..Response::default() }
}

/// The answer as text, which the server passes on as it is.
pub(super) fn as_text(families: &[Family]) -> Response {
    let data = json!({
        "http_content_type": "text/plain; version=0.0.4; charset=utf-8",
        "http_status_code": 200,
        "http_raw_body": STANDARD.encode(text(families)),
    });
    Response { data: Some(data.to_string()), ..Response::default() }
}

fn text(families: &[Family]) -> String {
    let mut text = String::new();
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        let Family { name, r#type, help, samples } = family;
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "# HELP {name} {}\n# TYPE {name} {type}", help.replace('\\', "\\\\").replace('\n', "\\n"));
        for Sample { suffix, labels, value } in samples {
            let labels: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(text, "{name}{suffix}{labels} {value}");
        }
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn engine(data: &serde_json::Value) -> Option<Vec<Family>> {
        of_engine(Some(&Response { data: Some(data.to_string()), ..Response::default() }))
    }

    #[test]
    fn metrics_are_text_as_prometheus_reads_it() {
        let labels = vec![("organization", "a\"b\\c\nd".to_owned())];
        let families = [
            Family::new("astra_tokens", "gauge", "Live tokens.", vec![(labels, 3.0)]),
            Family::new("astra_nothing", "gauge", "None.", Vec::new()),
            Family::histogram("t_seconds", "Time.", (vec![(0.5, 1)], 2, 1.25)),
        ];
        let expected = "# HELP astra_tokens Live tokens.\n# TYPE astra_tokens gauge\nastra_tokens{organization=\"a\\\"b\\\\c\\nd\"} 3\n\
            # HELP t_seconds Time.\n# TYPE t_seconds histogram\nt_seconds_bucket{le=\"0.5\"} 1\nt_seconds_bucket{le=\"+Inf\"} 2\n\
            t_seconds_sum 1.25\nt_seconds_count 2\n";
        assert_eq!(text(&families), expected);
        let raw: serde_json::Value = serde_json::from_str(as_text(&families).data.as_deref().unwrap()).unwrap();
        assert_eq!(STANDARD.decode(raw["http_raw_body"].as_str().unwrap()).unwrap(), expected.as_bytes());
    }

    #[test]
    fn counters_of_an_engine_are_a_family_for_each_name_and_no_metric_comes_twice() {
        let series = |name: &str, kind: &str, value| CountedSeries {
            name: name.to_owned(),
            help: "Help.".to_owned(),
            labels: BTreeMap::from([("kind".to_owned(), kind.to_owned())]),
            value,
        };
        let all = vec![series("a_total", "x", 1), series("a_total", "y", 2), series("b_total", "x", 3)];
        let mut families = counted(all.clone());
        families.push(Family::new("a_total", "gauge", "Another.", vec![(Vec::new(), 9.0)]));
        let expected = "# HELP a_total Help.\n# TYPE a_total counter\na_total{kind=\"x\"} 1\na_total{kind=\"y\"} 2\n\
            # HELP b_total Help.\n# TYPE b_total counter\nb_total{kind=\"x\"} 3\n";
        assert_eq!(text(&without_repeats(families)), expected);
    }

    #[test]
    fn an_engine_adds_its_own_metrics_and_no_others() {
        let family = |name: &str, label: &str| {
            json!({ "families": [{
            "name": name, "type": "gauge", "help": "h", "samples": [{ "labels": { label: "x" }, "value": 1 }],
        }] })
        };
        assert_eq!(engine(&family("astra_tokens", "organization")).unwrap().len(), 1);
        for wrong in [
            family("secrets_engine_requests_total", "a"),
            family("a b", "a"),
            family("a", "b\"c"),
            json!({ "families": 1 }),
        ] {
            assert!(engine(&wrong).is_none(), "{wrong}");
        }
        assert!(of_engine(None).is_none());
    }

    #[test]
    fn an_engines_metrics_have_a_largest_size() {
        let good = json!({ "families": [] }).to_string();
        for (bytes, is_taken) in [(ENGINE_METRICS_BYTES_MAX, true), (ENGINE_METRICS_BYTES_MAX + 1, false)] {
            let data = format!("{good}{}", " ".repeat(bytes - good.len()));
            let answer = Response { data: Some(data), ..Response::default() };
            assert_eq!(of_engine(Some(&answer)).is_some(), is_taken, "{bytes}");
        }
    }
}
