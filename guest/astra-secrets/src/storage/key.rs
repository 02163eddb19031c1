//! All keys of the mount's storage, each with its form. Below `wal/` the framework keeps write-ahead entries, and under
//! `passed-over-state` what it could not read.
//!
//! An organization, a client ID or a name in a key is a segment ([`segment`]), except below the Go plugin's prefixes,
//! whose keys hold names as they are.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::limits::STORAGE_KEY_BYTES_MAX;
use crate::names::{OrgId, RoleName};

/// `config/<organization>`: an organization's settings with its admin token; the Go plugin's key; seal-wrapped.
pub(crate) const CONFIG_PREFIX: &str = "config/";

/// `retired-config/<organization>`: admin tokens of configs that were deleted or moved, kept to revoke tokens; seal-wrapped.
pub(crate) const RETIRED_PREFIX: &str = "retired-config/";

/// `logical-name/<logical name>`: a cache that leads from a config's logical name to its organization.
pub(crate) const LOGICAL_NAME_PREFIX: &str = "logical-name/";

/// `admin-token-refused/<organization>`: the time of the last warning that Astra refused the admin token.
pub(crate) const ADMIN_REFUSAL_PREFIX: &str = "admin-token-refused/";

/// `role/<organization>:<role>`: a role; the Go plugin's key.
pub(crate) const ROLE_PREFIX: &str = "role/";

/// `astra-role/<organization>/<Astra role ID>`: what one of Astra's own roles is called and what it reaches.
pub(crate) const ASTRA_ROLE_PREFIX: &str = "astra-role/";

/// `static-role/<organization>/<name>`: a static role; seal-wrapped.
pub(crate) const STATIC_ROLE_PREFIX: &str = "static-role/";

/// `token/<record ID>`: the record of a token; the Go plugin's key; seal-wrapped.
pub(crate) const TOKEN_PREFIX: &str = "token/";

/// `client-index/<organization>/<client ID>`: leads from a client ID to the record's ID.
pub(crate) const CLIENT_INDEX_PREFIX: &str = "client-index/";

/// `history/<organization>/<client ID>`: what happened to a token that has ended, and what it was.
pub(crate) const HISTORY_PREFIX: &str = "history/";

/// `reads/<organization>.<client ID>/<seconds>-<random>`: a read of a token's secret that is not in its history yet.
pub(crate) const READS_PREFIX: &str = "reads/";

/// `queue/<hour>/<kind>/<seconds>.<what>`: the schedule queue. Hours and seconds count from 1970-01-01T00:00:00Z.
pub(crate) const SCHEDULE_QUEUE_PREFIX: &str = "queue/";

/// `elsewhere/<organization>/<client ID>`: how far the search for a token in other organizations got.
pub(crate) const ELSEWHERE_PREFIX: &str = "elsewhere/";

/// `listed-tokens/<organization>`: what Astra's list of tokens showed last, so that one list answers many revocations.
pub(crate) const LISTED_TOKENS_PREFIX: &str = "listed-tokens/";

/// How many tokens there are of each role and kind, as rollback counted them.
pub(crate) const ROLE_COUNTS_KEY: &str = "metrics/role-counts";

/// `metrics/admin-end/<organization>`: when Astra ends the admin token.
pub(crate) const ADMIN_END_PREFIX: &str = "metrics/admin-end/";

/// The last run of tidy.
pub(crate) const TIDY_RUN_KEY: &str = "tidy/run";

/// `tidy/org/<organization>`: what the last tidy of an organization found.
pub(crate) const TIDY_RESULT_PREFIX: &str = "tidy/org/";

// What rollback notes of its own work. A server may keep what was deleted for a while, as OpenBao's storage in memory does, and
// its list of a folder then walks over all deleted entries up to the next key that exists. `state/index` exists from the first
// token on, and stands between the roles and the tokens: so a list of roles stays fast after many revocations.

/// How far the backfill of the index by client ID got.
pub(crate) const INDEX_STATE_KEY: &str = "state/index";

/// The hour before which the schedule queue was empty when rollback last looked.
pub(crate) const SCHEDULE_QUEUE_STATE_KEY: &str = "state/queue";

/// `state/retired-search/<organization>`: how far the searches for tokens of a retired config got.
pub(crate) const RETIRED_SEARCH_PREFIX: &str = "state/retired-search/";

/// When and how far rollback looked for dead tokens of static roles.
pub(crate) const HELD_LOOK_STATE_KEY: &str = "state/held-look";

/// When and how far rollback looked for the ends of admin tokens.
pub(crate) const ADMIN_END_STATE_KEY: &str = "state/admin-end";

/// The folder of an organization's static roles.
pub(crate) fn static_roles(org_id: &OrgId) -> String {
    format!("{STATIC_ROLE_PREFIX}{}/", segment(org_id.as_str()))
}

/// The key of a static role.
pub(crate) fn static_role(org_id: &OrgId, name: &RoleName) -> String {
    format!("{}{name}", static_roles(org_id))
}

/// Can an entry have this key? The server and the host refuse to read or write any other.
pub(crate) fn is_key(key: &str) -> bool {
    !key.is_empty()
        && !key.ends_with('/')
        && !key.starts_with('/')
        && !key.contains("..")
        && key.len() <= STORAGE_KEY_BYTES_MAX
}

/// `text` as one segment of a storage key: letters, digits, `-` and `_` as
/// they are, all else as `%XX`, so that no name of an old mount can make a
/// folder, a step upwards or a second spelling.
pub(crate) fn segment(text: &str) -> String {
    as_segment(text).into_owned()
}

/// As [`segment`], without a copy of a text that is a segment already, as nearly all client IDs are.
pub(crate) fn as_segment(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            segment.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    Cow::Owned(segment)
}

/// Turns a segment back into its text; none if it is not one of ours.
pub(crate) fn from_segment(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let high = char::from(rest.next()?).to_digit(16)?;
        let low = char::from(rest.next()?).to_digit(16)?;
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_key_or_prefix_is_below_another_one() {
        let all = [
            secrets_framework::wal::PREFIX,
            secrets_framework::passed_over::STATE_KEY,
            CONFIG_PREFIX,
            RETIRED_PREFIX,
            LOGICAL_NAME_PREFIX,
            ADMIN_REFUSAL_PREFIX,
            ROLE_PREFIX,
            ASTRA_ROLE_PREFIX,
            STATIC_ROLE_PREFIX,
            TOKEN_PREFIX,
            CLIENT_INDEX_PREFIX,
            INDEX_STATE_KEY,
            HISTORY_PREFIX,
            READS_PREFIX,
            SCHEDULE_QUEUE_PREFIX,
            SCHEDULE_QUEUE_STATE_KEY,
            ELSEWHERE_PREFIX,
            LISTED_TOKENS_PREFIX,
            HELD_LOOK_STATE_KEY,
            RETIRED_SEARCH_PREFIX,
            ROLE_COUNTS_KEY,
            ADMIN_END_STATE_KEY,
            ADMIN_END_PREFIX,
            TIDY_RUN_KEY,
            TIDY_RESULT_PREFIX,
        ];
        for (at, one) in all.iter().enumerate() {
            for other in all.iter().skip(at + 1) {
                assert!(!one.starts_with(other) && !other.starts_with(one), "{one} {other}");
            }
        }
    }

    #[test]
    fn what_rollback_notes_stands_between_the_roles_and_the_tokens() {
        for key in [INDEX_STATE_KEY, SCHEDULE_QUEUE_STATE_KEY, HELD_LOOK_STATE_KEY, ADMIN_END_STATE_KEY] {
            assert!(ROLE_PREFIX < key && key < TOKEN_PREFIX, "{key}");
        }
    }

    #[test]
    fn any_text_is_one_segment_and_comes_back() {
        for text in ["AbC-1_2", "a/b", "..", "x:y%z", "é ", ""] {
            let segment = segment(text);
            assert!(!segment.contains(['/', '.', ':']), "{segment}");
            assert_eq!(from_segment(&segment).as_deref(), Some(text));
        }
        assert_eq!(from_segment("%4"), None);
        assert_eq!(from_segment("%zz"), None);
    }

    proptest! {
        #[test]
        fn two_texts_never_share_a_segment(a in any::<String>(), b in any::<String>()) {
            prop_assert_eq!(from_segment(&segment(&a)), Some(a.clone()));
            prop_assert_eq!(segment(&a) == segment(&b), a == b);
        }
    }
}
