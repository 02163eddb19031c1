//! The host's part of a mount's storage, which guests can neither reach nor see.

use envelope::{StorageError, StorageView};

/// Keys below this prefix belong to the host.
pub const RESERVED_PREFIX: &str = "secrets-engine-host/";
/// The host serves this path of a mount, and all paths below.
pub const RESERVED_PATH: &str = "module";
/// The host serves this path, too. Its answer contains the guest's own metrics.
pub const METRICS_PATH: &str = "metrics";

/// True for a key or prefix of the host's part, in any spelling: storage in files reads `a/./b` and `a//b` as `a/b`.
pub(crate) fn is_reserved(path: &str) -> bool {
    let first = path.split('/').find(|segment| !matches!(*segment, "" | "."));
    first.is_some_and(|first| Some(first) == RESERVED_PREFIX.strip_suffix('/'))
}

/// All names below a prefix, or a page of them (the name before the page, and the size), without the host's part.
///
/// # Errors
/// As the view's own errors.
pub(crate) async fn list_visible(
    view: &dyn StorageView,
    prefix: &str,
    page: Option<(&str, u32)>,
) -> Result<Vec<String>, StorageError> {
    // Only the root has a name to hide. A page of the root asks for one name more, so that the page is full without the
    // hidden name.
    let is_root = prefix.split('/').all(|segment| matches!(segment, "" | "."));
    let mut names = match page {
        None => view.list(prefix).await?,
        Some((_, 0)) => Vec::new(),
        Some((after, limit)) if is_root => view.list_page(prefix, after, limit.saturating_add(1)).await?,
        Some((after, limit)) => view.list_page(prefix, after, limit).await?,
    };
    if is_root {
        names.retain(|name| name != RESERVED_PREFIX);
    }
    if let Some((_, limit)) = page {
        names.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use envelope::StorageEntry;

    use super::*;

    #[test]
    fn the_hosts_part_is_recognised_in_any_spelling() {
        for reserved in [
            "secrets-engine-host/",
            "secrets-engine-host/module",
            "secrets-engine-host",
            "./secrets-engine-host/module",
            ".//secrets-engine-host//module",
        ] {
            assert!(is_reserved(reserved), "{reserved}");
        }
        for free in ["", "./", "role/secrets-engine-host/a", "secrets-engine-hosts/a", "secrets-engine", "."] {
            assert!(!is_reserved(free), "{free}");
        }
    }

    /// A storage with these names and no values.
    struct Names(Vec<&'static str>);

    #[async_trait]
    impl StorageView for Names {
        async fn get(&self, _: &str) -> Result<Option<StorageEntry>, StorageError> {
            Ok(None)
        }
        async fn put(&self, _: StorageEntry) -> Result<(), StorageError> {
            Ok(())
        }
        async fn delete(&self, _: &str) -> Result<(), StorageError> {
            Ok(())
        }
        async fn list(&self, _: &str) -> Result<Vec<String>, StorageError> {
            Ok(self.0.iter().map(|&name| name.to_owned()).collect())
        }
        async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, StorageError> {
            let names = self.list(prefix).await?;
            Ok(names.into_iter().filter(|name| name.as_str() > after).take(limit as usize).collect())
        }
    }

    #[tokio::test]
    async fn a_list_of_the_root_hides_the_hosts_part_and_pages_stay_full() {
        let storage = Names(vec!["config", "role/", "secrets-engine-host/", "token/", "zone"]);
        type Row = (&'static str, Option<(&'static str, u32)>, &'static [&'static str]);
        let rows: [Row; 8] = [
            ("", None, &["config", "role/", "token/", "zone"]),
            ("./", None, &["config", "role/", "token/", "zone"]),
            ("", Some(("", 2)), &["config", "role/"]),
            ("", Some(("", 3)), &["config", "role/", "token/"]),
            ("", Some(("role/", 1)), &["token/"]),
            ("", Some(("", u32::MAX)), &["config", "role/", "token/", "zone"]),
            ("", Some(("", 0)), &[]),
            // Below another prefix, the same name belongs to the guest.
            ("a/", Some(("role/", 2)), &["secrets-engine-host/", "token/"]),
        ];
        for (prefix, page, expected) in rows {
            assert_eq!(list_visible(&storage, prefix, page).await, Ok(expected.iter().map(|&n| n.into()).collect()));
        }
    }
}
