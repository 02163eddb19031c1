//! Finds the declared places of JSON, without a copy of the rest: what is put elsewhere leaves every other byte as it is.
//!
//! Keys are compared as any parser sees them, so an escaped key is found, and each of several equal keys. Text whose
//! structure is not that of JSON is an error: a parser that takes such text all the same could find a value that this scan
//! passed over.

mod places;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use zeroize::{Zeroize, Zeroizing};

use self::Unsearchable::{NotJson, TooMany};
use self::places::Node;
use crate::limits::{BESIDE_BYTES_MAX, FOUND_MAX, JSON_DEPTH_MAX};

/// The number of the first object that a scan meets.
const FIRST_OBJECT: usize = 1;

/// A place to find.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Its keys; empty = the whole.
    pub(crate) at: &'a [String],
    /// May anything stand here? Otherwise a text or null.
    pub(crate) is_open: bool,
    /// The number of its declaration. A place at, above or below one of a lower number, or that takes for an object what that
    /// one takes for a list, is not searched: it would make the other declaration's values values of another type.
    pub(crate) rank: usize,
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
    /// Texts at places that are for texts, in the order of their spans.
    pub(crate) texts: Vec<FoundText>,
    /// What stands at open places. In order, and none overlaps another one, one of `others` or a text.
    pub(crate) open: Vec<FoundOpen>,
    /// Values of another type than their place is for: no text, or no object or list on the way. In order, and none overlaps
    /// another one, an open place or a text.
    pub(crate) others: Vec<Range<usize>>,
    /// Numbers of the keys that are kept beside values.
    keys: BTreeMap<String, usize>,
    /// By the numbers of the object and of the key.
    beside: BTreeMap<(usize, usize), BesideText>,
    /// Is the whole an object? The first one is the outermost then.
    is_object: bool,
}

/// A text at one or more places.
#[derive(Debug)]
pub(crate) struct FoundText {
    /// With its quotes.
    pub(crate) span: Range<usize>,
    /// Indexes of the places.
    pub(crate) places: Rc<Vec<usize>>,
    /// Without quotes and escapes.
    pub(crate) value: Zeroizing<String>,
    /// The object that it is in.
    pub(crate) object: usize,
}

/// What stands at one or more open places.
#[derive(Debug)]
pub(crate) struct FoundOpen {
    pub(crate) span: Range<usize>,
    /// Indexes of the places.
    pub(crate) places: Rc<Vec<usize>>,
}

/// What stands under a key beside a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BesideText {
    /// Nothing, or null.
    Missing,
    /// A text.
    Text(String),
    /// Something else, or a text that is too long for what it names.
    Other,
}

impl Found {
    /// What stands under a key of an object: of equal keys the last one counts, as for serde_json.
    pub(crate) fn beside(&self, object: usize, key: &str) -> BesideText {
        let text = self.keys.get(key).and_then(|key| self.beside.get(&(object, *key)));
        text.cloned().unwrap_or(BesideText::Missing)
    }

    /// What stands under a key of the outermost object.
    pub(crate) fn outermost(&self, key: &str) -> BesideText {
        if self.is_object { self.beside(FIRST_OBJECT, key) } else { BesideText::Missing }
    }
}

/// Why a text is not searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsearchable {
    /// It is no JSON, or is nested too deeply.
    NotJson,
    /// More would be found than a scan keeps.
    TooMany,
}

/// Finds what is wanted, in time that grows with the text and not with the number of places.
///
/// # Errors
/// When the text is no JSON, or has more than [`FOUND_MAX`] of what is wanted.
pub(crate) fn find(text: &[u8], wanted: Wanted<'_>) -> Result<Found, Unsearchable> {
    let keys = (0..).zip(wanted.beside).map(|(number, key)| ((*key).to_owned(), number)).collect();
    let found = Found { keys, ..Found::default() };
    let mut scan = Scan { text, at: 0, depth: 0, objects: 0, kept: 0, any_case: wanted.any_case, found };
    scan.value(Some(&Node::new(wanted.places, wanted.any_case)), 0)?;
    scan.blank();
    if scan.at == text.len() { Ok(scan.found) } else { Err(NotJson) }
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    objects: usize,
    /// What was found so far, with what counts no more.
    kept: usize,
    any_case: bool,
    found: Found,
}

impl<'a> Scan<'a> {
    /// A value with the places in it, if any.
    fn value(&mut self, places: Option<&Node<'_>>, object: usize) -> Result<(), Unsearchable> {
        self.blank();
        let (start, first) = (self.at, self.peek().ok_or(NotJson)?);
        if let Some(open) = places.filter(|places| places.is_open) {
            self.value(None, 0)?;
            self.keep(1)?;
            self.found.open.push(FoundOpen { span: start..self.at, places: Rc::clone(&open.ends) });
            return Ok(());
        }
        let here = places.map(|places| &places.ends).filter(|ends| !ends.is_empty());
        match (first, here) {
            (b'"', Some(here)) => {
                let raw = self.string()?;
                self.keep(here.len())?;
                let value = Zeroizing::new(unescaped(raw)?.into_owned());
                self.found.texts.push(FoundText { span: start..self.at, places: Rc::clone(here), value, object });
            }
            (b'{', _) => self.object(places)?,
            (b'[', _) => self.list(places)?,
            (b'"', None) => drop(self.string()?),
            _ => self.scalar()?,
        }
        let is_null = self.text.get(start..self.at) == Some(b"null");
        let (is_here, through_object) = (here.is_some(), places.is_some_and(Node::is_object));
        let through_list = places.is_some_and(Node::is_list);
        let is_misplaced = match first {
            b'"' => !is_here && (through_object || through_list),
            b'{' => is_here || through_list,
            b'[' => is_here || through_object,
            _ => !is_null && (is_here || through_object || through_list),
        };
        if is_misplaced {
            self.keep(1)?;
            // What was found inside is part of the whole. It stands at the end, for what was found is in order.
            let Found { texts, open, others, .. } = &mut self.found;
            texts.truncate(texts.partition_point(|text| text.span.start < start));
            open.truncate(open.partition_point(|open| open.span.start < start));
            others.truncate(others.partition_point(|other| other.start < start));
            others.push(start..self.at);
        }
        Ok(())
    }

    fn object(&mut self, places: Option<&Node<'_>>) -> Result<(), Unsearchable> {
        self.objects += 1;
        let object = self.objects;
        self.enter(b'{')?;
        let is_outermost = self.depth == 1;
        self.found.is_object |= is_outermost;
        if self.skip(b'}') {
            return self.leave();
        }
        // A place that ends at this object leads to nothing in it.
        let places = places.filter(|places| places.is_object() || places.is_list());
        loop {
            self.blank();
            let raw = self.string()?;
            self.blank();
            self.expect(b':')?;
            if places.is_none() && !is_outermost {
                self.value(None, 0)?;
            } else {
                let key = unescaped(raw)?;
                self.keep_beside(&key, object)?;
                let inner = places.and_then(|places| places.under(&key, self.any_case));
                self.value(inner, object)?;
            }
            self.blank();
            if !self.skip(b',') {
                self.expect(b'}')?;
                return self.leave();
            }
        }
    }

    fn list(&mut self, places: Option<&Node<'_>>) -> Result<(), Unsearchable> {
        self.enter(b'[')?;
        if self.skip(b']') {
            return self.leave();
        }
        let inner = places.and_then(Node::each);
        loop {
            self.value(inner, 0)?;
            self.blank();
            if !self.skip(b',') {
                self.expect(b']')?;
                return self.leave();
            }
        }
    }

    /// Notes the text of the value that follows, if its key is wanted, and stays where it is.
    fn keep_beside(&mut self, key: &str, object: usize) -> Result<(), Unsearchable> {
        let Some(number) = self.found.keys.get(key).copied() else { return Ok(()) };
        self.keep(1)?;
        let before = self.at;
        self.blank();
        let start = self.at;
        let text = if self.peek() == Some(b'"') {
            let text = unescaped(self.string()?)?;
            if text.len() > BESIDE_BYTES_MAX { BesideText::Other } else { BesideText::Text(text.into_owned()) }
        } else if self.text.get(start..).is_some_and(|rest| rest.starts_with(b"null")) {
            BesideText::Missing
        } else {
            BesideText::Other
        };
        self.at = before;
        self.found.beside.insert((object, number), text);
        Ok(())
    }

    /// Counts what was found.
    fn keep(&mut self, more: usize) -> Result<(), Unsearchable> {
        self.kept += more;
        if self.kept > FOUND_MAX { Err(TooMany) } else { Ok(()) }
    }

    fn enter(&mut self, sign: u8) -> Result<(), Unsearchable> {
        self.depth += 1;
        if self.depth > JSON_DEPTH_MAX {
            return Err(NotJson);
        }
        self.expect(sign)
    }

    fn leave(&mut self) -> Result<(), Unsearchable> {
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

    fn expect(&mut self, sign: u8) -> Result<(), Unsearchable> {
        if self.skip(sign) { Ok(()) } else { Err(NotJson) }
    }

    /// A string with its quotes; its escapes are not checked yet.
    fn string(&mut self) -> Result<&'a [u8], Unsearchable> {
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
    fn scalar(&mut self) -> Result<(), Unsearchable> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(NotJson) }
    }
}

/// The text that a string with quotes stands for.
fn unescaped(raw: &[u8]) -> Result<Cow<'_, str>, Unsearchable> {
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
    // Large enough from the beginning, see `splice`, and no larger than it must be: an entry may have thousands of texts.
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' => 2,
        0..b' ' => 6,
        _ => 1,
    };
    let length: usize = text.bytes().map(escaped).sum();
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + 2));
    // Writing text to a buffer in memory cannot fail.
    let _ = serde_json::to_writer(&mut *bytes, text);
    bytes
}

/// Is all of `inner` in one of `spans`, which are in order and do not overlap?
pub(crate) fn within<T>(spans: &[T], of: impl Fn(&T) -> &Range<usize>, inner: &Range<usize>) -> bool {
    around(spans, of, inner).is_some()
}

/// The one of `spans`, which are in order and do not overlap, that all of `inner` is in.
pub(crate) fn around<'a, T>(spans: &'a [T], of: impl Fn(&T) -> &Range<usize>, inner: &Range<usize>) -> Option<&'a T> {
    let before = spans.partition_point(|span| of(span).start <= inner.start);
    before.checked_sub(1).and_then(|last| spans.get(last)).filter(|span| inner.end <= of(span).end)
}

#[cfg(test)]
mod tests;
