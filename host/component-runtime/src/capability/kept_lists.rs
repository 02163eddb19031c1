//! Lists of one request, for a server that cannot list pages: such a server sends all names of a folder, and would send
//! them again for each page that a guest reads.
//!
//! The first page always comes from the server. Later pages come from the list that the first page read, until the
//! guest writes below the folder or gets a lock: after it gets the lock, the guest must see all writes of other
//! requests.

use std::collections::VecDeque;

use crate::limits::{KEPT_LIST_BYTES_MAX, KEPT_LISTS_MAX};
use crate::memory_account::Held;

/// The kept lists, the most recently used first.
#[derive(Default)]
pub(crate) struct KeptLists(VecDeque<KeptList>);

struct KeptList {
    prefix: String,
    /// Names in order.
    names: Vec<String>,
    bytes: usize,
    _held: Held,
}

impl KeptLists {
    /// The page of a kept list after the name `after`; `None` if the server must be asked.
    pub(crate) fn page(&mut self, prefix: &str, after: &str, limit: u32) -> Option<Vec<String>> {
        let at = self.0.iter().position(|kept| kept.prefix == prefix && !after.is_empty())?;
        let kept = self.0.remove(at)?;
        let page = page(&kept.names, after, limit);
        self.0.push_front(kept);
        Some(page)
    }

    /// Keeps a list for further pages, in place of an earlier list of the folder, and returns a page of it. `held` is
    /// the memory of the list.
    pub(crate) fn keep(
        &mut self,
        prefix: String,
        (names, held): (Vec<String>, Held),
        after: &str,
        limit: u32,
    ) -> Vec<String> {
        self.0.retain(|kept| kept.prefix != prefix);
        let page = page(&names, after, limit);
        // A folder that fits in one page needs no second one.
        if page.len() < names.len() {
            let bytes = names.iter().map(String::len).sum();
            self.0.push_front(KeptList { prefix, names, bytes, _held: held });
            self.0.truncate(KEPT_LISTS_MAX);
        }
        while self.0.iter().map(|kept| kept.bytes).sum::<usize>() > KEPT_LIST_BYTES_MAX {
            self.0.pop_back();
        }
        page
    }

    /// Forgets the lists that contain this key, because the guest writes the key.
    pub(crate) fn forget_key(&mut self, key: &str) {
        self.0.retain(|kept| !key.starts_with(&kept.prefix));
    }

    /// Forgets all lists.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}

/// Cuts a page as servers do: an entry at the prefix itself, whose name is empty, is on the first page.
fn page(names: &[String], after: &str, limit: u32) -> Vec<String> {
    let first = if after.is_empty() { 0 } else { names.partition_point(|name| name.as_str() <= after) };
    names.iter().skip(first).take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_account::Account;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn held(names: Vec<String>) -> (Vec<String>, Held) {
        (names, Account::for_tests().nothing())
    }

    fn with(prefix: &str) -> KeptLists {
        let mut kept = KeptLists::default();
        assert_eq!(kept.keep(prefix.to_owned(), held(names(&["", "a", "b", "c"])), "", 2), names(&["", "a"]));
        kept
    }

    #[test]
    fn further_pages_come_from_the_list_and_first_pages_from_the_server() {
        let mut kept = with("token/");
        let rows: [(&str, u32, &[&str]); 5] =
            [("a", 1, &["b"]), ("a", 9, &["b", "c"]), ("aa", 9, &["b", "c"]), ("c", 9, &[]), ("a", 0, &[])];
        for (after, limit, expected) in rows {
            assert_eq!(kept.page("token/", after, limit), Some(names(expected)), "{limit} after {after}");
        }
        assert_eq!(kept.page("token/", "", 9), None);
        assert_eq!(kept.page("role/", "a", 9), None);
    }

    #[test]
    fn a_write_below_a_folder_forgets_its_list_and_a_lock_all() {
        let mut kept = with("token/");
        kept.keep("role/".to_owned(), held(names(&["x", "y"])), "", 1);
        kept.forget_key("token/new");
        assert_eq!(kept.page("token/", "a", 9), None);
        assert_eq!(kept.page("role/", "x", 9), Some(names(&["y"])));
        kept.forget();
        assert_eq!(kept.page("role/", "x", 9), None);
    }

    #[test]
    fn a_list_is_replaced_and_one_that_fits_one_page_is_not_kept() {
        let mut kept = with("token/");
        assert_eq!(kept.keep("token/".to_owned(), held(names(&["a", "z"])), "", 1), names(&["a"]));
        assert_eq!(kept.page("token/", "a", 9), Some(names(&["z"])));
        kept.keep("token/".to_owned(), held(names(&["a"])), "", 1);
        assert_eq!(kept.page("token/", "a", 9), None);
    }

    #[test]
    fn lists_are_kept_up_to_a_number_and_a_size() {
        let mut kept = KeptLists::default();
        let is_kept = |kept: &mut KeptLists, at: usize| kept.page(&format!("{at}/"), "a", 1).is_some();
        for at in 0..=KEPT_LISTS_MAX {
            kept.keep(format!("{at}/"), held(names(&["a", "b"])), "", 1);
        }
        assert!(!is_kept(&mut kept, 0) && is_kept(&mut kept, 1) && is_kept(&mut kept, KEPT_LISTS_MAX));
        let large = || vec!["a".repeat(KEPT_LIST_BYTES_MAX / 2), "b".to_owned()];
        kept.keep("1/".to_owned(), held(large()), "", 1);
        kept.keep("2/".to_owned(), held(large()), "", 1);
        assert!(is_kept(&mut kept, 2) && !is_kept(&mut kept, 1), "the later one stays");
        kept.keep("3/".to_owned(), held(vec!["a".repeat(KEPT_LIST_BYTES_MAX), "b".to_owned()]), "", 1);
        assert!(!is_kept(&mut kept, 3) && !is_kept(&mut kept, 2));
    }
}
