//! Patterns: from one list of segments come the matching of a request's path,
//! the regular expression that help shows, and the OpenAPI template.

use crate::{Path, Segment};

/// What a pattern captured, in order.
pub(crate) type Captures<'a> = Vec<(&'static str, &'a str)>;

impl Path {
    /// Matches the whole path of a request.
    pub(crate) fn captures<'a>(&self, request_path: &'a str) -> Option<Captures<'a>> {
        if !self.matches(request_path) {
            return None;
        }
        let parts = self.pattern.iter().zip(request_path.split('/'));
        let captures = parts.filter_map(|(segment, text)| match segment {
            Segment::Literal(_) => None,
            Segment::Capture(name) => Some((*name, text)),
        });
        Some(captures.collect())
    }

    fn matches(&self, request_path: &str) -> bool {
        let mut parts = request_path.split('/');
        let segments_match = self.pattern.iter().all(|segment| match (segment, parts.next()) {
            (Segment::Literal(literal), Some(part)) => *literal == part,
            (Segment::Capture(_), Some(part)) => !part.is_empty(),
            (_, None) => false,
        });
        let rest_matches = match parts.next() {
            None => true,
            Some(rest) => self.list && rest.is_empty() && parts.next().is_none(),
        };
        segments_match && rest_matches
    }

    /// The pattern as the anchored regular expression that the server's help shows.
    pub(crate) fn route(&self) -> String {
        let route = self.join(|name| format!("(?P<{name}>[^/]+)"));
        let slash = if self.list { "/?" } else { "" };
        format!("^{route}{slash}$")
    }

    /// The pattern as an OpenAPI path, without leading slash.
    pub(crate) fn template(&self) -> String {
        self.join(|name| format!("{{{name}}}"))
    }

    /// Is this field part of the path?
    pub(crate) fn is_capture(&self, name: &str) -> bool {
        self.pattern.iter().any(|segment| matches!(segment, Segment::Capture(capture) if *capture == name))
    }

    fn join(&self, capture: impl Fn(&str) -> String) -> String {
        let segments = self.pattern.iter().map(|segment| match segment {
            Segment::Literal(literal) => (*literal).to_owned(),
            Segment::Capture(name) => capture(name),
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::Segment::{Capture, Literal};

    const fn path(pattern: &'static [Segment], list: bool) -> Path {
        Path { pattern, list, fields: &[], operations: &[], existence_check: None, synopsis: "", description: "" }
    }

    const PATHS: &[Path] = &[
        path(&[Literal("config")], true),
        path(&[Literal("config"), Capture("org")], false),
        path(&[Literal("config"), Capture("org"), Literal("check")], false),
        path(&[Literal("roles"), Capture("org")], true),
        path(&[Literal("roles"), Capture("org"), Capture("role")], false),
        path(&[Literal("org"), Literal("token")], false),
    ];

    #[test]
    fn patterns_match_whole_paths() {
        let check = |at: usize, text: &str, expected: Option<&[(&str, &str)]>| {
            assert_eq!(PATHS[at].captures(text).as_deref(), expected, "{text}");
        };
        check(0, "config", Some(&[]));
        check(0, "config/", Some(&[]));
        check(0, "config//", None);
        check(0, "configs", None);
        check(0, "", None);
        check(1, "config/o-1", Some(&[("org", "o-1")]));
        check(1, "config/", None);
        check(1, "config/o-1/", None);
        check(1, "config/o:1 é\n", Some(&[("org", "o:1 é\n")]));
        check(3, "roles/o-1/", Some(&[("org", "o-1")]));
        check(3, "roles//", None);
        check(4, "roles/o-1/reader", Some(&[("org", "o-1"), ("role", "reader")]));
        check(4, "/roles/o-1/reader", None);
        check(5, "org/Token", None);
    }

    #[test]
    fn routes_and_templates_show_the_pattern() {
        assert_eq!(PATHS[3].route(), "^roles/(?P<org>[^/]+)/?$");
        assert_eq!(PATHS[3].template(), "roles/{org}");
        assert_eq!(PATHS[5].route(), "^org/token$");
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_route_shown(text in "(config|roles|org|token|check|o1|é|/|\n){0,6}") {
            for path in PATHS {
                // The server's regular expressions take `$` as the very end, as this one does.
                let route = regex::Regex::new(&path.route()).unwrap();
                let by_route = route.captures(&text).map(|captures| {
                    let names = route.capture_names().flatten();
                    names.map(|name| (name.to_owned(), captures[name].to_owned())).collect::<Vec<_>>()
                });
                let by_segments = path.captures(&text).map(|captures| {
                    captures.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
                });
                prop_assert_eq!(by_segments, by_route);
            }
        }
    }
}
