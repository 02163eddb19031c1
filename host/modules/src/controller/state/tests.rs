//! The stored state: read as written, bounded, fields of later versions kept.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use serde_json::json;

use super::super::manifest::tests::manifest;
use super::*;

#[test]
fn a_state_is_read_as_it_was_written() {
    let state = State::default().with_active(manifest("1.0.0"), None);
    let state =
        state.with_active(manifest("2.0.0"), state.last_active.clone()).with_rejected(Digest::of(b"x"), "it trapped");
    assert_eq!(State::from_bytes(&state.to_bytes().unwrap()), Ok(state));
}

#[test]
fn fields_of_a_newer_host_are_kept() {
    let mut written: Value =
        serde_json::from_slice(&State::default().with_active(manifest("1.0.0"), None).to_bytes().unwrap()).unwrap();
    written["new"] = json!({ "a": [1] });
    written["running"]["new"] = json!("b");
    let state = State::from_bytes(written.to_string().as_bytes()).unwrap();
    let next: Value = serde_json::from_slice(&state.with_rejected(Digest::of(b"x"), "r").to_bytes().unwrap()).unwrap();
    assert_eq!(next["new"], json!({ "a": [1] }));
    assert_eq!(next["running"]["new"], "b");
    assert_eq!(State::from_bytes(br#"{"format":1}"#), Ok(State::default()));
}

#[test]
fn an_unreadable_state_is_rejected_with_its_storage_key() {
    for wrong in ["", "{", "[]", "{}", r#"{"format":2}"#, r#"{"format":1,"floors":{"tiny":"two"}}"#] {
        let rejected = State::from_bytes(wrong.as_bytes()).unwrap_err().to_string();
        assert!(rejected.contains("secrets-engine-host/module"), "{rejected}");
    }
}

#[test]
fn the_floor_only_rises() {
    let state = State::default().with_active(manifest("2.0.0"), None).with_active(manifest("1.0.0"), None);
    assert_eq!(state.floors["tiny"].0.to_string(), "2.0.0");
    assert_eq!(state.with_active(manifest("3.0.0"), None).floors["tiny"].0.to_string(), "3.0.0");
}

#[test]
fn an_active_module_is_not_rejected_and_a_rejected_one_is_not_pinned() {
    let digest = manifest("1.0.0").digest;
    let mut state = State::default().with_rejected(digest.0, "it trapped");
    assert_eq!(state.rejection(digest.0), Some("it trapped"));
    assert_eq!(state.with_active(manifest("1.0.0"), None).rejection(digest.0), None);
    let version = Text("1.0.0".parse().unwrap());
    state.pin = Some(Pin { digest: digest.clone(), version, exclusive: true, force: false, accepted: Vec::new() });
    assert_eq!(state.with_rejected(digest.0, "again").pin, None);
    assert!(state.with_rejected(Digest::of(b"other"), "r").pin.is_some());
}

#[test]
fn rejected_digests_reasons_and_the_whole_state_are_bounded() {
    let long = "é".repeat(REASON_BYTES_MAX);
    let refuse = |state: State, n: usize| state.with_rejected(Digest::of(&n.to_le_bytes()), &long);
    let state = (0..=REFUSED_DIGESTS_MAX).fold(State::default(), refuse);
    assert_eq!(state.rejected.len(), REFUSED_DIGESTS_MAX);
    assert_eq!(state.rejection(Digest::of(&0_usize.to_le_bytes())), None, "the oldest goes");
    assert!(state.rejected.iter().all(|rejected| rejected.reason.len() <= REASON_BYTES_MAX));
    assert!(state.to_bytes().is_ok());
    let mut wordy = manifest("1.0.0");
    wordy.sudo = (0..1_000).map(|n| format!("{n}{}", "x".repeat(1_000))).collect();
    let rejected = State::default().with_active(wordy, None).to_bytes().unwrap_err().to_string();
    assert!(rejected.contains(&format!("at most {STATE_BYTES_MAX}")), "{rejected}");
}

/// A module that declares a class of values below a prefix, which one call sends.
fn declaring(name: &str, prefix: &str, call: &str) -> ModuleManifest {
    let class = serde_json::json!({
        "name": "token",
        "shape": { "public": "", "alphabet": "LowerHex", "plain_endings": [], "secret_characters_min": 16 },
        "request_fields": [],
        "stored_fields": [{ "prefix": prefix, "at": ["token"], "destination": "Nowhere", "owner": null }],
        "unreadable_fields": [],
        "answered_fields": [],
        "bearer_of": [{ "method": "GET", "path": call }],
        "shown_fields": [],
        "becomes": [],
    });
    let secrets = serde_json::from_value(serde_json::json!({ "classes": [class] })).unwrap();
    ModuleManifest { secrets, ..manifest(name) }
}

#[test]
fn declarations_are_kept_and_accepted_ones_come_first() {
    let one = declaring("1.0.0", "config/", "/a");
    let widened = declaring("2.0.0", "config/", "/b");
    let more = declaring("3.0.0", "more/", "/a");
    let words = widened.asks_more_than(Some(&one));
    assert_eq!(words.into_iter().collect::<Vec<_>>(), ["secret:token:send:GET:/b"]);
    assert_eq!(widened.asks_more_than(None), BTreeSet::new(), "the first module of its engine");
    assert_eq!(more.asks_more_than(Some(&one)), BTreeSet::new(), "another source is no other exit");

    let state = State::default().holding(&manifest("0.1.0"), false).holding(&one, false);
    let state = state.holding(&widened, false).holding(&one, false);
    assert_eq!(state.held_secrets().others, std::slice::from_ref(&one.secrets), "the same sources once");
    let state = state.holding(&more, false).holding(&widened, true).holding(&widened, true);
    let kept = State::from_bytes(&state.to_bytes().unwrap()).unwrap().held_secrets();
    assert_eq!(kept.others, [one.secrets.clone(), more.secrets]);
    assert_eq!(kept.accepted, std::slice::from_ref(&widened.secrets));
    assert_eq!(state.holding(&one, true).held_secrets().accepted, [one.secrets, widened.secrets], "the newest first");
}
