//! Storage entries, on the way to the guest and back.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::ops::Range;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::stored_url::NewUrl;
use super::{Replaced, Sealed, Session, SessionError, Violation, class_name, keys_beside};
use crate::declaration::{Alphabet, Shape, StoredOwner};
use crate::json::{self, BesideText, Found, FoundOpen, FoundText, Place, Wanted};
use crate::limits::SECRET_CHARACTERS_MIN;
use crate::rules::{Rules, StoredRule};
use crate::shape;
use crate::table::{Bound, Entry, Hold, Name, Owner};

impl Session {
    /// Puts surrogates into the value of an entry that the guest reads.
    ///
    /// A declared place that holds no text, and an entry that is no JSON, become unreadable: every text in them that could be a
    /// secret gets a surrogate, and only the whole entry may be written back as it was read. A text that is no secret of its
    /// class is withheld as a whole.
    ///
    /// # Errors
    /// When the request has too many secrets.
    pub fn seal_stored(&mut self, key: &str, value: &mut Vec<u8>) -> Result<(), SessionError> {
        let key = one_spelling(key);
        let rules = Arc::clone(&self.rules);
        let new_url = self.urls.new_url(&rules, &key);
        let stored = Stored::of(&rules, &key);
        if new_url.is_none() && stored.is_none() {
            return Ok(());
        }
        let places = stored.as_ref().map_or(&[][..], |stored| &stored.rules);
        let found = find(value, places, &rules, new_url.iter().flat_map(NewUrl::keys));
        if let Some(new) = &new_url {
            self.table.reserve(self.urls.note(new, found.as_ref().ok()))?;
        }
        let Some(stored) = stored else { return Ok(()) };
        let mut replaced = Replaced::new();
        let has_unread = match found {
            Err(_) => {
                self.seal_unreadable(value, 0..value.len(), &stored, &mut replaced)?;
                !replaced.is_empty()
            }
            Ok(found) => {
                for other in &found.others {
                    self.seal_unreadable(value, other.clone(), &stored, &mut replaced)?;
                }
                let has_unread = !replaced.is_empty();
                for open in &found.open {
                    self.seal_unreadable(value, open.span.clone(), &stored, &mut replaced)?;
                }
                for text in &found.texts {
                    self.seal_text(&found, text, &stored, &mut replaced)?;
                }
                replaced.sort_by_key(|(span, _)| span.start);
                has_unread
            }
        };
        json::splice(value, &replaced);
        if has_unread && self.unread.insert(self.hash(&key, value)) {
            self.table.reserve(UNREAD_BYTES)?;
        }
        Ok(())
    }

    /// A hash that no guest can foresee.
    fn hash(&self, key: &str, value: &[u8]) -> u64 {
        self.hasher.hash_one((key, value))
    }

    fn seal_text(
        &mut self,
        found: &Found,
        text: &FoundText,
        stored: &Stored<'_>,
        replaced: &mut Replaced,
    ) -> Result<(), SessionError> {
        let destination = |rule: &&StoredRule| {
            let destination = rule.destination.as_ref()?;
            Some((rule.class, Self::bound(destination, found, text), stored.owner(rule, found, text)))
        };
        let holds: Vec<_> = stored.rules_of(&text.places).filter_map(|rule| destination(&rule)).collect();
        let first = holds.first().cloned();
        let surrogate = match (self.seal(&text.value, holds)?, first) {
            (Sealed::Plain, _) | (Sealed::TooShort(_) | Sealed::TooLong, None) => return Ok(()),
            (Sealed::Surrogate(surrogate), _) => surrogate,
            (Sealed::TooShort(_) | Sealed::TooLong, Some((class, destination, owner))) => {
                let hold = Hold::Withheld { class, destination, owner };
                self.table.withhold(&text.value, hold)?.to_owned()
            }
        };
        replaced.push((text.span.clone(), json::quoted(&surrogate)));
        Ok(())
    }

    /// Every run of characters in a span that could be a secret gets a surrogate.
    fn seal_unreadable(
        &mut self,
        value: &[u8],
        span: Range<usize>,
        stored: &Stored<'_>,
        replaced: &mut Replaced,
    ) -> Result<(), SessionError> {
        for run in shape::runs(value.get(span.clone()).unwrap_or_default()) {
            let run = run.start + span.start..run.end + span.start;
            let Some(Ok(text)) = value.get(run.clone()).map(std::str::from_utf8) else { continue };
            let hold = Hold::Unreadable { prefix: stored.prefix.to_owned() };
            let surrogate = self.table.seal(&unreadable(), text, &(0..text.len()), hold)?;
            replaced.push((run, Zeroizing::new(surrogate.as_bytes().to_vec())));
        }
        Ok(())
    }

    /// Puts the values of surrogates into an entry that the guest writes.
    ///
    /// # Errors
    /// When a surrogate is where its value may not be written.
    pub fn open_stored(&mut self, key: &str, value: &mut Vec<u8>) -> Result<(), Violation> {
        let spelled = one_spelling(key);
        let rules = Arc::clone(&self.rules);
        if let Some(new) = self.urls.new_url(&rules, &spelled) {
            let bytes = self.urls.pass_over(&new);
            if self.table.reserve(bytes).is_err() {
                self.urls.close();
            }
        }
        if self.table.is_empty() {
            return Ok(());
        }
        self.check("the key of a storage entry", key.as_bytes())?;
        let Some(stored) = Stored::of(&rules, &spelled) else {
            return self.check("a storage entry whose prefix is not declared", value);
        };
        let (mut replaced, mut open) = (Replaced::new(), Open::default());
        match find(value, &stored.rules, &rules, std::iter::empty()) {
            Err(_) => open.others = std::iter::once(0..value.len()).collect(),
            Ok(found) => {
                for text in &found.texts {
                    let Some(entry) = self.table.behind(&text.value) else { continue };
                    if !stored.rules_of(&text.places).any(|rule| self.may_be_kept(entry, rule, &stored, &found, text)) {
                        let class = class_name(&self.rules, entry);
                        return Err(self.violate(&class, &stored.place("where the value may not be kept")));
                    }
                    replaced.push((text.span.clone(), json::quoted(&entry.value)));
                }
                (open.declared, open.others) = (found.open, found.others);
            }
        }
        // What no rule reads could be a readable value for other rules, so all of it stays what it is, and what is beside it.
        if !open.others.is_empty() && !self.unread.contains(&self.hash(&spelled, value)) {
            open.others.clear();
        }
        match self.opened_rest(value, &stored, &open, &mut replaced) {
            Ok(()) => {
                replaced.sort_by_key(|(span, _)| span.start);
                json::splice(value, &replaced);
                Ok(())
            }
            Err(class) => Err(self.violate(&class, &stored.place("in a field that is not declared"))),
        }
    }

    /// May a value be written here, beside the base URL and the owner that are written with it?
    fn may_be_kept(
        &self,
        entry: &Entry,
        rule: &StoredRule,
        stored: &Stored<'_>,
        found: &Found,
        text: &FoundText,
    ) -> bool {
        let Some(declared) = &rule.destination else { return false };
        let (bound_here, owner_here) = (Self::bound(declared, found, text), stored.owner(rule, found, text));
        let base_here = self.base(&bound_here);
        let goes_there = |own: &Bound| {
            let both = self.base(own).zip(base_here.as_ref());
            // Where nothing names a destination, the value goes nowhere from now on. Where another entry names it, that could be
            // any destination, unless it is the same entry as before.
            bound_here == Bound::Nowhere || *own == bound_here || both.is_some_and(|(own, here)| own.fits(here))
        };
        entry.holds.iter().any(|hold| match hold {
            Hold::Class { class, destination, owner } | Hold::Withheld { class, destination, owner } => {
                let is_owner = || match &owner_here {
                    // Where no owner is named, the value is nobody's from now on: it is not shown any more.
                    Owner::Undeclared | Owner::Name(None) => true,
                    Owner::Name(named) => self.is_owner(owner, named.as_ref()),
                };
                let becomes = self.rules.class(*class).is_some_and(|class| class.stored_as.contains(&rule.class));
                becomes && is_owner() && goes_there(destination)
            }
            Hold::Unreadable { .. } => false,
        })
    }

    /// Surrogates outside of declared places: none may be there, but in spans that are for what was not readable.
    fn opened_rest(
        &self,
        value: &[u8],
        stored: &Stored<'_>,
        open: &Open,
        replaced: &mut Replaced,
    ) -> Result<(), String> {
        let (mut rest, mut may_be_here) = (Replaced::new(), HashMap::new());
        for (at, entry) in self.table.occurrences(value) {
            let span = usize::try_from(at).ok().map(|at| at..at + entry.surrogate.len());
            if span.as_ref().is_some_and(|span| json::within(replaced, |(outer, _)| outer, span)) {
                continue;
            }
            // An entry may hold a surrogate many times.
            let mut is_kept = |places: &[usize]| {
                let known = may_be_here.entry((entry.number, places.first().copied()));
                *known.or_insert_with(|| self.may_be_unreadable(entry, stored, places))
            };
            let is_open = |span: &Range<usize>| match json::around(&open.declared, |open| &open.span, span) {
                Some(open) => is_kept(&open.places),
                None => json::within(&open.others, |outer| outer, span) && is_kept(&[]),
            };
            let Some(span) = span.filter(is_open) else {
                return Err(class_name(&self.rules, entry));
            };
            let is_whole = value.get(span.clone()) == Some(entry.surrogate.as_bytes());
            if !is_whole || !needs_no_escape(&entry.value) {
                return Err(class_name(&self.rules, entry));
            }
            rest.push((span, Zeroizing::new(entry.value.as_bytes().to_vec())));
        }
        replaced.append(&mut rest);
        Ok(())
    }

    /// May a value be written where the entry keeps what the engine could not read? `places` are the open places there, of
    /// which those of its class take a value that was readable.
    fn may_be_unreadable(&self, entry: &Entry, stored: &Stored<'_>, places: &[usize]) -> bool {
        entry.holds.iter().any(|hold| match hold {
            Hold::Unreadable { .. } => is_of_prefix(hold, stored.prefix),
            Hold::Class { class, .. } => {
                let becomes = self.rules.class(*class).map(|own| own.stored_as.as_slice()).unwrap_or_default();
                stored.rules_of(places).any(|rule| becomes.contains(&rule.class))
            }
            // In an open place, the next read could hand it out.
            Hold::Withheld { .. } => false,
        })
    }
}

/// Bytes that the note of an entry takes that no rule can read.
const UNREAD_BYTES: usize = 32;

/// The parts of an entry that are for what the engine could not read.
#[derive(Default)]
struct Open {
    /// Declared fields.
    declared: Vec<FoundOpen>,
    /// What no rule can read, if the entry is as the guest got it.
    others: Vec<Range<usize>>,
}

/// What is declared of the entry with one key.
struct Stored<'a> {
    prefix: &'a str,
    /// The rest of the key.
    name: &'a str,
    rules: Vec<&'a StoredRule>,
}

impl<'a> Stored<'a> {
    fn of(rules: &'a Rules, key: &'a str) -> Option<Self> {
        let rules: Vec<&StoredRule> = rules.stored.iter().filter(|rule| key.starts_with(&rule.prefix)).collect();
        let prefix = rules.first()?.prefix.as_str();
        Some(Self { prefix, name: key.strip_prefix(prefix)?, rules })
    }

    /// The rules of the places at which something was found.
    fn rules_of(&self, places: &[usize]) -> impl Iterator<Item = &'a StoredRule> {
        places.iter().filter_map(|place| self.rules.get(*place).copied())
    }

    /// Whose a value is that a rule finds.
    fn owner(&self, rule: &StoredRule, found: &Found, text: &FoundText) -> Owner {
        match &rule.owner {
            None => Owner::Undeclared,
            Some(StoredOwner::Key) => Owner::Name(Some(Name { text: self.name.to_owned(), is_own: true })),
            Some(StoredOwner::Sibling(key)) => Owner::Name(match found.beside(text.object, key) {
                BesideText::Text(text) => Some(Name { text, is_own: true }),
                BesideText::Missing | BesideText::Other => None,
            }),
        }
    }

    fn place(&self, what: &str) -> String {
        format!("a storage entry below `{}`, {what}", self.prefix)
    }
}

/// Finds the places of rules in an entry, with what is declared beside them and what the outermost object has under `keys`.
fn find<'a>(
    value: &[u8],
    stored: &[&'a StoredRule],
    rules: &Rules,
    keys: impl Iterator<Item = &'a str>,
) -> Result<Found, json::Unsearchable> {
    let places: Vec<Place<'_>> =
        stored.iter().map(|rule| rules.place(&rule.at, rule.class, rule.destination.is_none())).collect();
    let declared = stored.iter().filter_map(|rule| rule.destination.as_ref());
    let owners = stored.iter().filter_map(|rule| match &rule.owner {
        Some(StoredOwner::Sibling(key)) => Some(key.as_str()),
        Some(StoredOwner::Key) | None => None,
    });
    let beside: Vec<&str> = declared.flat_map(keys_beside).chain(owners).chain(keys).collect();
    json::find(value, Wanted { places: &places, beside: &beside, any_case: false })
}

fn is_of_prefix(hold: &Hold, own: &str) -> bool {
    matches!(hold, Hold::Unreadable { prefix } if prefix == own)
}

/// The shape of what could be a secret in what cannot be read.
fn unreadable() -> Shape {
    let secret_characters_min = u32::try_from(SECRET_CHARACTERS_MIN).unwrap_or(u32::MAX);
    Shape {
        public: String::new(),
        alphabet: Alphabet::LettersAndDigits,
        plain_endings: Vec::new(),
        secret_characters_min,
    }
}

/// Is a text the same in JSON?
fn needs_no_escape(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..0x7f).contains(&byte) && byte != b'"' && byte != b'\\')
}

/// A key as storage sees it, which may take `a//b` and `a/./b` for `a/b`.
fn one_spelling(key: &str) -> String {
    let segments = key.split('/').filter(|segment| !matches!(*segment, "" | "."));
    segments.collect::<Vec<_>>().join("/")
}
