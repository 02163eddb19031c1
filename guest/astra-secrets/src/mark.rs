//! The mark of a mint, `vault-mark:<backend UUID>:<32 hex digits>`: the last word of a token's description in Astra, by
//! which a token is found again whose creation was not answered.

use std::fmt::Write as _;

use secrets_framework::Context;

/// What each mark begins with.
const MARK_START: &str = "vault-mark:";

/// Random bytes of a mark, written in hex.
const MARK_RANDOM_BYTES: usize = 16;

/// A mark that no other mint has.
pub(crate) fn fresh_mark(context: &Context<'_>) -> String {
    let mut random = [0_u8; MARK_RANDOM_BYTES];
    context.host.random().fill(&mut random);
    let mut mark = start_of_mount(&context.host.system_view().backend_uuid());
    for byte in random {
        // Writing to a string cannot fail.
        let _ = write!(mark, "{byte:02x}");
    }
    mark
}

/// What each mark of the mount with this backend UUID begins with.
pub(crate) fn start_of_mount(backend_uuid: &str) -> String {
    format!("{MARK_START}{backend_uuid}:")
}

/// Is this the description of the token with this mark? Only its end counts:
/// what stands before comes from clients, and might be another's mark.
pub(crate) fn has_mark(description: &str, mark: &str) -> bool {
    description.strip_suffix(mark).is_some_and(|text| text.is_empty() || text.ends_with(' '))
}

/// The mark at the end of a description, if it is one of the mount with this
/// backend UUID.
pub(crate) fn mark_of_mount<'a>(description: &'a str, backend_uuid: &str) -> Option<&'a str> {
    let start = description.rfind(' ').map_or(0, |blank| blank + 1);
    let mark = &description[start..];
    let ours = Some(backend_uuid).filter(|uuid| !uuid.is_empty())?;
    let random = mark.strip_prefix(MARK_START)?.strip_prefix(ours)?.strip_prefix(':')?;
    is_random_part(random).then_some(mark)
}

/// Is this a whole mark, of whatever mount?
pub(crate) fn is_mark(text: &str) -> bool {
    let parts = text.strip_prefix(MARK_START).and_then(|rest| rest.rsplit_once(':'));
    parts.is_some_and(|(backend_uuid, random)| !backend_uuid.contains(' ') && is_random_part(random))
}

fn is_random_part(text: &str) -> bool {
    text.len() == 2 * MARK_RANDOM_BYTES && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "vault-mark:11111111-2222-3333-4444-555555555555:0123456789abcdef0123456789abcdef";

    #[test]
    fn a_mark_is_this_mounts_only_if_it_is_whole_and_last() {
        let uuid = "11111111-2222-3333-4444-555555555555";
        assert_eq!(mark_of_mount(MARK, uuid), Some(MARK));
        assert_eq!(mark_of_mount(&format!("a b {MARK}"), uuid), Some(MARK));
        for other in [
            String::new(),
            "vault-mark:".to_owned(),
            format!("x{MARK}"),
            format!("{MARK} "),
            format!("{MARK}0"),
            MARK.replace("abcdef", "ABCDEF"),
            MARK[..MARK.len() - 1].to_owned(),
            MARK.replace("11111111", "11111112"),
            "vault-mark::0123456789abcdef0123456789abcdef".to_owned(),
        ] {
            assert_eq!(mark_of_mount(&other, uuid), None, "{other}");
        }
        assert_eq!(mark_of_mount("vault-mark::0123456789abcdef0123456789abcdef", ""), None, "any mount's");
    }
}
