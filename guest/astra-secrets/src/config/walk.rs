//! All keys below a prefix. Names of new things hold no slash, so this is one
//! list; what an old mount holds may, and then its folders are walked too.

use secrets_framework::Error;
use secrets_framework::host::StorageView;

use crate::limits::{LIST_PAGE, WALK_DEPTH_MAX};

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
    let mut walk = Walk { view, folder, keys: Vec::new(), max };
    walk.descend(sub_folder, name_start, 0)?;
    Ok(walk.keys)
}

struct Walk<'a, V: ?Sized> {
    view: &'a V,
    folder: &'a str,
    keys: Vec<String>,
    max: usize,
}

impl<V: StorageView + ?Sized> Walk<'_, V> {
    fn descend(&mut self, sub_folder: &str, name_start: &str, depth: usize) -> Result<(), Error> {
        if depth > WALK_DEPTH_MAX {
            return Err(Error::Internal(format!(
                "`{}` holds folders in more than {WALK_DEPTH_MAX} levels",
                self.folder
            )));
        }
        let prefix = format!("{}{sub_folder}", self.folder);
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
                if self.keys.len() >= self.max {
                    return Err(Error::Internal(format!("`{}` holds more than {} entries", self.folder, self.max)));
                }
                let key = format!("{sub_folder}{name}");
                if name.ends_with('/') {
                    self.descend(&key, "", depth + 1)?;
                } else {
                    self.keys.push(key);
                }
            }
            if !full {
                return Ok(());
            }
        }
    }
}
