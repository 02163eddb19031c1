//! Astra's list of tokens, `{"clients":[…]}`, read as a stream: one entry is in memory at a time.
//!
//! One entry that cannot be read spoils the list, for it might be the very token that is looked for. What else stands in
//! the object is passed over. This file finds where each value ends; serde reads the values. Its own reader of streams
//! takes four times the processor time, which a guest has little of.

use std::ops::ControlFlow;

use secrets_framework::Sensitive;
use secrets_framework::host::HttpBody;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ScanEnd;
use super::error::ClientError;
use super::wire::ListedToken;
use crate::limits::LISTED_TOKEN_BYTES_MAX;

/// Visits the tokens of a list until `visit` breaks off the scan.
pub(super) fn scan(
    body: Box<dyn HttpBody + '_>,
    visit: &mut dyn FnMut(ListedToken) -> ControlFlow<()>,
) -> Result<ScanEnd, ClientError> {
    let mut json = JsonReader { body, piece: Sensitive::new(Vec::new()), at: 0, value: Vec::new() };
    let mut is_there = false;
    json.expect(b'{')?;
    let mut goes_on = !json.take(b'}')?;
    while goes_on {
        let name: String = json.read_value()?;
        json.expect(b':')?;
        if name != "clients" {
            json.read_value::<IgnoredAny>()?;
        } else if is_there {
            return Err(no_list());
        } else if scan_tokens(&mut json, visit)?.is_break() {
            return Ok(ScanEnd::Stopped);
        } else {
            is_there = true;
        }
        goes_on = json.next_or_end(b'}')?;
    }
    if is_there && json.peek()?.is_none() { Ok(ScanEnd::Complete) } else { Err(no_list()) }
}

/// The array of tokens.
fn scan_tokens(
    json: &mut JsonReader<'_>,
    visit: &mut dyn FnMut(ListedToken) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ClientError> {
    json.expect(b'[')?;
    let mut goes_on = !json.take(b']')?;
    while goes_on {
        // A derived reader takes an array for an object, too.
        if json.peek()? != Some(b'{') {
            return Err(no_list());
        }
        let token: ListedToken = json.read_value()?;
        if token.client_id.is_empty() {
            return Err(ClientError::Nonsense { reason: "a listed token has no `clientId`" });
        }
        if visit(token).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        goes_on = json.next_or_end(b']')?;
    }
    Ok(ControlFlow::Continue(()))
}

fn no_list() -> ClientError {
    ClientError::Nonsense { reason: "it is not a list of tokens" }
}

/// Reads JSON off a body, value by value.
struct JsonReader<'a> {
    body: Box<dyn HttpBody + 'a>,
    piece: Sensitive<Vec<u8>>,
    /// How far the piece has been read.
    at: usize,
    /// The value that is being read.
    value: Vec<u8>,
}

impl JsonReader<'_> {
    /// The next byte that is no white space, which stays there; none at the end.
    fn peek(&mut self) -> Result<Option<u8>, ClientError> {
        loop {
            let left = self.left();
            match left.iter().position(|byte| !is_white(*byte)) {
                Some(white) => {
                    let byte = left.get(white).copied();
                    self.at += white;
                    return Ok(byte);
                }
                None if !self.next_piece()? => return Ok(None),
                None => {}
            }
        }
    }

    /// Takes this byte if it comes next.
    fn take(&mut self, byte: u8) -> Result<bool, ClientError> {
        let comes = self.peek()? == Some(byte);
        self.at += usize::from(comes);
        Ok(comes)
    }

    fn expect(&mut self, byte: u8) -> Result<(), ClientError> {
        if self.take(byte)? { Ok(()) } else { Err(no_list()) }
    }

    /// Answers whether another value follows, or else the end of the list of values.
    fn next_or_end(&mut self, end: u8) -> Result<bool, ClientError> {
        if self.take(b',')? {
            return Ok(true);
        }
        self.expect(end).map(|()| false)
    }

    /// Takes one value.
    fn read_value<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, ClientError> {
        self.peek()?;
        self.value.clear();
        let mut extent = Extent::default();
        loop {
            let left = self.piece.expose().get(self.at..).unwrap_or_default();
            let (count, is_end) = extent.goes_on(left);
            if self.value.len() + count > LISTED_TOKEN_BYTES_MAX {
                return Err(ClientError::Nonsense { reason: "a listed token is too large" });
            }
            self.value.extend_from_slice(left.get(..count).unwrap_or_default());
            self.at += count;
            if is_end {
                // serde's own words quote the body.
                return serde_json::from_slice(&self.value).map_err(|_| no_list());
            }
            if !self.next_piece()? {
                return Err(no_list());
            }
        }
    }

    fn left(&self) -> &[u8] {
        self.piece.expose().get(self.at..).unwrap_or_default()
    }

    /// Waits for the next piece of the body; false at its end.
    fn next_piece(&mut self) -> Result<bool, ClientError> {
        self.piece = self.body.read()?;
        self.at = 0;
        Ok(!self.piece.expose().is_empty())
    }
}

/// Finds the end of a value, by its quotes and brackets only: whether that is a value is for serde to say.
#[derive(Default)]
struct Extent {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Extent {
    /// How many of the bytes belong to the value, and whether it ends there.
    fn goes_on(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (index, byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return (index + 1, true);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth > 1 => self.depth -= 1,
                b'}' | b']' if self.depth == 1 => return (index + 1, true),
                // The end of a number or a word.
                b'}' | b']' | b',' | b':' if self.depth == 0 => return (index, true),
                _ if self.depth == 0 && is_white(*byte) => return (index, true),
                _ => {}
            }
        }
        (bytes.len(), false)
    }
}

/// White space of JSON.
fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests;
