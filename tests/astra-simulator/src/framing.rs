//! Reads HTTP/1.1 requests off a connection, strictly: what a client of ours must not send is an
//! error here, not something to be guessed at. Answers are written as bytes elsewhere, since half
//! of the faults are answers that no HTTP library would let out.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::limits::{BODY_BYTES_MAX, HEAD_BYTES_MAX, IDLE_MS_MAX};

/// One request, complete.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    /// Names in lower case, in the order sent.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) keep_alive: bool,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn header_count(&self, name: &str) -> usize {
        self.headers.iter().filter(|(key, _)| key == name).count()
    }
}

/// Why there is no request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRequest {
    /// The client closed, reset, or sat idle too long.
    Gone,
    /// What came is not a request the simulator takes.
    Bad { status: u16, problem: &'static str },
}

/// Bytes read ahead of the request they belong to.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    pub(crate) async fn request<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> Result<Request, NoRequest> {
        let head_bytes = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(NoRequest::Bad { status: 431, problem: "the head is too large" });
            }
            self.fill(stream).await?;
        };
        let head: Vec<u8> = self.buffer.drain(..head_bytes).collect();
        let mut request = parse_head(&head)?;
        request.body = match body_length(&request)? {
            BodyLength::Bytes(length) => self.take(stream, length).await?,
            BodyLength::Chunked => self.chunks(stream).await?,
        };
        Ok(request)
    }

    async fn fill<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> Result<(), NoRequest> {
        let mut chunk = [0; 16 * 1024];
        let bound = Duration::from_millis(IDLE_MS_MAX);
        match tokio::time::timeout(bound, stream.read(&mut chunk)).await {
            Ok(Ok(count)) if count > 0 => {
                self.buffer.extend_from_slice(chunk.get(..count).unwrap_or_default());
                Ok(())
            }
            _ => Err(NoRequest::Gone),
        }
    }

    async fn take<S: AsyncRead + Unpin>(&mut self, stream: &mut S, length: usize) -> Result<Vec<u8>, NoRequest> {
        if length > BODY_BYTES_MAX {
            return Err(NoRequest::Bad { status: 413, problem: "the body is too large" });
        }
        while self.buffer.len() < length {
            self.fill(stream).await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn line<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> Result<String, NoRequest> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line).trim().to_owned());
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(NoRequest::Bad { status: 400, problem: "a chunk's line is too long" });
            }
            self.fill(stream).await?;
        }
    }

    async fn chunks<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> Result<Vec<u8>, NoRequest> {
        let mut body = Vec::new();
        loop {
            let line = self.line(stream).await?;
            let digits = line.split(';').next().unwrap_or_default();
            let Ok(length) = usize::from_str_radix(digits, 16) else {
                return Err(NoRequest::Bad { status: 400, problem: "a chunk has no length" });
            };
            if body.len().saturating_add(length) > BODY_BYTES_MAX {
                return Err(NoRequest::Bad { status: 413, problem: "the body is too large" });
            }
            if length == 0 {
                while !self.line(stream).await?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.take(stream, length).await?);
            if !self.line(stream).await?.is_empty() {
                return Err(NoRequest::Bad { status: 400, problem: "a chunk has no end" });
            }
        }
    }
}

fn parse_head(head: &[u8]) -> Result<Request, NoRequest> {
    let bad = |problem| NoRequest::Bad { status: 400, problem };
    let text = std::str::from_utf8(head).map_err(|_| bad("the head is not UTF-8"))?;
    let mut lines = text.split("\r\n");
    let first: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, version] = first.as_slice() else {
        return Err(bad("the request line does not have three parts"));
    };
    if !target.starts_with('/') || method.is_empty() {
        return Err(bad("the target is not a path"));
    }
    let mut request = Request { method: (*method).to_owned(), ..Request::default() };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (*target, None),
    };
    request.path = path.to_owned();
    request.query = query;
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(bad("a header has no colon"))?;
        if name.is_empty() || name.contains([' ', '\t']) {
            return Err(bad("a header's name holds a space"));
        }
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    request.keep_alive = match *version {
        "HTTP/1.1" => !request.header("connection").is_some_and(has_close),
        "HTTP/1.0" => false,
        _ => return Err(bad("the version is not HTTP/1.1")),
    };
    Ok(request)
}

fn has_close(connection: &str) -> bool {
    connection.split(',').any(|token| token.trim().eq_ignore_ascii_case("close"))
}

enum BodyLength {
    Bytes(usize),
    Chunked,
}

fn body_length(request: &Request) -> Result<BodyLength, NoRequest> {
    let bad = |problem| NoRequest::Bad { status: 400, problem };
    match (request.header("content-length"), request.header("transfer-encoding")) {
        (Some(_), Some(_)) => Err(bad("both a length and a transfer encoding")),
        (None, None) => Ok(BodyLength::Bytes(0)),
        (None, Some("chunked")) => Ok(BodyLength::Chunked),
        (None, Some(_)) => Err(bad("the transfer encoding is not `chunked`")),
        (Some(_), None) if request.header_count("content-length") > 1 => Err(bad("more than one length")),
        (Some(length), None) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            length.parse().map(BodyLength::Bytes).map_err(|_| bad("the length is no number"))
        }
        (Some(_), None) => Err(bad("the length is no number")),
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    async fn read(bytes: &[u8]) -> Result<Request, NoRequest> {
        Reader::default().request(&mut &*bytes).await
    }

    #[tokio::test]
    async fn requests_are_read_one_after_the_other() {
        let wire = b"POST /v2/tokens?a=b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}\
            PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
            3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        let (mut reader, mut stream) = (Reader::default(), &wire[..]);
        let first = reader.request(&mut stream).await.unwrap();
        assert_eq!((first.path.as_str(), first.query.as_deref()), ("/v2/tokens", Some("a=b")));
        assert_eq!((first.body.as_slice(), first.keep_alive), (&b"{}"[..], true));
        let second = reader.request(&mut stream).await.unwrap();
        assert_eq!((second.body.as_slice(), second.keep_alive), (&b"abcde"[..], false));
        assert_eq!(reader.request(&mut stream).await, Err(NoRequest::Gone));
    }

    #[tokio::test]
    async fn bad_framing_is_refused() {
        let head = "POST / HTTP/1.1\r\n";
        let rows: [(String, u16); 8] = [
            ("nonsense\r\n\r\n".into(), 400),
            ("GET http://h/ HTTP/1.1\r\n\r\n".into(), 400),
            ("GET / HTTP/2\r\n\r\n".into(), 400),
            (format!("{head}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"), 400),
            (format!("{head}content-length: 1\r\ncontent-length: 1\r\n\r\nx"), 400),
            (format!("{head}content-length: +1\r\n\r\nx"), 400),
            (format!("{head}content-length: {}\r\n\r\n", BODY_BYTES_MAX + 1), 413),
            (format!("{head}x: {}", "y".repeat(HEAD_BYTES_MAX)), 431),
        ];
        for (wire, expected) in rows {
            match read(wire.as_bytes()).await {
                Err(NoRequest::Bad { status, .. }) => assert_eq!(status, expected),
                other => panic!("{other:?} for {}", wire.get(..60).unwrap_or(&wire)),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_given_up() {
        let (mut ours, theirs) = tokio::io::duplex(64);
        let begin = tokio::time::Instant::now();
        assert_eq!(Reader::default().request(&mut ours).await, Err(NoRequest::Gone));
        assert_eq!(begin.elapsed(), Duration::from_millis(IDLE_MS_MAX));
        drop(theirs);
    }

    #[tokio::test]
    async fn a_chunked_body_is_bounded_too() {
        let chunk = "f0000\r\n".to_owned() + &"x".repeat(0xf0000) + "\r\n";
        let wire = format!("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{chunk}");
        let expected = NoRequest::Bad { status: 413, problem: "the body is too large" };
        assert_eq!(read(wire.as_bytes()).await, Err(expected));
    }
}
