//! Patterns of request paths and of calls of an API.

/// A pattern of request paths: `{name}` is one segment with a name, `+` is one segment, a `*` at the end is any rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    segments: Vec<Segment>,
    is_open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Named(String),
    Any,
}

impl Segment {
    fn fits(&self, part: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == part,
            Self::Named(_) | Self::Any => !part.is_empty(),
        }
    }
}

impl PathPattern {
    /// Any text is a pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (text, is_open) = text.strip_suffix('*').map_or((text, false), |start| (start, true));
        let segment = |text: &str| match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(name) => Segment::Named(name.to_owned()),
            None if text == "+" => Segment::Any,
            None => Segment::Literal(text.to_owned()),
        };
        Self { segments: text.split('/').map(segment).collect(), is_open }
    }

    /// Does the whole path match?
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let mut parts = path.split('/');
        let Some((last, start)) = self.segments.split_last() else { return false };
        if !start.iter().all(|segment| parts.next().is_some_and(|part| segment.fits(part))) {
            return false;
        }
        let Some(part) = parts.next() else { return false };
        match last {
            Segment::Literal(literal) if self.is_open => part.starts_with(literal.as_str()),
            _ => last.fits(part) && (self.is_open || parts.next().is_none()),
        }
    }

    /// The segment of a path that has this name; the path matches.
    pub(crate) fn named<'a>(&self, path: &'a str, name: &str) -> Option<&'a str> {
        let at = self.segments.iter().position(|segment| matches!(segment, Segment::Named(own) if own == name))?;
        path.split('/').nth(at)
    }
}

/// A call of an API: a method, and a path below a base URL in which `+` is one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallPattern {
    pub(crate) method: String,
    pub(crate) path: String,
}

impl CallPattern {
    /// What stands before the call's path in the path of a request; none if the request is another call.
    pub(crate) fn base<'a>(&self, method: &str, path: &'a str) -> Option<&'a str> {
        if method != self.method {
            return None;
        }
        let mut rest = path;
        for segment in self.path.split('/').skip(1).collect::<Vec<_>>().into_iter().rev() {
            let (before, last) = rest.rsplit_once('/')?;
            let fits = if segment == "+" { is_one_segment(last) } else { last == segment };
            if !fits {
                return None;
            }
            rest = before;
        }
        Some(rest)
    }
}

/// How often a server or what stands before it may decode a path: more is taken for an attack.
const DECODINGS_MAX: usize = 3;

/// A segment that leads upwards nowhere, however often a server decodes it: `..%2F` and `%252E%252E` do not pass.
fn is_one_segment(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:%".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_plain) {
        return false;
    }
    let mut decoded = text.as_bytes().to_vec();
    for _ in 0..=DECODINGS_MAX {
        let is_step = |segment: &[u8]| {
            let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
            matches!(name, b"." | b"..")
        };
        if decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(is_step) {
            return false;
        }
        let next: Vec<u8> = percent_encoding::percent_decode(&decoded).collect();
        if next == decoded {
            return true;
        }
        decoded = next;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_pattern_matches_by_segments() {
        let rows = [
            ("config", "config", true),
            ("config", "configs", false),
            ("config", "config/", false),
            ("config/{org}", "config/a", true),
            ("config/{org}", "config/", false),
            ("config/{org}", "config/a/b", false),
            ("creds/+/+", "creds/a/b", true),
            ("creds/+/+", "creds//b", false),
            ("creds/*", "creds/a/b", true),
            ("creds/*", "creds/", true),
            ("creds*", "creds-of/a", true),
            ("a/+/c*", "a/b/cd/e", true),
            ("*", "anything/at/all", true),
        ];
        for (pattern, path, expected) in rows {
            assert_eq!(PathPattern::new(pattern).matches(path), expected, "{pattern} {path}");
        }
        assert_eq!(PathPattern::new("config/{org}").named("config/a", "org"), Some("a"));
        assert_eq!(PathPattern::new("config/{org}").named("config/a", "name"), None);
    }

    #[test]
    fn a_call_is_a_method_and_the_end_of_a_path() {
        let call = |method: &str, path: &str| CallPattern { method: method.into(), path: path.into() };
        let (mint, delete) = (call("POST", "/v2/tokens"), call("DELETE", "/v2/tokens/+"));
        assert_eq!(mint.base("POST", "/v2/tokens"), Some(""));
        assert_eq!(mint.base("POST", "/gateway/v2/tokens"), Some("/gateway"));
        for path in
            ["/v2/tokens/a-B_1.~:", "/v2/tokens/odd%2Fname%3Fa%3Db%23c%252F", "/v2/tokens/%C3%A9", "/v2/tokens/..."]
        {
            assert_eq!(delete.base("DELETE", path), Some(""), "{path}");
        }
        for (method, path) in
            [("GET", "/v2/tokens"), ("POST", "/v2/tokens/"), ("POST", "/v2/tokens2"), ("POST", "tokens")]
        {
            assert_eq!(mint.base(method, path), None, "{method} {path}");
        }
        for path in [
            "/v2/tokens/",
            "/v2/tokens/..",
            "/v2/tokens/.",
            "/v2/tokens/..%2Fb",
            "/v2/tokens/a%2f..%2fb",
            "/v2/tokens/%2e%2E",
            "/v2/tokens/%252e%252e%255Cb",
            "/v2/tokens/..%3Bx%2Fb",
            "/v2/tokens/%2525252525",
            "/v2/tokens/a;b",
            "/v2/tokens/a/b",
        ] {
            assert_eq!(delete.base("DELETE", path), None, "{path}");
        }
    }
}
