//! Astra's list of tokens, `{"clients":[…]}`, read as a stream: one entry is in memory at a time.
//!
//! One entry that cannot be read spoils the list, for it might be the very token that is looked for. What else stands in
//! the object is passed over.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, Read};
use std::ops::ControlFlow;

use secrets_framework::Sensitive;
use secrets_framework::host::HttpBody;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::ScanEnd;
use super::error::ClientError;
use super::wire::ListedToken;
use crate::limits::LISTED_TOKEN_BYTES_MAX;

type Visit<'a> = &'a mut dyn FnMut(ListedToken) -> ControlFlow<()>;

/// Visits the tokens of a list until `visit` breaks off the scan. Adds what was read to `received_bytes`.
pub(super) fn scan<'a>(
    body: Box<dyn HttpBody + 'a>,
    received_bytes: &'a Cell<usize>,
    visit: Visit<'_>,
) -> Result<ScanEnd, ClientError> {
    let progress = Progress { entry_bytes_left: Cell::new(LISTED_TOKEN_BYTES_MAX), end: RefCell::new(None) };
    let reader = BodyReader { body, piece: Sensitive::new(Vec::new()), at: 0, received_bytes, progress: &progress };
    let mut json = serde_json::Deserializer::from_reader(reader);
    let read = json.deserialize_map(List { progress: &progress, visit }).and_then(|()| json.end());
    match (read, progress.end.take()) {
        (Ok(()), _) => Ok(ScanEnd::Complete),
        (Err(_), Some(End::Stopped)) => Ok(ScanEnd::Stopped),
        (Err(_), Some(End::Failed(error))) => Err(error),
        // serde's own words quote the body.
        (Err(_), None) => Err(ClientError::Nonsense { reason: "it is not a list of tokens" }),
    }
}

/// What the reader and the visitors of one scan share.
struct Progress {
    /// How many bytes more the current entry may have.
    entry_bytes_left: Cell<usize>,
    /// Why the scan ended early, where it is not for bad JSON.
    end: RefCell<Option<End>>,
}

enum End {
    Stopped,
    Failed(ClientError),
}

impl Progress {
    fn begin_entry(&self) {
        self.entry_bytes_left.set(LISTED_TOKEN_BYTES_MAX);
    }

    /// What is passed over is not kept, so that its length does not matter.
    fn begin_passing_over(&self) {
        self.entry_bytes_left.set(usize::MAX);
    }

    fn end(&self, end: End) {
        self.end.borrow_mut().get_or_insert(end);
    }

    /// serde looks for the end of what it was reading, also after an error: nothing more is read for that.
    fn has_ended(&self) -> bool {
        self.end.borrow().is_some()
    }
}

/// A body as the standard library's reader.
struct BodyReader<'a> {
    body: Box<dyn HttpBody + 'a>,
    piece: Sensitive<Vec<u8>>,
    at: usize,
    received_bytes: &'a Cell<usize>,
    progress: &'a Progress,
}

impl BodyReader<'_> {
    #[cold]
    fn next_piece(&mut self) -> io::Result<()> {
        match self.body.read() {
            Ok(piece) => {
                self.received_bytes.set(self.received_bytes.get() + piece.expose().len());
                self.piece = piece;
                self.at = 0;
                Ok(())
            }
            Err(error) => Err(self.fails(error.into())),
        }
    }

    #[cold]
    fn fails(&self, error: ClientError) -> io::Error {
        self.progress.end(End::Failed(error));
        io::ErrorKind::Other.into()
    }
}

impl Read for BodyReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.piece.expose().len() {
            if self.progress.has_ended() {
                return Err(io::ErrorKind::Other.into());
            }
            self.next_piece()?;
        }
        let left = self.piece.expose().get(self.at..).unwrap_or_default();
        let entry_bytes_left = self.progress.entry_bytes_left.get();
        let count = left.len().min(buffer.len()).min(entry_bytes_left);
        if let (Some(from), Some(to)) = (left.get(..count), buffer.get_mut(..count)) {
            to.copy_from_slice(from);
        }
        if entry_bytes_left == 0 && !left.is_empty() {
            return Err(self.fails(ClientError::Nonsense { reason: "a listed token is too large" }));
        }
        self.at += count;
        self.progress.entry_bytes_left.set(entry_bytes_left - count);
        Ok(count)
    }
}

/// The names of the object's members.
#[derive(Deserialize)]
#[serde(field_identifier)]
enum Member {
    #[serde(rename = "clients")]
    Clients,
    #[serde(other)]
    Other,
}

/// The object.
struct List<'a> {
    progress: &'a Progress,
    visit: Visit<'a>,
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tokens")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { progress, visit } = self;
        let mut is_there = false;
        while let Some(member) = members.next_key()? {
            match member {
                Member::Clients if is_there => return Err(A::Error::duplicate_field("clients")),
                Member::Clients => {
                    is_there = true;
                    members.next_value_seed(Clients { progress, visit: &mut *visit })?;
                }
                Member::Other => {
                    progress.begin_passing_over();
                    members.next_value::<IgnoredAny>()?;
                }
            }
            progress.begin_entry();
        }
        if is_there { Ok(()) } else { Err(A::Error::missing_field("clients")) }
    }
}

/// The array of tokens.
struct Clients<'a> {
    progress: &'a Progress,
    visit: Visit<'a>,
}

impl<'de> DeserializeSeed<'de> for Clients<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Clients<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of tokens")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut tokens: A) -> Result<(), A::Error> {
        loop {
            self.progress.begin_entry();
            let Some(token) = tokens.next_element::<ListedToken>()? else { return Ok(()) };
            let end = if token.client_id.is_empty() {
                End::Failed(ClientError::Nonsense { reason: "a listed token has no `clientId`" })
            } else if (self.visit)(token).is_break() {
                End::Stopped
            } else {
                continue;
            };
            self.progress.end(end);
            return Err(A::Error::custom("the scan ends here"));
        }
    }
}

#[cfg(test)]
mod tests;
