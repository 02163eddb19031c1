//! Text that goes into a URL, made harmless.

/// `text` as one segment of a path: all but the unreserved characters of
/// RFC 3986 is escaped, so no name can change the path. Case is kept.
pub fn path_segment(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    // A segment of dots alone would be taken for a step within the path.
    let only_dots = text.bytes().all(|byte| byte == b'.');
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        let unreserved =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') || (byte == b'.' && !only_dots);
        if unreserved {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.push(char::from(HEX[usize::from(byte >> 4)]));
            escaped.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_stays_one_segment_and_keeps_its_case() {
        assert_eq!(path_segment("AbCdEf"), "AbCdEf");
        assert_eq!(path_segment("a/../b?c=d#e%"), "a%2F..%2Fb%3Fc%3Dd%23e%25");
        assert_eq!(path_segment(".."), "%2E%2E");
        assert_eq!(path_segment("é"), "%C3%A9");
    }
}
