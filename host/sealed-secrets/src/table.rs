//! The surrogates of one request: one for each value, whatever the value is of, and what each may be used for.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::ops::Range;

use memchr::memmem::Finder;
use zeroize::Zeroizing;

use crate::base_url::BaseUrl;
use crate::declaration::{Alphabet, Shape};
use crate::limits::{SECRET_CHARACTERS_MIN, SESSION_BYTES_MAX, SURROGATES_MAX, USES_MAX};
use crate::random::{Characters, NoRandomness};
use crate::shape;

/// Characters by which all surrogates of a request are found, in one pass however many there are.
const MARK_LENGTH: usize = SECRET_CHARACTERS_MIN / 2;

/// Bytes that an entry takes beside its texts: itself, and its places in two maps.
const ENTRY_BYTES: usize = 256;

/// Bytes that a hold takes beside its texts: itself, with room for another one, and its place in a map.
const HOLD_BYTES: usize = 256;

/// The form of the text in the place of a value that gets no surrogate: its length says nothing of the value.
const WITHHELD_TEMPLATE: &str = "00000000000000000000000000000000";

/// The mark and the characters after it: no two surrogates of a request have the same.
type Head = [u8; SECRET_CHARACTERS_MIN];

/// What a value may be used for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Hold {
    /// For what the class may be, with requests to one base URL at most.
    Class { class: usize, destination: Bound, owner: Owner },
    /// To be written back below a prefix: the engine could not read it.
    Unreadable { prefix: String },
    /// To be written where a value of the class may be, and for nothing else: it is no secret of the class.
    Withheld { class: usize, destination: Bound, owner: Owner },
}

/// Where a value may be sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bound {
    /// Nowhere.
    Nowhere,
    /// To calls below this base.
    Base(BaseUrl),
    /// To the base that storage has for an object.
    Stored(StoredBase),
}

/// Whose a value is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// Nobody declared whose.
    #[default]
    Undeclared,
    /// The name that an entry or a request has where the declaration says; none = the name is missing there.
    Name(Option<Name>),
}

/// The name of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) text: String,
    /// Is it the object's own name? One that a field of a request has may be the second name of an object.
    pub(crate) is_own: bool,
}

/// An object whose entry holds a base URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StoredBase {
    pub(crate) prefix: String,
    pub(crate) name: String,
    pub(crate) otherwise: Option<String>,
    /// Only the origin of the URL counts.
    pub(crate) any_path: bool,
}

impl Hold {
    /// Bytes of its texts.
    fn bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let (destination, owner) = match self {
            Self::Unreadable { prefix } => return prefix.len(),
            Self::Class { destination, owner, .. } | Self::Withheld { destination, owner, .. } => (destination, owner),
        };
        let destination = match destination {
            Bound::Nowhere => 0,
            Bound::Base(base) => base.bytes(),
            Bound::Stored(base) => base.prefix.len() + base.name.len() + text(&base.otherwise),
        };
        let owner = match owner {
            Owner::Undeclared | Owner::Name(None) => 0,
            Owner::Name(Some(name)) => name.text.len(),
        };
        destination + owner
    }
}

/// A value with its surrogate.
pub(crate) struct Entry {
    /// No other entry of the request has this number.
    pub(crate) number: usize,
    pub(crate) value: Zeroizing<String>,
    pub(crate) surrogate: String,
    pub(crate) holds: Vec<Hold>,
    mark_at: usize,
}

/// Why a value gets no surrogate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableError {
    /// There are as many as a request may have.
    Full,
    /// The value has as many uses as a value may have.
    TooManyUses,
    /// The request holds as many bytes as it may.
    TooLarge,
    /// The machine gives no random bytes.
    NoRandomness,
}

impl From<NoRandomness> for TableError {
    fn from(_: NoRandomness) -> Self {
        Self::NoRandomness
    }
}

/// The surrogates of one request.
#[derive(Default)]
pub(crate) struct Table {
    entries: Vec<Entry>,
    by_value: HashMap<u64, Vec<usize>>,
    by_head: HashMap<Head, usize>,
    /// The place of a hold in its entry, by the number of the entry and a hash of the hold.
    by_hold: HashMap<(usize, u64), usize>,
    bytes: usize,
    hasher: RandomState,
    random: Characters,
    mark: Option<Finder<'static>>,
}

impl Table {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The surrogate of a value, which may be used for `hold`, too, from now on. `run` is where the value is secret.
    pub(crate) fn seal(
        &mut self,
        shape: &Shape,
        value: &str,
        run: &Range<usize>,
        hold: Hold,
    ) -> Result<&str, TableError> {
        let hash = self.hasher.hash_one(value);
        let known = self.by_value.get(&hash).into_iter().flatten().copied();
        let known = known.into_iter().find(|index| self.entries.get(*index).is_some_and(|entry| *entry.value == value));
        let index = match known {
            Some(index) => index,
            None => {
                let index = self.add(shape, value, value, run)?;
                self.by_value.entry(hash).or_default().push(index);
                index
            }
        };
        self.held(index, hold)
    }

    /// Random text in the place of a value that is too short or too long for a surrogate. Equal values get different texts, also
    /// if one is read twice: a guest could otherwise guess the value and compare.
    pub(crate) fn withhold(&mut self, value: &str, hold: Hold) -> Result<&str, TableError> {
        let shape = Shape {
            public: String::new(),
            alphabet: Alphabet::LettersAndDigits,
            plain_endings: Vec::new(),
            secret_characters_min: 0,
        };
        let index = self.add(&shape, WITHHELD_TEMPLATE, value, &(0..WITHHELD_TEMPLATE.len()))?;
        self.held(index, hold)
    }

    fn held(&mut self, index: usize, hold: Hold) -> Result<&str, TableError> {
        self.add_hold(index, hold)?;
        self.entries.get(index).map(|entry| entry.surrogate.as_str()).ok_or(TableError::Full)
    }

    fn add_hold(&mut self, index: usize, hold: Hold) -> Result<(), TableError> {
        let hash = self.hasher.hash_one(&hold);
        let entry = self.entries.get(index).ok_or(TableError::Full)?;
        let known = self.by_hold.get(&(index, hash)).and_then(|at| entry.holds.get(*at));
        if known == Some(&hold) {
            return Ok(());
        }
        let at = entry.holds.len();
        if at >= USES_MAX {
            return Err(TableError::TooManyUses);
        }
        self.reserve(HOLD_BYTES + hold.bytes())?;
        if let Some(entry) = self.entries.get_mut(index) {
            entry.holds.push(hold);
        }
        self.by_hold.insert((index, hash), at);
        Ok(())
    }

    /// Counts bytes that the request holds from now on, in the table or beside it.
    ///
    /// # Errors
    /// When it would hold more than [`SESSION_BYTES_MAX`].
    pub(crate) fn reserve(&mut self, bytes: usize) -> Result<(), TableError> {
        let sum = self.bytes.checked_add(bytes).filter(|sum| *sum <= SESSION_BYTES_MAX);
        self.bytes = sum.ok_or(TableError::TooLarge)?;
        Ok(())
    }

    /// Bytes that the request holds.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a value, with a surrogate of the form of `template`.
    fn add(&mut self, shape: &Shape, template: &str, value: &str, run: &Range<usize>) -> Result<usize, TableError> {
        if self.entries.len() >= SURROGATES_MAX {
            return Err(TableError::Full);
        }
        self.reserve(ENTRY_BYTES + template.len() + value.len())?;
        let mark = self.mark()?;
        loop {
            let surrogate = shape::surrogate(shape, template, run, &mark, &mut self.random)?;
            let Some(head) = head(surrogate.as_bytes(), run.start) else { return Err(TableError::Full) };
            if self.by_head.contains_key(&head) {
                continue;
            }
            let index = self.entries.len();
            let value = Zeroizing::new(value.to_owned());
            self.entries.push(Entry {
                number: index,
                value,
                surrogate,
                holds: Vec::with_capacity(1),
                mark_at: run.start,
            });
            self.by_head.insert(head, index);
            return Ok(index);
        }
    }

    fn mark(&mut self) -> Result<Vec<u8>, NoRandomness> {
        if let Some(mark) = &self.mark {
            return Ok(mark.needle().to_vec());
        }
        // Hexadecimal, which every alphabet has.
        let mark = (0..MARK_LENGTH).map(|_| self.random.hex()).collect::<Result<Vec<u8>, _>>()?;
        self.mark = Some(Finder::new(&mark).into_owned());
        Ok(mark)
    }

    /// The value behind a text that is a surrogate, and nothing else.
    pub(crate) fn behind(&self, text: &str) -> Option<&Entry> {
        self.occurrences(text.as_bytes()).next().map(|(_, entry)| entry).filter(|entry| entry.surrogate == text)
    }

    /// Surrogates in a text: for each the place where it would begin, and its entry. Only the part that is sure to be
    /// secret is compared, so a text that has no more than this part has the surrogate, too.
    pub(crate) fn occurrences<'a>(&'a self, text: &[u8]) -> impl Iterator<Item = (isize, &'a Entry)> {
        let marks = self.mark.iter().filter(|_| !self.entries.is_empty()).flat_map(|mark| mark.find_iter(text));
        marks.filter_map(|at| {
            let entry = self.entries.get(*self.by_head.get(&head(text, at)?)?)?;
            Some((at.cast_signed() - entry.mark_at.cast_signed(), entry))
        })
    }
}

fn head(text: &[u8], at: usize) -> Option<Head> {
    text.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::shape::{Kind, kind};

    fn shape() -> Shape {
        let public = "AstraCS:{}:".to_owned();
        Shape { public, alphabet: Alphabet::LowerHex, plain_endings: vec![], secret_characters_min: 16 }
    }

    fn seal(table: &mut Table, value: &str, class: usize) -> String {
        let Kind::Secret(run) = kind(&shape(), value) else { panic!("{value} is no secret") };
        table
            .seal(&shape(), value, &run, Hold::Class { class, destination: Bound::Nowhere, owner: Owner::Undeclared })
            .unwrap()
            .to_owned()
    }

    #[test]
    fn one_value_has_one_surrogate_with_all_that_it_may_be_used_for() {
        let mut table = Table::default();
        let first = seal(&mut table, "AstraCS:a:0123456789abcdef0123456789abcdef", 0);
        let same = seal(&mut table, "AstraCS:a:0123456789abcdef0123456789abcdef", 1);
        let other = seal(&mut table, "AstraCS:a:0123456789abcdef0123456789abcde0", 0);
        assert_eq!(first, same);
        assert_ne!(first, other);
        assert_eq!(table.behind(&first).unwrap().holds.len(), 2);
        assert_eq!(*table.behind(&other).unwrap().value, "AstraCS:a:0123456789abcdef0123456789abcde0");
        for text in ["", "x", &first[1..], &format!("{first}x"), "AstraCS:a:0123456789abcdef0123456789abcdef"] {
            assert!(table.behind(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_surrogate_is_found_in_any_text_and_by_its_secret_part_alone() {
        let mut table = Table::default();
        let surrogate = seal(&mut table, "AstraCS:a:0123456789abcdef0123456789abcdef", 0);
        let text = format!("{{\"a\":\"{surrogate}\",\"b\":\"{surrogate}\"}}");
        let places: Vec<isize> = table.occurrences(text.as_bytes()).map(|(at, _)| at).collect();
        assert_eq!(places, [6, 6 + 42 + 7]);
        assert_eq!(table.occurrences(&surrogate.as_bytes()[10..26]).count(), 1, "a part of it");
        assert_eq!(table.occurrences(&surrogate.as_bytes()[10..25]).count(), 0);
        assert_eq!(Table::default().occurrences(text.as_bytes()).count(), 0);
    }

    #[test]
    fn a_request_has_a_largest_number_of_surrogates() {
        let mut table = Table::default();
        for number in 0..SURROGATES_MAX {
            seal(&mut table, &format!("{number:032x}"), 0);
        }
        let (value, hold) =
            ("f".repeat(32), Hold::Class { class: 0, destination: Bound::Nowhere, owner: Owner::Undeclared });
        assert_eq!(table.seal(&shape(), &value, &(0..32), hold).err(), Some(TableError::Full));
    }
}
