//! Foreign texts, made safe for a terminal; and times as text.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time since 1970-01-01T00:00:00Z as RFC 3339, in whole seconds; empty beyond the year 9999.
#[must_use]
pub fn rfc3339(time: Duration) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// The text with escapes for control characters, invisible characters, and those that change the direction of a line.
#[must_use]
pub fn printable(text: &str) -> String {
    let is_plain = |c: char| !(c.is_control() || is_invisible(c)) || c == '\n' || c == '\t';
    text.chars().map(|c| if is_plain(c) { c.to_string() } else { c.escape_unicode().to_string() }).collect()
}

/// As [`printable`], on one line.
pub(crate) fn one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_could_deceive_a_reader_are_escaped() {
        assert_eq!(printable("a\u{1b}[2Jé\u{202e}x\n"), "a\\u{1b}[2Jé\\u{202e}x\n");
        assert_eq!(one_line("a\nb\tc"), "a b c");
    }
}
