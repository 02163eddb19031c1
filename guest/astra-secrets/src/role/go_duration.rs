//! Durations as Go writes them: `1h0m0s`, `1.5s`, `0s`. What the Go plugin
//! answers, and so what scripts around it parse.

use std::time::Duration;

/// The text of a duration, as `time.Duration.String` has it.
pub(crate) fn go_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let nanos = duration.subsec_nanos();
    if seconds == 0 && nanos > 0 {
        return below_a_second(nanos);
    }
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let rest = with_fraction(rest, nanos, 9);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

fn below_a_second(nanos: u32) -> String {
    match nanos {
        0..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", with_fraction((nanos / 1_000).into(), nanos % 1_000, 3)),
        _ => format!("{}ms", with_fraction((nanos / 1_000_000).into(), nanos % 1_000_000, 6)),
    }
}

/// `whole` and a fraction of `digits` digits, without trailing zeros.
fn with_fraction(whole: u64, fraction: u32, digits: usize) -> String {
    if fraction == 0 {
        return whole.to_string();
    }
    let fraction = format!("{fraction:0digits$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_go() {
        // Expected values from the documentation and source of Go's `time` package.
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (3_600_000_000_000, "1h0m0s"),
            (90_000_000_000, "1m30s"),
            (8_760 * 3_600_000_000_000, "8760h0m0s"),
            (480_000_000_001, "8m0.000000001s"),
        ] {
            assert_eq!(go_text(Duration::from_nanos(nanos)), text);
        }
    }
}
