#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::time_text;

fn at(text: &str) -> u64 {
    time_text::parse(text).unwrap().as_secs()
}

fn cron(expression: &str) -> Schedule {
    Schedule::parse(0, expression, 0).unwrap().unwrap()
}

#[test]
fn nothing_given_is_no_schedule() {
    assert_eq!(Schedule::parse(0, "", 0), Ok(None));
    assert_eq!(Schedule::stored(Duration::ZERO, "", Duration::ZERO), None);
}

#[test]
fn a_period_counts_from_the_last_time() {
    let schedule = Schedule::parse(3600, "", 0).unwrap().unwrap();
    assert_eq!(schedule.next_after(1000), Some(4600));
    assert_eq!(schedule.shortest_pause(0), Some(Duration::from_secs(3600)));
    assert!(schedule.may_begin(4600, u64::MAX));
}

#[test]
fn cron_times_are_utc() {
    let schedule = cron("30 3 * * SUN");
    assert_eq!(schedule.next_after(at("2026-11-24T16:00:00Z")), Some(at("2026-11-29T03:30:00Z")));
    assert_eq!(schedule.next_after(at("2026-11-29T03:30:00Z")), Some(at("2026-12-06T03:30:00Z")));
    assert_eq!(cron("0 0 29 2 *").next_after(at("2026-01-01T00:00:00Z")), Some(at("2028-02-29T00:00:00Z")));
    assert_eq!(cron("*/15 0 * * *").shortest_pause(0), Some(Duration::from_secs(900)));
}

#[test]
fn a_window_ends_and_none_does_not() {
    let windowed = Schedule::parse(0, "0 3 * * *", 3600).unwrap().unwrap();
    let due = at("2026-01-01T03:00:00Z");
    assert!(windowed.may_begin(due, due + 3600));
    assert!(!windowed.may_begin(due, due + 3601));
    assert!(cron("0 3 * * *").may_begin(due, due + 100_000));
}

#[test]
fn what_never_fires_or_makes_no_sense_is_refused() {
    let cases = [
        (59, "", 0, "rotation_period"),
        (-1, "", 0, "rotation_period"),
        (i64::MAX, "", 0, "rotation_period"),
        (60, "0 3 * * *", 0, "rotation_period"),
        (60, "", 3600, "rotation_window"),
        (0, "", 3600, "rotation_window"),
        (0, "0 3 * * *", 299, "rotation_window"),
        (0, "0 3 * * *", -1, "rotation_window"),
        (0, "0 3 30 2 *", 0, "rotation_schedule"),
        (0, "soon", 0, "rotation_schedule"),
        (0, "0 0 3 * * *", 0, "rotation_schedule"),
        (0, "61 3 * * *", 0, "rotation_schedule"),
    ];
    for (period, expression, window, field) in cases {
        let error = Schedule::parse(period, expression, window).unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{field}`")), "{error}");
    }
    let long = format!("0 3 * * {}1", "1,".repeat(100));
    assert!(Schedule::parse(0, &long, 0).unwrap_err().to_string().contains("128 bytes"));
}

#[test]
fn what_storage_holds_is_taken_as_it_is() {
    let damaged = Schedule::stored(Duration::ZERO, "soon", Duration::ZERO).unwrap();
    assert_eq!(damaged.next_after(0), None);
    assert_eq!(Schedule::stored(Duration::from_secs(5), "", Duration::ZERO).unwrap().next_after(1), Some(6));
}

#[test]
fn what_fails_again_and_again_waits_longer_up_to_an_hour() {
    let pauses: Vec<u64> =
        [1, 2, 3, 6, 7, u32::MAX].into_iter().map(|times| turn::retry_pause(times).as_secs()).collect();
    assert_eq!(pauses, [60, 120, 240, 1920, 3600, 3600]);
}
