//! Base URLs in storage. The host knows those of the entries that the guest reads during the request: the URL of the
//! object that a value belongs to counts, and no other.

use std::collections::{HashMap, HashSet};

use percent_encoding::percent_decode_str;

use crate::base_url::BaseUrl;
use crate::declaration::StoredUrl;
use crate::json::{BesideText, Found};
use crate::limits::BASE_URLS_MAX;
use crate::rules::Rules;
use crate::table::{Bound, Name, StoredBase};

/// The base URLs of the entries that the guest read.
#[derive(Default)]
pub(crate) struct StoredUrls {
    /// The number of entries, also of those that are not noted.
    known: usize,
    by_prefix: HashMap<String, OfPrefix>,
    /// The name of the entry with a second name; none if several entries have it.
    by_second_name: HashMap<String, Option<String>>,
}

/// Entries below one prefix.
#[derive(Default)]
struct OfPrefix {
    names: HashSet<String>,
    /// By names in small letters.
    by_name: HashMap<String, Vec<KnownUrl>>,
    by_second_name: HashMap<String, Vec<KnownUrl>>,
}

/// What an entry has as its base URL.
#[derive(Clone, Debug, PartialEq, Eq)]
enum KnownUrl {
    /// Nothing: what is declared otherwise counts.
    Missing,
    /// A base URL.
    Base(BaseUrl),
    /// Something else.
    Other,
}

/// Different URLs of one name that are noted: three cannot be one URL, whatever counts for those that are missing.
const DIFFERENT_URLS_NOTED: usize = 3;

/// Bytes that an entry takes beside its texts: its places in four maps.
const ENTRY_BYTES: usize = 512;

/// An entry that the guest reads and whose base URL is not noted yet.
pub(crate) struct NewUrl<'a> {
    stored: &'a StoredUrl,
    /// The rest of the key.
    name: &'a str,
}

impl<'a> NewUrl<'a> {
    /// The keys of the outermost object that hold the URL and the second name.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        std::iter::once(self.stored.key.as_str()).chain(self.stored.second_name.as_deref())
    }
}

impl StoredUrls {
    /// The entry with a key, if a declared destination could be there. What was noted once stays: another answer to the same
    /// read is no reason to send a value elsewhere.
    pub(crate) fn new_url<'a>(&self, rules: &'a Rules, key: &'a str) -> Option<NewUrl<'a>> {
        let of_prefix = |stored: &'a StoredUrl| Some(NewUrl { stored, name: key.strip_prefix(&stored.prefix)? });
        let new = rules.stored_urls.iter().find_map(of_prefix)?;
        let is_known = self.by_prefix.get(&new.stored.prefix).is_some_and(|known| known.names.contains(new.name));
        (!is_known && self.known < BASE_URLS_MAX).then_some(new)
    }

    /// Passes over an entry from now on: what the guest writes in a request names no destination in it. Returns the bytes that
    /// this takes.
    pub(crate) fn pass_over(&mut self, new: &NewUrl<'_>) -> usize {
        self.known += 1;
        self.by_prefix.entry(new.stored.prefix.clone()).or_default().names.insert(new.name.to_owned());
        ENTRY_BYTES + new.stored.prefix.len() + new.name.len()
    }

    /// Notes no more entries.
    pub(crate) fn close(&mut self) {
        self.known = BASE_URLS_MAX;
    }

    /// Notes what was found in an entry under [`NewUrl::keys`], and returns the bytes that this takes. `found` is none if the
    /// entry was not searched.
    pub(crate) fn note(&mut self, new: &NewUrl<'_>, found: Option<&Found>) -> usize {
        let text = |key: &str| found.map_or(BesideText::Other, |found| found.outermost(key));
        let second_name = match new.stored.second_name.as_deref().map(text) {
            Some(BesideText::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        let url = match text(&new.stored.key) {
            BesideText::Text(text) if !text.is_empty() => BaseUrl::parse(&text).map_or(KnownUrl::Other, KnownUrl::Base),
            BesideText::Text(_) | BesideText::Missing => KnownUrl::Missing,
            BesideText::Other => KnownUrl::Other,
        };
        let of_url = if let KnownUrl::Base(base) = &url { base.bytes() } else { 0 };
        let of_second_name = second_name.as_ref().map_or(0, String::len);
        self.known += 1;
        let of_prefix = self.by_prefix.entry(new.stored.prefix.clone()).or_default();
        of_prefix.names.insert(new.name.to_owned());
        if let Some(second_name) = second_name {
            add(of_prefix.by_second_name.entry(second_name.clone()).or_default(), url.clone());
            let entry = self.by_second_name.entry(second_name);
            entry.and_modify(|known| *known = None).or_insert_with(|| Some(new.name.to_owned()));
        }
        add(of_prefix.by_name.entry(new.name.to_ascii_lowercase()).or_default(), url);
        ENTRY_BYTES + new.stored.prefix.len() + 3 * new.name.len() + 2 * (of_second_name + of_url)
    }

    /// Do two names mean one object? A name is the rest of a key, perhaps with `%` for what no segment has, or the second name
    /// that one known entry has, and no other. What is an object's own name is no second one: a module could write it into the
    /// entry of another object.
    pub(crate) fn is_one(&self, name: &Name, other: &Name) -> bool {
        let decoded = |name: &str| percent_decode_str(name).decode_utf8_lossy().to_lowercase();
        let is_plain = |name: &str| name.is_ascii() && !name.contains('%');
        let is_same = |one: &str, other: &str| {
            one.eq_ignore_ascii_case(other) || !(is_plain(one) && is_plain(other)) && decoded(one) == decoded(other)
        };
        let is_second = |name: &Name, second: &Name| {
            let known = self.by_second_name.get(&second.text).and_then(Option::as_deref);
            !second.is_own && known.is_some_and(|known| is_same(known, &name.text))
        };
        is_same(&name.text, &other.text) || is_second(name, other) || is_second(other, name)
    }

    /// The URL of an object. Objects that have the same name and other URLs have none.
    pub(crate) fn base(&self, wanted: &StoredBase) -> Option<BaseUrl> {
        let of_prefix = self.by_prefix.get(&wanted.prefix);
        let named = of_prefix.and_then(|known| known.by_name.get(&wanted.name.to_ascii_lowercase()));
        let second = of_prefix.and_then(|known| known.by_second_name.get(&wanted.name));
        let otherwise = || wanted.otherwise.as_deref().and_then(BaseUrl::parse);
        let mut bases = named.into_iter().chain(second).flatten().map(|known| match known {
            KnownUrl::Missing => otherwise(),
            KnownUrl::Base(base) => Some(base.clone()),
            KnownUrl::Other => None,
        });
        let first = bases.next().unwrap_or_else(otherwise)?;
        let is_one = bases.all(|other| other.as_ref() == Some(&first));
        is_one.then(|| if wanted.any_path { first.any_path() } else { first })
    }
}

fn add(urls: &mut Vec<KnownUrl>, url: KnownUrl) {
    if urls.len() < DIFFERENT_URLS_NOTED && !urls.contains(&url) {
        urls.push(url);
    }
}

/// The base URL that stands beside a value.
pub(crate) fn bound(beside: &BesideText, otherwise: Option<&str>) -> Bound {
    let text = match beside {
        BesideText::Text(text) if !text.is_empty() => Some(text.as_str()),
        BesideText::Text(_) | BesideText::Missing => otherwise,
        BesideText::Other => None,
    };
    text.and_then(BaseUrl::parse).map_or(Bound::Nowhere, Bound::Base)
}

/// The base URL that storage has for an object; without a name, the one that counts otherwise.
pub(crate) fn of_object(stored: &StoredUrl, name: Option<String>, otherwise: Option<&str>, any_path: bool) -> Bound {
    let name = name.unwrap_or_default();
    if name.is_empty() && otherwise.is_none() {
        return Bound::Nowhere;
    }
    let otherwise = otherwise.map(str::to_owned);
    Bound::Stored(StoredBase { prefix: stored.prefix.clone(), name, otherwise, any_path })
}
