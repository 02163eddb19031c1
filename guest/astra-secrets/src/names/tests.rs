#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

/// The server's name pattern, without what the server refuses in a storage key.
fn is_allowed(text: &str) -> bool {
    matches_pattern(text) && !text.contains("..")
}

/// The server's name pattern, read as its regular expression is: one word
/// character, or two with any of the class between.
fn matches_pattern(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let chars: Vec<char> = text.chars().collect();
    match chars.as_slice() {
        [] => false,
        [only] => word(*only),
        [first, middle @ .., last] => {
            word(*first) && word(*last) && middle.iter().all(|&c| word(c) || c == '-' || c == '.')
        }
    }
}

proptest! {
    #[test]
    fn names_match_the_servers_pattern_without_two_dots_in_a_row(text in "\\PC{0,20}") {
        prop_assert_eq!(is_name(&text), is_allowed(&text));
    }

    #[test]
    fn likely_names_match_the_servers_pattern_without_two_dots_in_a_row(text in "[a-zA-Z0-9_.:/ -]{0,12}") {
        prop_assert_eq!(is_name(&text), is_allowed(&text));
    }

    #[test]
    fn parsed_names_make_one_storage_key(text in "\\PC{0,20}") {
        let names = [OrgId::parse(&text).map(|n| n.to_string()), RoleName::parse(&text).map(|n| n.to_string())];
        for name in names.into_iter().flatten() {
            prop_assert!(!name.contains(['/', ':']) && !name.contains(".."), "{}", name);
            prop_assert_eq!(name, text.as_str());
        }
    }

    #[test]
    fn refusals_are_short_and_plain(text in "\\PC{0,400}") {
        if let Err(error) = OrgId::parse(&text) {
            let error = error.to_string();
            prop_assert!(error.len() < 2_000 && error.starts_with("`org_id` is "));
            prop_assert!(!error.chars().any(char::is_control));
        }
    }
}

#[test]
fn a_name_has_at_most_128_bytes() {
    assert!(OrgId::parse(&"a".repeat(NAME_BYTES_MAX)).is_ok());
    assert!(OrgId::parse(&"a".repeat(NAME_BYTES_MAX + 1)).is_err());
    assert!(RoleName::parse(&"a".repeat(NAME_BYTES_MAX)).is_ok());
    assert!(RoleName::parse(&"a".repeat(NAME_BYTES_MAX + 1)).is_err());
    assert!(AstraRoleId::parse("role_id", &"a".repeat(NAME_BYTES_MAX)).is_ok());
    assert!(AstraRoleId::parse("role_id", &"a".repeat(NAME_BYTES_MAX + 1)).is_err());
}

#[test]
fn names_with_separators_are_refused_and_stored_ones_are_taken() {
    for odd in ["a/b", "a:b", "", ".a", "a-", "a b", "é", "a..b"] {
        assert!(OrgId::parse(odd).is_err(), "{odd}");
        assert!(RoleName::parse(odd).is_err(), "{odd}");
        assert!(LogicalName::parse(odd).is_err(), "{odd}");
        assert_eq!(OrgId::stored(odd).as_str(), odd);
    }
}

#[test]
fn a_name_with_two_dots_in_a_row_is_refused_with_field_value_and_rule() {
    let rule = "must be at most 128 letters, digits, `_`, `-` and `.`, begin and end with a letter, a digit or `_`, and \
        have no `..` in it";
    for (field, error) in [
        ("org_id", OrgId::parse("a..b").unwrap_err()),
        ("role_name", RoleName::parse("a..b").unwrap_err()),
        ("name", RoleName::of_static_role("a..b").unwrap_err()),
        ("logical_name", LogicalName::parse("a..b").unwrap_err()),
    ] {
        assert_eq!(error.to_string(), format!("`{field}` is `a..b`: {rule}"));
    }
    assert!(OrgId::parse("a.b.c").is_ok());
}

#[test]
fn a_uuid_has_one_spelling() {
    assert!(OrgId::parse("11111111-aaaa-4aaa-8aaa-111111111111").is_ok());
    let error = OrgId::parse("11111111-AAAA-4aaa-8aaa-111111111111").unwrap_err().to_string();
    assert!(error.contains("lower case"), "{error}");
    assert!(OrgId::parse("My_Org").is_ok(), "other IDs keep their case");
}

#[test]
fn a_role_name_is_never_folded() {
    let error = RoleName::in_path("Reader").unwrap_err().to_string();
    assert_eq!(error, "`role` is `Reader`: must be in lower case; an upper-case letter is not folded here");
    assert!(RoleName::parse("Reader").is_err());
    assert_eq!(RoleName::in_path("old name").unwrap().as_str(), "old name");
    assert!(RoleName::in_path("Ä").is_err(), "not only ASCII has two cases");
}

#[test]
fn a_logical_name_keeps_its_case() {
    assert_eq!(LogicalName::parse("Prod.East").unwrap().as_str(), "Prod.East");
}

#[test]
fn a_tokens_logical_name_is_any_printable_text() {
    assert!(TokenLogicalName::parse("my app / ünïcode:1").is_ok());
    assert!(TokenLogicalName::parse(&"a".repeat(TOKEN_LOGICAL_NAME_BYTES_MAX)).is_ok());
    for bad in ["", "a\nb", &"a".repeat(TOKEN_LOGICAL_NAME_BYTES_MAX + 1)] {
        assert!(TokenLogicalName::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_token_in_the_wrong_field_is_not_shown() {
    let error = OrgId::parse("AstraCS:canary:canary").unwrap_err().to_string();
    assert!(!error.contains("canary"), "{error}");
}
