//! The stored state: read as written, bounded, fields of later versions kept.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::super::facts::tests::facts;
use super::*;

#[test]
fn a_state_is_read_as_it_was_written() {
    let state = State::default().with_running(facts("1.0.0"), None);
    let state = state.with_running(facts("2.0.0"), state.running.clone()).with_refused(Digest::of(b"x"), "it trapped");
    assert_eq!(State::from_bytes(&state.to_bytes().unwrap()), Ok(state));
}

#[test]
fn what_a_later_host_wrote_is_kept() {
    let mut written: Value =
        serde_json::from_slice(&State::default().with_running(facts("1.0.0"), None).to_bytes().unwrap()).unwrap();
    written["new"] = json!({ "a": [1] });
    written["running"]["new"] = json!("b");
    let state = State::from_bytes(written.to_string().as_bytes()).unwrap();
    let next: Value = serde_json::from_slice(&state.with_refused(Digest::of(b"x"), "r").to_bytes().unwrap()).unwrap();
    assert_eq!(next["new"], json!({ "a": [1] }));
    assert_eq!(next["running"]["new"], "b");
    assert_eq!(State::from_bytes(br#"{"format":1}"#), Ok(State::default()));
}

#[test]
fn what_cannot_be_read_is_refused_and_named() {
    for wrong in ["", "{", "[]", "{}", r#"{"format":2}"#, r#"{"format":1,"floors":{"tiny":"two"}}"#] {
        let refused = Refusal::from(State::from_bytes(wrong.as_bytes()).unwrap_err()).0;
        assert!(refused.contains("secrets-engine-host/module"), "{refused}");
    }
}

#[test]
fn the_floor_only_rises() {
    let state = State::default().with_running(facts("2.0.0"), None).with_running(facts("1.0.0"), None);
    assert_eq!(state.floors["tiny"].0.to_string(), "2.0.0");
    assert_eq!(state.with_running(facts("3.0.0"), None).floors["tiny"].0.to_string(), "3.0.0");
}

#[test]
fn what_runs_is_not_refused_and_what_is_refused_is_not_held() {
    let digest = facts("1.0.0").digest;
    let mut state = State::default().with_refused(digest.0, "it trapped");
    assert_eq!(state.refusal(digest.0), Some("it trapped"));
    assert_eq!(state.with_running(facts("1.0.0"), None).refusal(digest.0), None);
    let version = Text("1.0.0".parse().unwrap());
    state.held = Some(Held { digest: digest.clone(), version, holds: true, force: false, accepted: Vec::new() });
    assert_eq!(state.with_refused(digest.0, "again").held, None);
    assert!(state.with_refused(Digest::of(b"other"), "r").held.is_some());
}

#[test]
fn refused_digests_and_reasons_are_bounded_and_so_is_the_whole() {
    let long = "é".repeat(REASON_BYTES_MAX);
    let refuse = |state: State, n: usize| state.with_refused(Digest::of(&n.to_le_bytes()), &long);
    let state = (0..=REFUSED_DIGESTS_MAX).fold(State::default(), refuse);
    assert_eq!(state.refused.len(), REFUSED_DIGESTS_MAX);
    assert_eq!(state.refusal(Digest::of(&0_usize.to_le_bytes())), None, "the oldest goes");
    assert!(state.refused.iter().all(|refused| refused.reason.len() <= REASON_BYTES_MAX));
    assert!(state.to_bytes().is_ok());
    let mut wordy = facts("1.0.0");
    wordy.sudo = (0..1_000).map(|n| format!("{n}{}", "x".repeat(1_000))).collect();
    let refused = State::default().with_running(wordy, None).to_bytes().unwrap_err().0;
    assert!(refused.contains(&format!("at most {STATE_BYTES_MAX}")), "{refused}");
}
