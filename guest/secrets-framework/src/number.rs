//! Numbers and truth values in Go's text forms (`strconv`).

use thiserror::Error;

/// Why a text is no number; the words are those of Go's `strconv`.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum NumberError {
    #[error("invalid syntax")]
    Syntax,
    #[error("value out of range")]
    Range,
}

/// Reads a whole number. Base 0 takes the base from a prefix (`0x`, `0o`,
/// `0b`, or `0` for octal) and allows underscores between digits.
pub(crate) fn parse_int(text: &str, base: u32) -> Result<i64, NumberError> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = if base == 0 { parse_prefixed(digits)? } else { parse_digits(digits, base)? };
    let signed = if negative { -i128::from(magnitude) } else { i128::from(magnitude) };
    i64::try_from(signed).map_err(|_| NumberError::Range)
}

/// Reads a whole number in base 10 that may be written with a fraction of zero or with an exponent: `3600.0`, `1e3`.
/// JSON makes no difference between these and `3600` and `1000`, and some clients write numbers so.
pub(crate) fn parse_whole(text: &str) -> Result<i64, NumberError> {
    let parsed = parse_int(text, 10);
    let is_number = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    let Some(number) = text.parse::<f64>().ok().filter(|_| parsed.is_err() && is_number) else { return parsed };
    // Beyond, a 64-bit float does not hold every whole number.
    if number.fract() == 0.0 && number.abs() < FLOAT_EXACT_MAX {
        // The conversion is exact, as the two lines above make sure.
        #[expect(clippy::cast_possible_truncation, reason = "the number is whole and below 2^53")]
        return Ok(number as i64);
    }
    Err(if number.fract() == 0.0 { NumberError::Range } else { NumberError::Syntax })
}

/// Up to this number, 2^53, each whole number is a 64-bit float.
const FLOAT_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Reads a truth value.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

fn parse_prefixed(text: &str) -> Result<u64, NumberError> {
    let bytes = text.as_bytes();
    let (base, digits) = match bytes {
        [b'0', b'x' | b'X', ..] => (16, &text[2..]),
        [b'0', b'o' | b'O', ..] => (8, &text[2..]),
        [b'0', b'b' | b'B', ..] => (2, &text[2..]),
        [b'0', _, ..] => (8, &text[1..]),
        _ => (10, text),
    };
    if !digits.contains('_') {
        return parse_digits(digits, base);
    }
    // An underscore stands between two digits, or between prefix and digit.
    let begins_well = base != 10 || !digits.starts_with('_');
    if !begins_well || digits.ends_with('_') || digits.contains("__") {
        return Err(NumberError::Syntax);
    }
    parse_digits(&digits.replace('_', ""), base)
}

fn parse_digits(digits: &str, base: u32) -> Result<u64, NumberError> {
    // Rust's own parser would take another sign here.
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
        return Err(NumberError::Syntax);
    }
    u64::from_str_radix(digits, base).map_err(|_| NumberError::Range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_whole_numbers_however_json_writes_them() {
        for (text, number) in [("42", 42), ("3600.0", 3600), ("1e3", 1000), ("-2.50E1", -25), ("0.0", 0), ("1e+2", 100)]
        {
            assert_eq!(parse_whole(text), Ok(number), "{text}");
        }
        for text in ["1.5", "1e-1", "", "-", "e3", "inf", "NaN", "1_000", "0x10", "1h"] {
            assert_eq!(parse_whole(text), Err(NumberError::Syntax), "{text}");
        }
        for text in ["1e16", "1e300", "9223372036854775808"] {
            assert_eq!(parse_whole(text), Err(NumberError::Range), "{text}");
        }
        assert_eq!(parse_whole("9223372036854775807"), Ok(i64::MAX), "an integer need not pass through a float");
    }

    #[test]
    fn reads_go_integers() {
        let check = |text: &str, base: u32, expected| assert_eq!(parse_int(text, base), expected, "{text}");
        check("42", 0, Ok(42));
        check("-42", 10, Ok(-42));
        check("+7", 0, Ok(7));
        check("0x1F", 0, Ok(31));
        check("0o17", 0, Ok(15));
        check("017", 0, Ok(15));
        check("0b101", 0, Ok(5));
        check("0", 0, Ok(0));
        check("1_000", 0, Ok(1000));
        check("0x_f", 0, Ok(15));
        check("-9223372036854775808", 10, Ok(i64::MIN));
        check("9223372036854775808", 10, Err(NumberError::Range));
        check("99999999999999999999", 10, Err(NumberError::Range));
        for text in ["", "-", "--1", "+-1", "08", "0x", "_1", "1_", "1__0", "1.5", "1e3", " 1", "a", "१"] {
            check(text, 0, Err(NumberError::Syntax));
        }
        check("0x1f", 10, Err(NumberError::Syntax));
        check("1_000", 10, Err(NumberError::Syntax));
    }
}
