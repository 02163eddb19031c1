//! Incompatibilities of an update, as tables.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::super::manifest::tests::manifest;
use super::*;

type Change = fn(&mut ModuleManifest);

/// The outcome of the check for a module that differs from the previous one by `change`.
fn checked(change: Change, force: bool, accepted: &[&str]) -> Result<(), String> {
    let mut new = manifest("2.0.0");
    change(&mut new);
    let accepted = accepted.iter().map(|&word| word.to_owned()).collect();
    let terms = Terms { force, accepted: &accepted, embedded: false };
    check_update(&new, Some(&manifest("1.0.0")), terms).map_err(|rejection| rejection.to_string())
}

#[test]
fn a_compatible_update_is_accepted() {
    assert_eq!(checked(|_| (), false, &[]), Ok(()));
    assert_eq!(checked(|new| new.secret_kinds.extend(["more".into()]), false, &[]), Ok(()));
    assert_eq!(checked(|new| new.capabilities.clear(), false, &[]), Ok(()));
    assert_eq!(checked(|new| new.sudo.extend(["other".into()]), false, &[]), Ok(()));
}

#[test]
fn each_incompatibility_is_reported() {
    let rows: [(Change, &str); 7] = [
        (|new| new.secret_kinds.clear(), "leases of `token` could not be renewed or revoked"),
        (|new| (new.storage_written, new.storage_readable_from) = (3, 2), "reads storage from version 2 on"),
        (|new| new.storage_written = 2, "a revert would be impossible"),
        (|new| (new.storage_written, new.storage_readable_from) = (0, 0), "has storage of version 1"),
        (|new| new.capabilities.extend(["outbound-http".into()]), "accept_capabilities=outbound-http"),
        (|new| new.unauthenticated.extend(["open/*".into()]), "accept_capabilities=unauthenticated:open/*"),
        (|new| new.sudo.clear(), "accept_capabilities=no-sudo:admin"),
    ];
    for (change, expected) in rows {
        let rejected = checked(change, false, &[]).unwrap_err();
        assert!(rejected.contains(expected), "{rejected}");
    }
    assert!(
        checked(|new| new.engine = "other".into(), false, &[]).unwrap_err().contains("belongs to the engine `tiny`")
    );
}

#[test]
fn force_lifts_only_the_incompatibilities_that_prevent_a_revert() {
    assert_eq!(checked(|new| new.storage_written = 2, true, &[]), Ok(()));
    assert_eq!(checked(|new| (new.storage_written, new.storage_readable_from) = (0, 0), true, &[]), Ok(()));
    assert_eq!(checked(|new| new.engine = "other".into(), true, &[]), Ok(()));
    let never: [Change; 3] = [
        |new| new.secret_kinds.clear(),
        |new| (new.storage_written, new.storage_readable_from) = (3, 2),
        |new| new.capabilities.extend(["clock".into()]),
    ];
    assert!(never.into_iter().all(|change| checked(change, true, &[]).is_err()));
}

#[test]
fn additional_capabilities_must_all_be_accepted() {
    let two: Change = |new| new.capabilities.extend(["clock".to_owned(), "random".to_owned()]);
    assert!(checked(two, false, &["clock"]).is_err());
    assert_eq!(checked(two, false, &["clock", "random"]), Ok(()));
}

#[test]
fn the_same_bytes_and_a_mount_without_a_state_need_no_update_check() {
    let mut odd = manifest("1.0.0");
    odd.secret_kinds.clear();
    let terms = Terms { force: false, accepted: &BTreeSet::new(), embedded: false };
    assert_eq!(check_update(&odd, Some(&manifest("1.0.0")), terms), Ok(()));
    assert_eq!(check_update(&odd, None, terms), Ok(()));
}

#[test]
fn the_first_module_of_its_engine_is_asked_for_its_paths_without_a_token() {
    let mut first = manifest("1.0.0");
    first.unauthenticated.insert("open/*".into());
    let word = BTreeSet::from(["unauthenticated:open/*".to_owned()]);
    let none = BTreeSet::new();
    let terms = |accepted, force, embedded| Terms { force, accepted, embedded };
    let asked = check_update(&first, None, terms(&none, true, false)).unwrap_err().to_string();
    assert!(asked.contains("first module") && asked.contains("accept_capabilities=unauthenticated:open/*"), "{asked}");
    assert_eq!(check_update(&first, None, terms(&word, false, false)), Ok(()));
    assert_eq!(check_update(&first, None, terms(&none, false, true)), Ok(()), "the binary is accepted by its SHA-256");
    let mut other = manifest("2.0.0");
    other.engine = "other".into();
    assert!(check_update(&first, Some(&other), terms(&none, true, false)).is_err(), "force takes only the storage");
    assert_eq!(check_update(&first, Some(&other), terms(&word, true, false)), Ok(()));
}

#[test]
fn the_embedded_module_needs_no_acceptance_of_its_own() {
    let terms = Terms { force: false, accepted: &BTreeSet::new(), embedded: true };
    let checked = |change: Change| {
        let mut new = manifest("2.0.0");
        change(&mut new);
        check_update(&new, Some(&manifest("1.0.0")), terms).is_ok()
    };
    assert!(checked(|new| new.capabilities.extend(["clock".into()])));
    assert!(checked(|new| new.storage_written = 2), "the operator can register the previous binary");
    assert!(!checked(|new| new.secret_kinds.clear()));
    assert!(!checked(|new| (new.storage_written, new.storage_readable_from) = (0, 0)), "it is older");
}
