//! Selection as tables: the candidates that may serve, and their order.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::super::manifest::tests::manifest;
use super::super::state::{Pin, RejectedDigest};
use super::super::text::Text;
use super::*;
use crate::Origin;

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// A candidate whose bytes are its name: `2.0.0`, or `2.0.0!other` for other bytes of the same version.
fn there(name: &str, approval: Result<Approval, &str>) -> Candidate {
    let (text, _) = name.split_once('!').unwrap_or((name, ""));
    let origin = if approval == Ok(Approval::Embedded) { Origin::Embedded } else { Origin::File(name.into()) };
    Candidate {
        id: ModuleId { engine: "tiny".into(), version: version(text) },
        digest: digest(name),
        origin,
        approval: approval.map_err(|reason| Rejection::Permanent(reason.into())),
    }
}

fn signed(name: &str) -> Candidate {
    there(name, Ok(Approval::Signed(vec!["k".into()])))
}

fn embedded() -> Candidate {
    there("1.0.0", Ok(Approval::Embedded))
}

fn last_active(name: &str) -> State {
    State::default().with_active(manifest(name), None)
}

fn pin(state: State, name: &str, exclusive: bool) -> State {
    let (text, _) = name.split_once('!').unwrap_or((name, ""));
    let pin =
        Pin { digest: Text(digest(name)), version: Text(version(text)), exclusive, force: false, accepted: Vec::new() };
    let mut state = state;
    state.pin = Some(pin);
    state
}

fn refusing(name: &str) -> State {
    let mut state = State::default();
    state.rejected = vec![RejectedDigest { digest: Text(digest(name)), reason: "it trapped".into() }];
    state
}

/// Versions in order, with `+` before a module that may be tried, `~` before a fallback, `-` before one that is not
/// wanted, and `!` before a rejected one.
fn ranked(candidates: Vec<Candidate>, state: &State, pin: Option<&str>, serving: Option<&str>) -> Vec<String> {
    let (pin, id) = (pin.map(version), serving.map(|name| manifest(name).id()));
    let serving = id.as_ref().zip(serving.map(digest));
    let criteria = Criteria { engine: "tiny", version: pin.as_ref(), serving };
    let mark = |verdict: &Verdict| match verdict {
        Verdict::Eligible => '+',
        Verdict::Fallback(_) => '~',
        Verdict::NotWanted(_) => '-',
        Verdict::Rejected(Rejection::Transient(_)) => '?',
        Verdict::Rejected(Rejection::Permanent(_)) => '!',
    };
    let line = |ranked: &Ranked| format!("{}{}", mark(&ranked.verdict), ranked.candidate.origin);
    rank(candidates, state, &criteria).iter().map(line).collect()
}

fn all() -> Vec<Candidate> {
    vec![embedded(), signed("2.0.0"), signed("1.5.0"), signed("3.0.0-rc.1")]
}

#[test]
fn the_highest_version_is_first_and_other_engines_are_left_out() {
    let mut candidates = all();
    let mut other = signed("9.0.0");
    other.id.engine = "other".into();
    candidates.push(other);
    let expected = ["+3.0.0-rc.1", "+2.0.0", "+1.5.0", "+embedded"];
    assert_eq!(ranked(candidates, &State::default(), None, None), expected);
}

#[test]
fn an_unapproved_module_is_rejected_with_its_reason() {
    let criteria = Criteria { engine: "tiny", version: None, serving: None };
    let candidates = vec![there("2.0.0", Err("no key of it is trusted")), embedded()];
    let ranked = rank(candidates, &State::default(), &criteria);
    assert_eq!(ranked[0].verdict, Verdict::Rejected(Rejection::Permanent("no key of it is trusted".into())));
    assert_eq!(ranked[1].verdict, Verdict::Eligible);
}

#[test]
fn the_active_module_stays_unless_a_higher_version_appears() {
    let rows: [(&str, [&str; 4]); 3] = [
        ("2.0.0", ["+3.0.0-rc.1", "+2.0.0", "-1.5.0", "~embedded"]),
        ("3.0.0-rc.1", ["+3.0.0-rc.1", "-2.0.0", "-1.5.0", "~embedded"]),
        // The file is gone; the module serves from memory.
        ("2.5.0", ["+3.0.0-rc.1", "-2.0.0", "-1.5.0", "~embedded"]),
    ];
    for (serving, expected) in rows {
        assert_eq!(ranked(all(), &last_active(serving), None, Some(serving)), expected, "{serving}");
    }
}

#[test]
fn a_version_below_the_floor_must_be_allow_listed() {
    let state = last_active("2.0.0");
    let pinned = there("1.6.0", Ok(Approval::AllowListed));
    let candidates = vec![embedded(), signed("1.5.0"), pinned, signed("2.1.0")];
    assert_eq!(ranked(candidates, &state, None, None), ["+2.1.0", "~1.6.0", "!1.5.0", "~embedded"]);
    // The last active module and the one before it have served already.
    let state = last_active("1.5.0").with_active(manifest("2.0.0"), Some(ActivationRecord::new(manifest("1.5.0"))));
    assert_eq!(ranked(vec![signed("1.5.0"), signed("1.4.0")], &state, None, None), ["~1.5.0", "!1.4.0"]);
}

#[test]
fn an_allow_listed_older_version_is_not_selected_instead_of_the_one_reverted_to() {
    let pinned = |name| there(name, Ok(Approval::AllowListed));
    let candidates = || vec![embedded(), pinned("1.1.0"), pinned("1.2.0"), signed("1.3.0")];
    let mut state = last_active("1.2.0").with_rejected(digest("1.2.0"), "an operator reverted it");
    state.last_active = Some(ActivationRecord::new(manifest("1.0.0")));
    let expected = ["+1.3.0", "!1.2.0", "~1.1.0", "+embedded"];
    assert_eq!(ranked(candidates(), &state, None, Some("1.0.0")), expected);
    // The same at a start.
    assert_eq!(ranked(candidates(), &state, None, None), expected);
    // An operator selects the older version, or the active module is rejected.
    let selected = pin(state.clone(), "1.1.0", false);
    assert_eq!(ranked(candidates(), &selected, None, Some("1.0.0"))[2], "+1.1.0");
    let leaving = state.with_rejected(digest("1.0.0"), "it trapped");
    assert_eq!(ranked(candidates(), &leaving, None, Some("1.0.0")), ["+1.3.0", "!1.2.0", "+1.1.0", "!embedded"]);
}

#[test]
fn a_fallback_gives_way_to_the_last_active_module_though_that_is_older() {
    let state = last_active("2.0.0").with_active(manifest("1.5.0"), None);
    let candidates = vec![there("1.8.0", Ok(Approval::AllowListed)), signed("1.5.0")];
    assert_eq!(ranked(candidates, &state, None, Some("1.8.0")), ["~1.8.0", "+1.5.0"]);
}

#[test]
fn the_same_version_with_other_bytes_is_no_update() {
    let candidates = || vec![signed("2.0.0!rebuilt"), signed("2.0.0"), embedded()];
    assert_eq!(
        ranked(candidates(), &last_active("2.0.0"), None, Some("2.0.0")),
        ["+2.0.0", "!2.0.0!rebuilt", "~embedded"]
    );
    let rebuilt = vec![signed("2.0.0!rebuilt"), embedded()];
    assert_eq!(ranked(rebuilt.clone(), &last_active("2.0.0"), None, None), ["!2.0.0!rebuilt", "~embedded"]);
    // An operator selects the other bytes.
    let selected = pin(last_active("2.0.0"), "2.0.0!rebuilt", true);
    assert_eq!(ranked(rebuilt, &selected, None, Some("2.0.0")), ["+2.0.0!rebuilt", "~embedded"]);
    // A new binary may embed other bytes. The last active module continues, and a fault of the moment must not drop it.
    assert_eq!(
        ranked(vec![embedded(), signed("1.0.0!file")], &last_active("1.0.0!file"), None, None),
        ["+1.0.0!file", "~embedded"]
    );
    assert_eq!(ranked(vec![embedded()], &last_active("1.0.0!before"), None, None), ["+embedded"]);
}

#[test]
fn the_same_bytes_in_binary_and_file_are_one() {
    assert_eq!(ranked(vec![signed("1.0.0"), embedded()], &State::default(), None, None), ["+embedded"]);
}

#[test]
fn a_pinned_version_is_the_only_eligible_one() {
    let free = State::default();
    let by_option = ["-3.0.0-rc.1", "-2.0.0", "+1.5.0", "-embedded"];
    assert_eq!(ranked(all(), &free, Some("1.5.0"), None), by_option);
    // The last active module may be a fallback.
    let after = ["-3.0.0-rc.1", "-2.0.0", "+1.5.0", "~embedded"];
    assert_eq!(ranked(all(), &last_active("1.0.0"), Some("1.5.0"), None), after);
    assert_eq!(ranked(all(), &last_active("2.0.0"), Some("1.0.0"), Some("2.0.0"))[3], "+embedded");
    let by_call = pin(free, "1.5.0", true);
    assert_eq!(ranked(all(), &by_call, None, Some("2.0.0")), after);
    // A selection that is not exclusive pins no module.
    assert_eq!(ranked(all(), &pin(State::default(), "2.0.0", false), None, None)[0], "+3.0.0-rc.1");
}

#[test]
fn a_module_that_failed_on_the_mount_is_not_activated_again() {
    let state = refusing("2.0.0");
    assert_eq!(ranked(vec![signed("2.0.0"), embedded()], &state, None, None), ["!2.0.0", "+embedded"]);
    // Also while the module serves here: another node reverted it.
    assert_eq!(ranked(vec![signed("2.0.0"), embedded()], &state, None, Some("2.0.0")), ["!2.0.0", "+embedded"]);
    assert_eq!(ranked(vec![signed("2.0.0!rebuilt")], &state, None, None), ["+2.0.0!rebuilt"]);
}
