//! Text that goes into a log line, made harmless.

/// An upstream request ID: short, and of plain characters only.
pub(super) fn for_log(text: &str) -> String {
    const CHARS_MAX: usize = 64;
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_short_and_plain() {
        assert_eq!(for_log("a-1\r\nBearer AstraCS:x"), "a-1BearerAstraCSx");
        assert_eq!(for_log(&"x".repeat(1000)).len(), 64);
    }
}
