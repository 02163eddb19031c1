//! Searches the memory of a process for texts that it must not contain.
//!
//! The texts are kept inverted, so that a search of the own process does not find them here. The tests of
//! `component-runtime` include this file.

use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufRead as _};
use std::os::unix::fs::FileExt as _;

/// A text that a search does not find in this value.
#[derive(Clone)]
pub struct Hidden(Vec<u8>);

impl Hidden {
    /// Hides a text.
    pub fn new(text: &str) -> Self {
        Self(text.bytes().map(|byte| !byte).collect())
    }

    /// Random hexadecimal digits that were never in memory.
    pub fn random(digits: usize) -> Self {
        let random = |number: usize| RandomState::new().hash_one(number) % 16;
        let digit =
            |number| char::from_digit(u32::try_from(random(number)).unwrap_or_default(), 16).unwrap_or_default();
        Self((0..digits).map(|number| !(digit(number) as u8)).collect())
    }

    /// The first characters of the text.
    #[must_use]
    pub fn beginning(&self, characters: usize) -> Self {
        Self(self.0.iter().take(characters).copied().collect())
    }

    /// The text. It is in memory as long as the returned value lives.
    pub fn reveal(&self) -> String {
        self.0.iter().map(|byte| char::from(!byte)).collect()
    }

    /// The positions in a memory at which the text begins.
    fn places(&self, memory: &[u8]) -> Vec<usize> {
        let Some(first) = self.0.first().map(|byte| !byte) else { return Vec::new() };
        let (mut rest, mut places) = (memory, Vec::new());
        // The library's own search for a byte is fast in a debug build, too.
        while let Ok(skipped) = rest.skip_until(first)
            && skipped > 0
        {
            let at = memory.len() - rest.len() - 1;
            let found = memory.get(at..at + self.0.len());
            if found.is_some_and(|found| found.iter().zip(&self.0).all(|(byte, hidden)| *byte == !hidden)) {
                places.push(at);
            }
        }
        places
    }
}

/// The places of the texts in the writable memory of a process, for people: address, mapping, and the bytes around.
/// Only root can read another process that makes no dumps.
///
/// # Errors
/// When the memory cannot be read.
pub fn places(process: u32, texts: &[Hidden]) -> io::Result<Vec<String>> {
    let folder = format!("/proc/{process}");
    let (memory, pages) = (File::open(format!("{folder}/mem"))?, File::open(format!("{folder}/pagemap"))?);
    let mut search = Search { memory, pages, buffer: vec![0; BUFFER_BYTES], found: Vec::new() };
    for line in fs::read_to_string(format!("{folder}/maps"))?.lines() {
        let Some((range, rest)) = line.split_once(' ') else { continue };
        let Some((start, end)) = range.split_once('-') else { continue };
        let number = |text| u64::from_str_radix(text, 16).unwrap_or_default();
        if rest.starts_with("rw") {
            search.mapping(number(start)..number(end), line, texts);
        }
    }
    Ok(search.found)
}

const PAGE_BYTES: u64 = 4096;
/// Bytes of one read. Two reads share [`OVERLAP_BYTES`], so that no text is split between them.
const BUFFER_BYTES: usize = 1024 * 1024;
const OVERLAP_BYTES: u64 = 4096;
/// Bytes that are shown around a text.
const AROUND: usize = 48;

struct Search {
    memory: File,
    pages: File,
    buffer: Vec<u8>,
    found: Vec<String>,
}

impl Search {
    fn mapping(&mut self, range: std::ops::Range<u64>, name: &str, texts: &[Hidden]) {
        let mut at = range.start;
        while at < range.end {
            let Some(there) = self.present(at..range.end) else { return };
            let end = there.end.min(there.start + BUFFER_BYTES as u64);
            self.part(there.start..end, name, texts);
            at = if end < there.end { end - OVERLAP_BYTES } else { end };
        }
    }

    /// The next pages that are in memory or in swap. Most reserved pages are in neither.
    fn present(&self, range: std::ops::Range<u64>) -> Option<std::ops::Range<u64>> {
        let mut entries = [0_u8; 8 * 512];
        let (mut at, mut begin) = (range.start, None);
        while at < range.end {
            let read = self.pages.read_at(&mut entries, at / PAGE_BYTES * 8).ok().filter(|read| *read >= 8)?;
            for entry in entries.get(..read).unwrap_or_default().as_chunks::<8>().0 {
                let is_there = u64::from_ne_bytes(*entry) >> 62 != 0;
                match begin {
                    None if is_there => begin = Some(at),
                    Some(begin) if !is_there => return Some(begin..at),
                    _ => {}
                }
                at += PAGE_BYTES;
                if at >= range.end {
                    break;
                }
            }
        }
        begin.map(|begin| begin..at)
    }

    fn part(&mut self, range: std::ops::Range<u64>, name: &str, texts: &[Hidden]) {
        let length = usize::try_from(range.end - range.start).unwrap_or_default().min(self.buffer.len());
        let Some(buffer) = self.buffer.get_mut(..length) else { return };
        // Memory that was unmapped in the meantime contains nothing.
        let Ok(read) = self.memory.read_at(buffer, range.start) else { return };
        let own = buffer.as_ptr().addr() as u64;
        let is_own = |address: u64| (own..own + BUFFER_BYTES as u64).contains(&address);
        for text in texts {
            for place in text.places(buffer.get(..read).unwrap_or_default()) {
                let address = range.start + place as u64;
                if !is_own(address) {
                    let around = buffer.get(place.saturating_sub(AROUND)..(place + AROUND).min(read));
                    let around = around.unwrap_or_default().escape_ascii().to_string();
                    self.found.push(format!("{address:x} in `{name}`: {}", around.replace(&text.reveal(), "<TEXT>")));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_text_is_found_while_it_is_in_memory_and_not_where_it_is_hidden() {
        let hidden = Hidden::random(32);
        let own = std::process::id();
        assert_eq!(places(own, std::slice::from_ref(&hidden)).unwrap(), Vec::<String>::new());
        let text = std::hint::black_box(hidden.reveal());
        assert!(!places(own, std::slice::from_ref(&hidden)).unwrap().is_empty());
        drop(text);
    }
}
