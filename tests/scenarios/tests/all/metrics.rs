//! `metrics`: the data for alerts, as JSON and in the text form of Prometheus.

use std::collections::BTreeSet;
use std::fs;

use harness::openbao::Server;
use harness::{DriverKind, Stage, StageOptions, play, workspace_root};
use serde_json::{Value, json};

use crate::lifecycle::mount_of;

scenarios! { all:
    metrics_of_the_engine_tell_what_lies_in_storage,
}

/// The value of a metric with these labels; `None` if there is none.
fn value(families: &Value, name: &str, labels: &Value) -> Option<f64> {
    let family = families.as_array().unwrap().iter().find(|family| family["name"] == name)?;
    let samples = family["samples"].as_array().unwrap();
    samples.iter().find(|sample| sample["labels"] == *labels).and_then(|sample| sample["value"].as_f64())
}

fn families(stage: &Stage) -> Value {
    stage.read("metrics", Value::Null).expect(200).data["families"].clone()
}

fn metrics_of_the_engine_tell_what_lies_in_storage(stage: &Stage) {
    stage.ready();
    stage.configure(&stage.beta);
    stage.mint(&stage.alpha, "reader").expect(200);
    let families = families(stage);
    let tokens = |org: &str| value(&families, "astra_tokens", &json!({ "organization": org }));
    assert_eq!((tokens(&stage.alpha.id), tokens(&stage.beta.id)), (Some(1.0), Some(0.0)));
    assert_eq!(value(&families, "astra_organizations", &json!({})), Some(2.0));
    assert_eq!(value(&families, "astra_write_ahead_entries", &json!({})), Some(0.0));
}

#[test]
fn the_host_counts_requests_leases_and_calls_of_the_mount_and_of_no_other() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        stage.ready();
        let minted = stage.mint(&stage.alpha, "reader").expect(200);
        stage.renew(&minted.lease_id(), None).expect(200);
        stage.revoke(&minted.lease_id()).expect(204);
        stage.read("creds/nobody/reader", Value::Null).expect(400);
        let families = families(stage);
        let leases = |event: &str| value(&families, "secrets_engine_leases_total", &json!({ "event": event }));
        assert_eq!((leases("issued"), leases("renewed"), leases("revoked")), (Some(1.0), Some(1.0), Some(1.0)));
        let posts = json!({ "method": "POST", "class": "2xx" });
        assert_eq!(value(&families, "secrets_engine_upstream_requests_total", &posts), Some(1.0));
        let trapped = json!({ "cause": "trap" });
        assert_eq!(value(&families, "secrets_engine_request_failures_total", &trapped), Some(0.0));
        assert_eq!(value(&families, "secrets_engine_requests_in_flight", &json!({})), Some(1.0));
        assert_eq!(value(&families, "secrets_engine_engine_metrics", &json!({})), Some(1.0));
        let of_mount = |name: &str| value(&families, name, &json!({})).unwrap();
        assert!(of_mount("secrets_engine_processor_seconds_total") > 0.0);
        assert!(of_mount("secrets_engine_memory_peak_bytes") >= 65_536.0, "a guest has a page of memory at least");
        assert_eq!(of_mount("secrets_engine_memory_bytes"), 0.0, "no guest runs now");
        assert_eq!(of_mount("secrets_engine_module_automatic_reverts_total"), 0.0);
        assert_eq!(value(&families, "secrets_engine_node_info", &json!({ "state": "active" })), Some(1.0));
        // The engine's own counts, through its import.
        assert_eq!(value(&families, "astra_tokens_made_total", &json!({ "kind": "creds" })), Some(1.0));
        assert_eq!(value(&families, "astra_tokens_ended_total", &json!({ "how": "revoked" })), Some(1.0));
        assert_eq!(of_mount("secrets_engine_engine_counts_dropped_total"), 0.0);
        stage.read("metrics", json!({ "format": "xml" })).expect_error(400, &["`format`", "`prometheus`"]);
    });
}

/// The text form, which the server passes on unchanged.
fn text(stage: &Stage) -> String {
    let client = Server::shared().client();
    let reply = client.text(&format!("{}/metrics?format=prometheus", mount_of(stage)));
    assert!(reply.starts_with("# HELP "), "{reply}");
    reply
}

#[test]
fn prometheus_reads_the_text_form_through_the_server() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        stage.ready();
        let text = text(stage);
        let sample = format!("astra_tokens{{organization=\"{}\"}} 1", stage.alpha.id);
        assert!(text.lines().any(|line| line == sample), "{text}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (_, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    });
}

/// All metrics of this plugin, including the parts of histograms.
fn known(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names = types.filter_map(|line| line.split_once(' '));
    let parts = |(name, kind): (&str, &str)| match kind {
        "histogram" => ["", "_bucket", "_sum", "_count"].map(|part| format!("{name}{part}")).to_vec(),
        _ => vec![name.to_owned()],
    };
    names.flat_map(parts).collect()
}

/// The words of a text that look like our metrics.
fn used(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("astra_") || word.starts_with("secrets_engine_")).map(str::to_owned).collect()
}

/// Stores the values that rollback counts and looks up, because a test cannot wait so long.
fn what_rollback_finds_out_in_an_hour(stage: &Stage) {
    let org = &stage.alpha.id;
    let counts = json!({ "shown": {
        "at": 1_700_000_000, "tokens": { org: { "reader": { "creds": 3 } } }, "max_tokens": { org: { "reader": 4 } },
    } });
    let end = json!({
        "client_id": stage.admin_client_id(&stage.alpha), "ends": 4_000_000_000_u64, "seen": 1_700_000_000,
    });
    let server = Server::shared();
    server.put_entry(&mount_of(stage), "metrics/role-counts", &counts);
    server.put_entry(&mount_of(stage), &format!("metrics/admin-end/{org}"), &end);
    let families = families(stage);
    let of_role = json!({ "organization": org, "role": "reader", "kind": "creds" });
    assert_eq!(value(&families, "astra_role_tokens", &of_role), Some(3.0));
    let left = value(&families, "astra_admin_token_remaining_seconds", &json!({ "organization": org })).unwrap();
    assert!(left > 1e9 && left < 4e9, "{left}");
}

/// The conventions that Prometheus' own checker tests.
fn assert_conventions(text: &str) {
    let names: Vec<(&str, &str)> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).filter_map(|line| line.split_once(' ')).collect();
    let all: BTreeSet<&str> = names.iter().map(|(name, _)| *name).collect();
    assert_eq!(all.len(), names.len(), "a metric comes once");
    for (name, kind) in names {
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help text");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        assert!(!name.ends_with("_count") && !name.ends_with("_sum") && !name.ends_with("_bucket"), "{name}");
        for unit in ["minutes", "hours", "days", "ms", "milliseconds", "microseconds", "kilobytes", "megabytes"] {
            assert!(!name.split('_').any(|word| word == unit), "{name} is in no base unit");
        }
        assert!(kind != "histogram" || name.ends_with("_seconds"), "{name} names its unit");
    }
}

#[test]
fn the_alert_rules_and_the_dashboard_use_metrics_that_there_are() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        let limits = json!({ "rotation_period": "720h", "tidy_period": "1h", "max_tokens": 1000 });
        stage.configure_with(&stage.alpha, limits);
        stage.make_role(&stage.alpha, "reader", json!({}));
        let role = json!({ "role_ids": stage.astra_role(&stage.alpha, "R/W User"), "rotation_period": "24h" });
        assert!(stage.write(&format!("static-roles/{}/app", stage.alpha.id), role).status < 300);
        stage.write(&format!("config/{}/rotate-root", stage.alpha.id), json!({})).expect(200);
        stage.write("tidy", json!({ "org_id": stage.alpha.id, "dry_run": true })).expect(200);
        let named = json!({ "org_id": stage.alpha.id, "role_name": "reader", "logical_name": "app" });
        stage.write("org/token", named.clone()).expect(200);
        stage.read("org/token", named).expect(200);
        stage.revoke(&stage.mint(&stage.alpha, "reader").expect(200).lease_id()).expect(204);
        what_rollback_finds_out_in_an_hour(stage);
        let shown = text(stage);
        assert_conventions(&shown);
        let mut known = known(&shown);
        // Only a mount with an open entry, or with many tokens, has these.
        known.extend(
            ["astra_write_ahead_oldest_timestamp_seconds", "astra_tokens_counted_timestamp_seconds"].map(str::to_owned),
        );
        let mut documented = BTreeSet::new();
        for file in ["docs/monitoring/alerts.yaml", "docs/monitoring/dashboard.json", "docs/operations.md"] {
            let text = fs::read_to_string(workspace_root().join(file)).unwrap();
            // They are in a section of their own on the page.
            let text = text.split_once("### Metrics\n").map_or(text.as_str(), |(_, section)| section);
            let text = text.split("\n### ").next().unwrap_or_default();
            let used = used(text);
            assert!(!used.is_empty(), "{file} uses no metric");
            let unknown: Vec<&String> = used.iter().filter(|name| !known.contains(*name)).collect();
            assert!(unknown.is_empty(), "{file}: {unknown:?} are no metrics");
            if file == "docs/operations.md" {
                documented = used;
            }
        }
        let parts = ["_bucket", "_sum", "_count"];
        let undocumented: Vec<&String> = known
            .iter()
            .filter(|name| !documented.contains(*name) && !parts.iter().any(|part| name.ends_with(part)))
            .collect();
        assert!(undocumented.is_empty(), "docs/operations.md has no {undocumented:?}");
    });
}
