//! Durations in Go's text form, as clients send them and read them: `1h30m0s`.
//! Whole nanoseconds in 64 bits, as in Go, so that nothing is silently larger
//! than what the server can hold.

use std::time::Duration;

use thiserror::Error;

/// Why a text is no duration; the sentences are those of Go's `time` package.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DurationError {
    /// Not a number with a unit, or out of range.
    #[error("time: invalid duration {}", quote(.0))]
    Invalid(String),
    /// A number without unit.
    #[error("time: missing unit in duration {}", quote(.0))]
    MissingUnit(String),
    /// A number with a unit that is none.
    #[error("time: unknown unit {} in duration {}", quote(.unit), quote(.text))]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
}

/// Writes a duration as Go does: `1h0m0s`, `1.5s`, `20ms`, `0s`.
pub fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < NANOS_PER_SECOND {
        let (unit, digits) = match nanos {
            0..1_000 => ("ns", 0),
            1_000..1_000_000 => ("µs", 3),
            _ => ("ms", 6),
        };
        return decimal(nanos, digits) + unit;
    }
    let (minutes, below) = (nanos / (60 * NANOS_PER_SECOND), nanos % (60 * NANOS_PER_SECOND));
    let seconds = decimal(below, 9);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// Reads Go's text form into signed nanoseconds.
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after_whole) = split_digits(rest);
        let (fraction, after_number) = match after_whole.strip_prefix('.') {
            Some(after_point) => split_digits(after_point),
            None => ("", after_whole),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_end = after_number.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after_number.len());
        let (unit, after_unit) = after_number.split_at(unit_end);
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(text.to_owned()));
        }
        let nanos_per_unit = nanos_per(unit)
            .ok_or_else(|| DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() })?;
        let part = part_nanos(whole, fraction, nanos_per_unit).ok_or_else(invalid)?;
        total = total.checked_add(part).ok_or_else(invalid)?;
        rest = after_unit;
    }
    let magnitude = i64::try_from(total).map_err(|_| invalid())?;
    Ok(if negative { -magnitude } else { magnitude })
}

/// `value` shifted right by `digits` decimal places, without trailing zeros.
fn decimal(value: u128, digits: u32) -> String {
    let scale = 10_u128.pow(digits);
    let (whole, fraction) = (value / scale, value % scale);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = usize::try_from(digits).unwrap_or_default();
    format!("{whole}.{fraction:0width$}").trim_end_matches('0').to_owned()
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn nanos_per(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // Both micro signs: U+00B5 and U+03BC.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

fn part_nanos(whole: &str, fraction: &str, nanos_per_unit: u64) -> Option<u64> {
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let whole_nanos = whole.checked_mul(nanos_per_unit)?;
    // Digits beyond the 18th are below any unit's nanosecond.
    let fraction = &fraction[..fraction.len().min(18)];
    if fraction.is_empty() {
        return Some(whole_nanos);
    }
    let numerator = u128::from(fraction.parse::<u64>().ok()?) * u128::from(nanos_per_unit);
    let denominator = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    whole_nanos.checked_add(u64::try_from(numerator / denominator).ok()?)
}

/// Quotes as Go's `time` package does: bytes that are not printable ASCII in hexadecimal.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=b'~' => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Result<i64, &str>) {
        assert_eq!(parse(text).map_err(|error| error.to_string()), expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn reads_what_go_reads() {
        check("0", Ok(0));
        check("1h30m", Ok(5_400_000_000_000));
        check("1.5s", Ok(1_500_000_000));
        check(".5s", Ok(500_000_000));
        check("1.s", Ok(1_000_000_000));
        check("-2m", Ok(-120_000_000_000));
        check("+3us", Ok(3_000));
        check("3µs", Ok(3_000));
        check("1h1ns", Ok(3_600_000_000_001));
        check("2540400h10m10.000000000s", Ok((2_540_400 * 3600 + 610) * 1_000_000_000));
    }

    #[test]
    fn refuses_what_go_refuses_in_its_words() {
        check("", Err(r#"time: invalid duration """#));
        check("abc", Err(r#"time: invalid duration "abc""#));
        check("-", Err(r#"time: invalid duration "-""#));
        check(".s", Err(r#"time: invalid duration ".s""#));
        check("1.5", Err(r#"time: missing unit in duration "1.5""#));
        check("5x", Err(r#"time: unknown unit "x" in duration "5x""#));
        check("1h \"", Err(r#"time: unknown unit "h \"" in duration "1h \"""#));
        check("5é", Err(r#"time: unknown unit "\xc3\xa9" in duration "5\xc3\xa9""#));
        check("2562048h", Err(r#"time: invalid duration "2562048h""#));
        check("99999999999999999999s", Err(r#"time: invalid duration "99999999999999999999s""#));
    }

    #[test]
    fn writes_what_go_writes() {
        for (nanos, expected) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (20_000_000, "20ms"),
            (3_300_000_000, "3.3s"),
            (60_000_000_000, "1m0s"),
            (245_000_000_000, "4m5s"),
            (3_600_000_000_000, "1h0m0s"),
            (18_367_001_000_000, "5h6m7.001s"),
        ] {
            assert_eq!(format(Duration::from_nanos(nanos)), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(nanos in 0..=i64::MAX) {
            let duration = Duration::from_nanos(u64::try_from(nanos).unwrap_or_default());
            prop_assert_eq!(parse(&format(duration)), Ok(nanos));
        }

        #[test]
        fn reading_never_panics(text in ".{0,20}") {
            let _ = parse(&text);
        }
    }
}
