//! A client with little cost of its own: one connection, prepared bytes, answers read by their length. The load
//! generator shares the machine with the measured program.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(100);

/// Form of a body's length.
enum Length {
    Bytes(usize),
    Chunks,
}

/// One kept-alive connection with a token.
pub(crate) struct RawClient {
    stream: BufReader<TcpStream>,
    address: String,
    token: String,
}

impl RawClient {
    /// Connects to `host:port`.
    pub(crate) fn connect(address: &str, token: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("failed to connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Self { stream: BufReader::new(stream), address: address.to_owned(), token: token.to_owned() })
    }

    /// The same connection once more, to close it while an answer is awaited.
    pub(crate) fn connection(&self) -> anyhow::Result<TcpStream> {
        Ok(self.stream.get_ref().try_clone()?)
    }

    /// The bytes of a request to `/v1/<path>`.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let (address, token, length) = (&self.address, &self.token, body.len());
        format!(
            "{method} /v1/{path} HTTP/1.1\r\nhost: {address}\r\nx-vault-token: {token}\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// Sends a request that must succeed; returns the body of the answer.
    pub(crate) fn send(&mut self, request: &[u8]) -> anyhow::Result<Vec<u8>> {
        let (status, body) = self.exchange(request)?;
        if !(200..300).contains(&status) {
            bail!("the server answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }

    /// Sends a request; returns status and body of the answer.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> anyhow::Result<(u16, Vec<u8>)> {
        self.begin(request)?;
        self.end()
    }

    /// Sends a request whose answer is read later.
    pub(crate) fn begin(&mut self, request: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.get_mut().write_all(request)?)
    }

    /// Status and body of the next answer.
    pub(crate) fn end(&mut self) -> anyhow::Result<(u16, Vec<u8>)> {
        let (status, length) = self.head()?;
        let mut body = Vec::new();
        match length {
            Length::Bytes(bytes) => self.piece(&mut body, bytes)?,
            Length::Chunks => while self.chunk(&mut body)? {},
        }
        Ok((status, body))
    }

    fn piece(&mut self, body: &mut Vec<u8>, bytes: usize) -> anyhow::Result<()> {
        let read = self.stream.by_ref().take(bytes as u64).read_to_end(body)?;
        if read < bytes { bail!("the server closed the connection within an answer") } else { Ok(()) }
    }

    /// Reads one chunk of the body; false after the last one.
    fn chunk(&mut self, body: &mut Vec<u8>) -> anyhow::Result<bool> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let bytes = usize::from_str_radix(line.trim_end(), 16).with_context(|| format!("`{line}` begins no chunk"))?;
        self.piece(body, bytes)?;
        line.clear();
        self.stream.read_line(&mut line)?;
        Ok(bytes > 0)
    }

    pub(crate) fn json(&mut self, request: &[u8]) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&self.send(request)?)?)
    }

    /// Status and length of the body.
    fn head(&mut self) -> anyhow::Result<(u16, Length)> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("`{line}` is not a status line"))?;
        let mut length = if status == 204 { Some(Length::Bytes(0)) } else { None };
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let line = line.trim_end();
            if line.is_empty() {
                return Ok((status, length.context("the answer has no length")?));
            }
            match line.split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = Some(Length::Bytes(value.trim().parse()?));
                }
                Some((name, _)) if name.eq_ignore_ascii_case("transfer-encoding") => length = Some(Length::Chunks),
                _ => {}
            }
        }
    }
}
