//! The list as a stream: what is read of it, what spoils it, and where the reading stops.

use secrets_framework::host::{HttpError, Loss};

use super::*;

/// A body in pieces of `size` bytes, which then fails.
struct Cut<'a> {
    bytes: &'a [u8],
    size: usize,
    then: Option<HttpError>,
}

impl HttpBody for Cut<'_> {
    fn read(&mut self) -> Result<Sensitive<Vec<u8>>, HttpError> {
        let (piece, rest) = self.bytes.split_at(self.size.min(self.bytes.len()));
        self.bytes = rest;
        match &self.then {
            Some(error) if piece.is_empty() => Err(error.clone()),
            _ => Ok(Sensitive::new(piece.to_vec())),
        }
    }
}

/// The client IDs of a list that comes in such pieces, and how the scan ended; it stops at the token `Stop`.
fn scanned(text: &str, size: usize, then: Option<HttpError>) -> (Vec<String>, Result<ScanEnd, ClientError>) {
    let mut ids = Vec::new();
    let end = scan(Box::new(Cut { bytes: text.as_bytes(), size, then }), &mut |token| {
        ids.push(token.client_id.to_string());
        if token.client_id == "Stop" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    (ids, end)
}

#[test]
fn a_list_is_read_whatever_the_pieces_and_the_other_members() {
    for text in [
        r#"{"clients":[{"clientId":"A"},{"roles":["r"],"clientId":"B\u00e9","extra":{"a":[1,{"b":null}]}}]}"#,
        r#" { "next" : [{"clientId":""}], "clients" : [ {"clientId":"A"} , {"clientId":"Bé"} ] , "clientsX": {"a":"\"]}\\"}, "n":-1.5e3 , "t":true } "#,
    ] {
        for size in [1, 2, 7, 1000] {
            let (ids, end) = scanned(text, size, None);
            assert_eq!((ids, end), (vec!["A".to_owned(), "Bé".to_owned()], Ok(ScanEnd::Complete)), "{text} {size}");
        }
    }
    assert_eq!(scanned(r#"{"clients":[]}"#, 3, None), (Vec::new(), Ok(ScanEnd::Complete)));
}

#[test]
fn a_list_that_is_damaged_anywhere_is_no_list() {
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "5",
        r#"{"clients":null}"#,
        r#"{"clients":{}}"#,
        r#"{"clients":[null]}"#,
        r#"{"clients":[{"clientId":"A"},{"description":"no ID"}]}"#,
        r#"{"clients":[{"clientId":"A"},{"clientId":5}]}"#,
        r#"{"clients":[{"clientId":"A"},{"clientId":""}]}"#,
        r#"{"clients":[{"clientId":"A"}"#,
        r#"{"clients":[{"clientId":"A"}]"#,
        r#"{"clients":[{"clientId":"A"},]}"#,
        r#"{"clients":[{"clientId":"A"}]}x"#,
        r#"{"clients":[{"clientId":"A"}]}{"clients":[]}"#,
        r#"{"clients":[{"clientId":"A"}],"clients":[]}"#,
        r#"{"clients":[{"clientId":"A"}],"more":"#,
        r#"{"clients":[{"clientId":"A"}],"more":[}"#,
        r#"{"clients":[{"clientId":"A"}],"more":nothing}"#,
        r#"{"clients":[{"clientId":"A"}],"more":}"#,
        r#"{"clients":[{"clientId":"A"}],}"#,
        r#"{"clients":[{"clientId":"A"}] "more":1}"#,
        r#"{"clients":[["A"]]}"#,
        r#"{"clients":[{"clientId":"A"} {"clientId":"B"}]}"#,
        r#"{"clients":["A"]}"#,
        r#"{clients:[]}"#,
        r#"{"clients" []}"#,
    ] {
        for size in [1, 1000] {
            let (_, end) = scanned(text, size, None);
            assert!(matches!(end, Err(ClientError::Nonsense { .. })), "{text}: {end:?}");
        }
    }
}

#[test]
fn a_scan_stops_where_the_visitor_breaks_off_and_reads_no_further() {
    let text = r#"{"clients":[{"clientId":"A"},{"clientId":"Stop"},"#;
    let (ids, end) = scanned(text, 16, Some(HttpError::Lost(Loss::Closed)));
    assert_eq!((ids.len(), end), (2, Ok(ScanEnd::Stopped)));
}

#[test]
fn a_body_that_fails_on_the_way_tells_why() {
    let text = r#"{"clients":[{"clientId":"A"},"#;
    assert_eq!(scanned(text, 5, Some(HttpError::TimedOut)).1, Err(ClientError::TimedOut));
    assert_eq!(scanned(text, 5, Some(HttpError::Lost(Loss::Closed))).1, Err(ClientError::Lost(Loss::Closed)));
    assert!(matches!(scanned(text, 5, Some(HttpError::TooLarge)).1, Err(ClientError::Nonsense { .. })));
}

#[test]
fn one_value_is_bounded_and_the_list_is_not() {
    let list = |description: usize| {
        format!(r#"{{"clients":[{{"clientId":"A"}},{{"clientId":"B","description":"{}"}}]}}"#, "d".repeat(description))
    };
    assert_eq!(scanned(&list(LISTED_TOKEN_BYTES_MAX - 100), 4096, None).1, Ok(ScanEnd::Complete));
    let reason = "a listed token is too large";
    assert_eq!(scanned(&list(LISTED_TOKEN_BYTES_MAX), 4096, None).1, Err(ClientError::Nonsense { reason }));
    let key = format!(r#"{{"{}":1}}"#, "k".repeat(LISTED_TOKEN_BYTES_MAX));
    assert_eq!(scanned(&key, 4096, None).1, Err(ClientError::Nonsense { reason }));

    let many = r#"{"clientId":"A"},"#.repeat(LISTED_TOKEN_BYTES_MAX / 8);
    let text = format!(r#"{{"clients":[{many}{{"clientId":"B"}}]}}"#);
    assert_eq!(scanned(&text, 4096, None).1, Ok(ScanEnd::Complete));
}
