//! All keys below a prefix. Names of new things hold no slash, so this is one
//! list; what an old mount holds may, and then its folders are walked too.

use secrets_framework::Error;
use secrets_framework::host::StorageView;

use super::key::is_key;
use crate::limits::{LIST_PAGE, STORAGE_KEY_BYTES_MAX, WALK_DEPTH_MAX};

/// The keys below `folder` (empty, or with a trailing slash) whose rest begins
/// with `start`, sorted by folder, each without `folder`; at most `max`.
pub(crate) fn keys_below(
    view: &(impl StorageView + ?Sized),
    folder: &str,
    start: &str,
    max: usize,
) -> Result<Vec<String>, Error> {
    let (sub_folder, name_start) = match start.rfind('/') {
        Some(slash) => start.split_at(slash + 1),
        None => ("", start),
    };
    let mut walk = Walk { view, folder, keys: Vec::new(), max, is_cut: false };
    walk.descend(sub_folder, name_start, 0)?;
    if walk.is_cut {
        return Err(Error::Internal(format!("`{folder}` holds more than {max} entries")));
    }
    Ok(walk.keys)
}

/// The first keys below `folder`, as [`keys_below`] has them, for work that goes on with those of a next call.
pub(crate) fn first_keys_below(
    view: &(impl StorageView + ?Sized),
    folder: &str,
    max: usize,
) -> Result<Vec<String>, Error> {
    let mut walk = Walk { view, folder, keys: Vec::new(), max, is_cut: false };
    walk.descend("", "", 0)?;
    Ok(walk.keys)
}

/// Visits the names below `prefix` after the name `after`, page by page, until `visit` has enough. The first page has
/// `first` names.
pub(crate) fn visit_names(
    view: &(impl StorageView + ?Sized),
    prefix: &str,
    after: &str,
    first: u32,
    mut visit: impl FnMut(&str) -> Result<bool, Error>,
) -> Result<(), Error> {
    let (mut after, mut size) = (after.to_owned(), first);
    loop {
        let page = view.list_page(prefix, &after, size)?;
        for name in &page {
            if !visit(name)? {
                return Ok(());
            }
        }
        match page.last() {
            Some(last) if page.len() >= size as usize => after.clone_from(last),
            _ => return Ok(()),
        }
        size = LIST_PAGE;
    }
}

struct Walk<'a, V: ?Sized> {
    view: &'a V,
    folder: &'a str,
    keys: Vec<String>,
    max: usize,
    /// Are there more keys than `max`?
    is_cut: bool,
}

impl<V: StorageView + ?Sized> Walk<'_, V> {
    fn descend(&mut self, sub_folder: &str, name_start: &str, depth: usize) -> Result<(), Error> {
        let prefix = format!("{}{sub_folder}", self.folder);
        // An odd folder must not hide all others.
        if depth > WALK_DEPTH_MAX || prefix.contains("..") || prefix.len() > STORAGE_KEY_BYTES_MAX {
            return Ok(());
        }
        // The page begins right at the names asked for, so that the size of
        // the rest of the folder does not matter.
        let mut after = name_start.to_owned();
        loop {
            let page = self.view.list_page(&prefix, &after, LIST_PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.clone();
            let full = page.len() >= LIST_PAGE as usize;
            for name in page {
                if !name.starts_with(name_start) {
                    return Ok(());
                }
                if self.is_cut || self.keys.len() >= self.max {
                    self.is_cut = true;
                    return Ok(());
                }
                let key = format!("{sub_folder}{name}");
                if name.ends_with('/') {
                    self.descend(&key, "", depth + 1)?;
                } else if is_key(&format!("{}{key}", self.folder)) {
                    self.keys.push(key);
                }
            }
            if !full {
                return Ok(());
            }
        }
    }
}
