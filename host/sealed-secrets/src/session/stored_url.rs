//! Base URLs in storage. The host knows those of the entries that the guest reads during the request: the URL of the
//! object that a value belongs to counts, and no other.

use percent_encoding::percent_decode_str;

use crate::base_url::BaseUrl;
use crate::declaration::StoredUrl;
use crate::json::{BesideText, Found};
use crate::limits::BASE_URLS_MAX;
use crate::rules::Rules;
use crate::table::{Bound, StoredBase};

/// The base URLs of the entries that the guest read.
#[derive(Default)]
pub(crate) struct StoredUrls(Vec<KnownUrl>);

struct KnownUrl {
    prefix: String,
    name: String,
    second_name: Option<String>,
    url: BesideText,
}

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
        let is_known = self.0.iter().any(|known| known.prefix == new.stored.prefix && known.name == new.name);
        (!is_known && self.0.len() < BASE_URLS_MAX).then_some(new)
    }

    /// Notes what was found in an entry under [`NewUrl::keys`]. `found` is none if the entry is no JSON.
    pub(crate) fn note(&mut self, new: &NewUrl<'_>, found: Option<&Found>) {
        let text = |key: &str| found.map_or(BesideText::Other, |found| found.outermost(key));
        let second_name = match new.stored.second_name.as_deref().map(text) {
            Some(BesideText::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        let (prefix, name, url) = (new.stored.prefix.clone(), new.name.to_owned(), text(&new.stored.key));
        self.0.push(KnownUrl { prefix, name, second_name, url });
    }

    /// Do two names mean one object? A name is the rest of a key, perhaps with `%` for what no segment has, or the second name
    /// that one known entry has, and no other.
    pub(crate) fn is_one(&self, name: &str, other: &str) -> bool {
        let decoded = |name: &str| percent_decode_str(name).decode_utf8_lossy().to_lowercase();
        let is_same = |one: &str, other: &str| one.eq_ignore_ascii_case(other) || decoded(one) == decoded(other);
        let is_second = |name: &str, second: &str| {
            let known = |known: &&KnownUrl| known.second_name.as_deref() == Some(second);
            let mut with_it = self.0.iter().filter(known);
            with_it.next().is_some_and(|known| is_same(&known.name, name)) && with_it.next().is_none()
        };
        is_same(name, other) || is_second(name, other) || is_second(other, name)
    }

    /// The URL of an object. Objects that have the same name and other URLs have none.
    pub(crate) fn base(&self, wanted: &StoredBase) -> Option<BaseUrl> {
        let is_named = |known: &&KnownUrl| {
            let is_name =
                known.name.eq_ignore_ascii_case(&wanted.name) || known.second_name.as_ref() == Some(&wanted.name);
            known.prefix == wanted.prefix && is_name
        };
        let mut bases = self.0.iter().filter(is_named).map(|known| bound(&known.url, wanted.otherwise.as_deref()));
        let first = bases.next().unwrap_or_else(|| bound(&BesideText::Missing, wanted.otherwise.as_deref()));
        match first {
            Bound::Base(base) if bases.all(|other| other == Bound::Base(base.clone())) => {
                Some(if wanted.any_path { base.any_path() } else { base })
            }
            _ => None,
        }
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

/// The base URL that storage has for an object; none without a name.
pub(crate) fn of_object(stored: &StoredUrl, name: Option<String>, otherwise: Option<&str>, any_path: bool) -> Bound {
    let otherwise = otherwise.map(str::to_owned);
    Bound::Stored(StoredBase { prefix: stored.prefix.clone(), name: name.unwrap_or_default(), otherwise, any_path })
}
