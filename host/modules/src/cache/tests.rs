//! Entries as files: each has a size limit, and is complete or absent.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_types, reason = "tests lay out directories")]

use std::fs;

use super::*;

#[test]
fn an_entry_is_read_as_it_was_written_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made/when/needed");
    assert_eq!(read(&path, "a.sealed"), Ok(None));
    write(&path, "a.sealed", b"code").unwrap();
    assert_eq!(read(&path, "a.sealed"), Ok(Some(b"code".to_vec())));
    assert_eq!(read(&path, "b.sealed"), Ok(None));
    assert_eq!(fs::metadata(path.join("a.sealed")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn entries_have_a_size_and_lead_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let huge = fs::File::create(dir.path().join("huge.sealed")).unwrap();
    huge.set_len(CACHE_ENTRY_BYTES_MAX + 1).unwrap();
    assert!(read(&dir.path().to_owned(), "huge.sealed").unwrap_err().contains("more than"));
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("link.sealed")).unwrap();
    assert!(read(&dir.path().to_owned(), "link.sealed").is_err());
}

#[test]
fn all_entries_together_have_a_size() {
    let path = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(path.path(), ambient_authority()).unwrap();
    for number in 0..5 {
        let file = fs::File::create(path.path().join(format!("{number}.sealed"))).unwrap();
        file.set_len(CACHE_BYTES_MAX / 4).unwrap();
    }
    make_room(&dir, 1).unwrap();
    assert_eq!(fs::read_dir(path.path()).unwrap().count(), 3, "the new one has room beside them");
}
