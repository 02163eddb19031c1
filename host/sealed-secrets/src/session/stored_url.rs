//! Base URLs in storage, for a value that comes with a request that names no base URL: the URL of the object that the
//! request names counts, and no other.

use crate::base_url::BaseUrl;
use crate::declaration::StoredUrl;
use crate::json::BesideText;
use crate::limits::BASE_URLS_MAX;
use crate::table::Bound;

/// What a request with such a value knows of storage.
#[derive(Default)]
pub(crate) struct StoredUrls {
    wanted: Option<WantedUrl>,
    known: Vec<KnownUrl>,
}

struct WantedUrl {
    stored: StoredUrl,
    /// What the request names.
    name: String,
    otherwise: Option<String>,
}

struct KnownUrl {
    name: String,
    second_name: Option<String>,
    url: BesideText,
}

impl StoredUrls {
    /// The URL of the object `name` is wanted. One request is about one object: the first one counts.
    pub(crate) fn want(&mut self, stored: &StoredUrl, name: Option<String>, otherwise: Option<&str>) {
        let otherwise = otherwise.map(str::to_owned);
        let name = name.unwrap_or_default();
        self.wanted.get_or_insert_with(|| WantedUrl { stored: stored.clone(), name, otherwise });
    }

    /// What to read of an entry that the guest reads under this key; none if nothing of it is wanted.
    pub(crate) fn wanted<'a>(&self, key: &'a str) -> Option<(&'a str, &StoredUrl)> {
        let wanted = self.wanted.as_ref().filter(|_| self.known.len() < BASE_URLS_MAX)?;
        let name = key.strip_prefix(wanted.stored.prefix.as_str())?;
        Some((name, &wanted.stored))
    }

    pub(crate) fn know(&mut self, name: &str, second_name: Option<String>, url: BesideText) {
        self.known.push(KnownUrl { name: name.to_owned(), second_name, url });
    }

    /// Where a value may go whose request holds this in the field of the base URL.
    pub(crate) fn bound(&self, field: &BesideText, is_stored: bool, otherwise: Option<&str>) -> Bound {
        if *field == BesideText::Missing && is_stored { Bound::Stored } else { bound(field, otherwise) }
    }

    /// The URL of the object that the request names. Objects that have the same name and other URLs have none.
    pub(crate) fn base(&self) -> Option<BaseUrl> {
        let wanted = self.wanted.as_ref()?;
        let is_named = |known: &&KnownUrl| {
            known.name.eq_ignore_ascii_case(&wanted.name) || known.second_name.as_ref() == Some(&wanted.name)
        };
        let mut bases = self.known.iter().filter(is_named).map(|known| bound(&known.url, wanted.otherwise.as_deref()));
        let first = bases.next().unwrap_or_else(|| bound(&BesideText::Missing, wanted.otherwise.as_deref()));
        match first {
            Bound::Base(base) if bases.all(|other| other == Bound::Base(base.clone())) => Some(base),
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
