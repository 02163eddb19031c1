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
