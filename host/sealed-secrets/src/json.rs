//! Finds the declared places of JSON, without a copy of the rest: what is put elsewhere leaves every other byte as it is.
//!
//! Keys are compared as any parser sees them, so an escaped key is found, and each of several equal keys. Text whose
//! structure is not that of JSON is an error: a parser that takes such text all the same could find a value that this scan
//! passed over.

use std::borrow::Cow;
use std::ops::Range;

use zeroize::{Zeroize, Zeroizing};

use crate::limits::JSON_DEPTH_MAX;

/// The element of a place that stands for every element of a list.
const EACH: &str = "*";

/// The number of the first object that a scan meets.
const FIRST_OBJECT: usize = 1;

/// A place to find.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Its keys; empty = the whole.
    pub(crate) at: &'a [String],
    /// May anything stand here? Otherwise a text or null.
    pub(crate) is_open: bool,
}

/// What to find.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) places: &'a [Place<'a>],
    /// Keys whose texts are kept for the outermost object, and for each object that has a place.
    pub(crate) beside: &'a [&'a str],
    /// Are keys compared without regard to case?
    pub(crate) any_case: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Texts at places that are for texts.
    pub(crate) texts: Vec<FoundText>,
    /// Open places, and values of another type than their place is for: no text, or no object or list on the way.
    pub(crate) others: Vec<Range<usize>>,
    beside: Vec<Beside>,
    /// Is the whole an object? The first one is the outermost then.
    is_object: bool,
}

/// A text at one or more places.
#[derive(Debug)]
pub(crate) struct FoundText {
    /// With its quotes.
    pub(crate) span: Range<usize>,
    /// Indexes of the places.
    pub(crate) places: Vec<usize>,
    /// Without quotes and escapes.
    pub(crate) value: Zeroizing<String>,
    /// The object that it is in.
    pub(crate) object: usize,
}

#[derive(Debug)]
struct Beside {
    object: usize,
    key: String,
    text: BesideText,
}

/// What stands under a key beside a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BesideText {
    /// Nothing, or null.
    Missing,
    /// A text.
    Text(String),
    /// Something else.
    Other,
}

impl Found {
    /// What stands under a key of an object: of equal keys the last one counts, as for serde_json.
    pub(crate) fn beside(&self, object: usize, key: &str) -> BesideText {
        let last = self.beside.iter().rev().find(|beside| beside.object == object && beside.key == key);
        last.map_or(BesideText::Missing, |beside| beside.text.clone())
    }

    /// What stands under a key of the outermost object.
    pub(crate) fn outermost(&self, key: &str) -> BesideText {
        if self.is_object { self.beside(FIRST_OBJECT, key) } else { BesideText::Missing }
    }
}

/// The text is no JSON, or is nested too deeply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotJson;

/// Finds what is wanted.
///
/// # Errors
/// When the text is no JSON.
pub(crate) fn find(text: &[u8], wanted: Wanted<'_>) -> Result<Found, NotJson> {
    let mut scan = Scan { text, at: 0, depth: 0, objects: 0, wanted, found: Found::default() };
    let places: Vec<usize> = (0..wanted.places.len()).collect();
    scan.value(&places, 0, 0)?;
    scan.blank();
    if scan.at == text.len() { Ok(scan.found) } else { Err(NotJson) }
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    objects: usize,
    wanted: Wanted<'a>,
    found: Found,
}

impl<'a> Scan<'a> {
    /// A value to which the first `level` keys of `places` lead.
    fn value(&mut self, places: &[usize], level: usize, object: usize) -> Result<(), NotJson> {
        self.blank();
        let (start, first) = (self.at, self.peek().ok_or(NotJson)?);
        let ends = |place: &usize| self.at_of(*place).len() == level;
        let (here, deeper): (Vec<usize>, Vec<usize>) = places.iter().partition(|place| ends(place));
        let is_open = here.iter().any(|place| self.wanted.places.get(*place).is_some_and(|place| place.is_open));
        if is_open {
            self.value(&[], 0, 0)?;
            self.found.others.push(start..self.at);
            return Ok(());
        }
        let is_here = !here.is_empty();
        match first {
            b'"' if is_here => {
                let raw = self.string()?;
                let value = Zeroizing::new(unescaped(raw)?.into_owned());
                self.found.texts.push(FoundText { span: start..self.at, places: here, value, object });
            }
            b'{' => self.object(&deeper, level)?,
            b'[' => self.list(&deeper, level)?,
            b'"' => drop(self.string()?),
            _ => self.scalar()?,
        }
        let is_null = self.text.get(start..self.at) == Some(b"null");
        let leads_through = |list: bool| deeper.iter().any(|place| self.is_each(*place, level) == list);
        let is_misplaced = match first {
            b'"' => !is_here && !deeper.is_empty(),
            b'{' => is_here || leads_through(true),
            b'[' => is_here || leads_through(false),
            _ => !is_null && !places.is_empty(),
        };
        if is_misplaced {
            // What was found inside is part of the whole.
            self.found.texts.retain(|text| text.span.start < start);
            self.found.others.retain(|other| other.start < start);
            self.found.others.push(start..self.at);
        }
        Ok(())
    }

    fn object(&mut self, places: &[usize], level: usize) -> Result<(), NotJson> {
        self.objects += 1;
        let object = self.objects;
        self.enter(b'{')?;
        let is_outermost = self.depth == 1;
        self.found.is_object |= is_outermost;
        if self.skip(b'}') {
            return self.leave();
        }
        loop {
            self.blank();
            let raw = self.string()?;
            self.blank();
            self.expect(b':')?;
            if places.is_empty() && !is_outermost {
                self.value(&[], 0, 0)?;
            } else {
                let key = unescaped(raw)?;
                self.keep_beside(&key, object)?;
                let leads = |place: &&usize| self.key_of(**place, level).is_some_and(|own| self.is_key(own, &key));
                let inner: Vec<usize> = places.iter().filter(leads).copied().collect();
                self.value(&inner, level + 1, object)?;
            }
            self.blank();
            if !self.skip(b',') {
                self.expect(b'}')?;
                return self.leave();
            }
        }
    }

    fn list(&mut self, places: &[usize], level: usize) -> Result<(), NotJson> {
        self.enter(b'[')?;
        if self.skip(b']') {
            return self.leave();
        }
        let inner: Vec<usize> = places.iter().filter(|place| self.is_each(**place, level)).copied().collect();
        loop {
            self.value(&inner, level + 1, 0)?;
            self.blank();
            if !self.skip(b',') {
                self.expect(b']')?;
                return self.leave();
            }
        }
    }

    /// Notes the text of the value that follows, if its key is wanted, and stays where it is.
    fn keep_beside(&mut self, key: &str, object: usize) -> Result<(), NotJson> {
        if !self.wanted.beside.contains(&key) {
            return Ok(());
        }
        let before = self.at;
        self.blank();
        let start = self.at;
        let text = if self.peek() == Some(b'"') {
            BesideText::Text(unescaped(self.string()?)?.into_owned())
        } else if self.text.get(start..).is_some_and(|rest| rest.starts_with(b"null")) {
            BesideText::Missing
        } else {
            BesideText::Other
        };
        self.at = before;
        self.found.beside.push(Beside { object, key: key.to_owned(), text });
        Ok(())
    }

    fn at_of(&self, place: usize) -> &'a [String] {
        self.wanted.places.get(place).map_or(&[], |place| place.at)
    }

    fn key_of(&self, place: usize, level: usize) -> Option<&'a str> {
        self.at_of(place).get(level).map(String::as_str)
    }

    fn is_each(&self, place: usize, level: usize) -> bool {
        self.key_of(place, level) == Some(EACH)
    }

    fn is_key(&self, own: &str, key: &str) -> bool {
        own != EACH && (own == key || (self.wanted.any_case && own.to_lowercase() == key.to_lowercase()))
    }

    fn enter(&mut self, sign: u8) -> Result<(), NotJson> {
        self.depth += 1;
        if self.depth > JSON_DEPTH_MAX {
            return Err(NotJson);
        }
        self.expect(sign)
    }

    fn leave(&mut self) -> Result<(), NotJson> {
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blank(&mut self) {
        while self.peek().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn skip(&mut self, sign: u8) -> bool {
        self.blank();
        let is_there = self.peek() == Some(sign);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, sign: u8) -> Result<(), NotJson> {
        if self.skip(sign) { Ok(()) } else { Err(NotJson) }
    }

    /// A string with its quotes; its escapes are not checked yet.
    fn string(&mut self) -> Result<&'a [u8], NotJson> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(NotJson);
        }
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..).ok_or(NotJson)?;
            let sign = memchr::memchr2(b'"', b'\\', rest).ok_or(NotJson)?;
            let is_end = rest.get(sign) == Some(&b'"');
            self.at += sign + if is_end { 1 } else { 2 };
            if is_end {
                return self.text.get(start..self.at).ok_or(NotJson);
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn scalar(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(NotJson) }
    }
}

/// The text that a string with quotes stands for.
fn unescaped(raw: &[u8]) -> Result<Cow<'_, str>, NotJson> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).ok_or(NotJson)?;
    let is_plain = !inner.contains(&b'\\') && inner.iter().all(|byte| *byte >= b' ');
    if is_plain {
        return std::str::from_utf8(inner).map(Cow::Borrowed).map_err(|_| NotJson);
    }
    serde_json::from_slice::<String>(raw).map(Cow::Owned).map_err(|_| NotJson)
}

/// Replaces spans, which are in order and do not overlap, and leaves the rest byte for byte. Clears the text if it made
/// another one.
pub(crate) fn splice(text: &mut Vec<u8>, replaced: &[(Range<usize>, Zeroizing<Vec<u8>>)]) {
    if replaced.is_empty() {
        return;
    }
    let more: usize = replaced.iter().map(|(_, bytes)| bytes.len()).sum();
    // Large enough from the beginning: a buffer that grows leaves copies behind.
    let mut spliced = Vec::with_capacity(text.len() + more);
    let mut done = 0;
    for (span, bytes) in replaced {
        spliced.extend_from_slice(text.get(done..span.start).unwrap_or_default());
        spliced.extend_from_slice(bytes);
        done = span.end;
    }
    spliced.extend_from_slice(text.get(done..).unwrap_or_default());
    text.zeroize();
    *text = spliced;
}

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> Zeroizing<Vec<u8>> {
    // An escape has six bytes at most; see `splice`.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len().saturating_mul(6) + 2));
    // Writing text to a buffer in memory cannot fail.
    let _ = serde_json::to_writer(&mut *bytes, text);
    bytes
}

#[cfg(test)]
mod tests;
