//! The part of a list that a client asks for, by the fields that all lists have. The server fills them in itself where
//! its own `pagination_limit` is set.

use secrets_framework::{Field, FieldData, FieldType};

/// Where a page begins.
pub(crate) const AFTER: Field = Field::new(
    "after",
    FieldType::String,
    "Key after which the list begins; the key need not exist. Empty = from the first.",
);

/// How long a page is.
pub(crate) const LIMIT: Field =
    Field::new("limit", FieldType::Int64, "How many keys to list at the most; 0 = all that one answer holds.");

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Page<'a> {
    /// The key after which it begins; empty = from the first.
    pub(crate) after: &'a str,
    /// How many keys; none = all.
    pub(crate) limit: Option<usize>,
}

impl<'a> Page<'a> {
    /// The page that a request asks for.
    pub(crate) fn of(data: &'a FieldData) -> Self {
        let limit = data.int("limit").and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
        Self { after: data.text("after").unwrap_or_default(), limit }
    }

    /// Is the whole list asked for?
    pub(crate) fn is_whole(&self) -> bool {
        self.after.is_empty() && self.limit.is_none()
    }

    /// The part of `items` that the page shows, sorted by their keys.
    pub(crate) fn of_items<T>(&self, mut items: Vec<T>, key: impl Fn(&T) -> &str) -> Vec<T> {
        items.sort_by(|one, other| key(one).cmp(key(other)));
        items.retain(|item| key(item) > self.after);
        items.truncate(self.limit.unwrap_or(usize::MAX));
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_after_a_key_that_need_not_exist_and_has_its_length() {
        let of = |after, limit| Page { after, limit }.of_items(vec!["d", "a", "c"], |item| item);
        assert_eq!(of("", None), ["a", "c", "d"]);
        assert_eq!(of("b", Some(1)), ["c"]);
        assert_eq!(of("c", Some(5)), ["d"]);
        assert!(of("d", Some(1)).is_empty());
    }
}
