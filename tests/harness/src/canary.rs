//! Searches for tokens in texts that must not contain any: logs, error texts, help, lists.

use astra_simulator::Simulator;

/// The secret in a text that must not contain one: a token of Astra's form, whole or cut, or a secret of this Astra.
pub fn find_secret(text: &str, astra: &Simulator) -> Option<String> {
    let by_form = text.match_indices(TOKEN_PREFIX).find_map(|(start, _)| token_at(&text[start..]));
    by_form.or_else(|| {
        let known = astra.leaks(text.as_bytes());
        (!known.is_empty()).then(|| format!("secrets of these client IDs: {known:?}"))
    })
}

const TOKEN_PREFIX: &str = "AstraCS:";
/// Hex digits that count as a shown token. A cut token is a leak, too.
const HEX_DIGITS_MIN: usize = 16;

fn token_at(text: &str) -> Option<String> {
    let (client_id, rest) = text.strip_prefix(TOKEN_PREFIX)?.split_once(':')?;
    let letters = client_id.len() <= 64 && client_id.chars().all(char::is_alphanumeric);
    let digits = rest.chars().take_while(char::is_ascii_hexdigit).count();
    (letters && digits >= HEX_DIGITS_MIN).then(|| format!("the token of client ID `{client_id}`"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use astra_simulator::Settings;

    use super::*;

    #[test]
    fn finds_whole_and_cut_tokens_and_what_astra_gave_out() {
        let astra = Simulator::start(Settings::default()).unwrap();
        let token = format!("x AstraCS:{}:{} y", "aB".repeat(12), "0f".repeat(32));
        assert!(find_secret(&token, &astra).is_some());
        assert!(find_secret(&token[..60], &astra).is_some());
        assert!(find_secret(&astra.organization(0).bootstrap.secret, &astra).is_some());
        let hash = astra.organization(0).bootstrap.token.rsplit(':').next().unwrap().to_owned();
        assert!(find_secret(&hash, &astra).is_some());
    }

    #[test]
    fn lets_redacted_tokens_pass() {
        let astra = Simulator::start(Settings::default()).unwrap();
        for text in ["AstraCS:abc:redacted", "AstraCS:", "AstraCS:abc", "nothing", "AstraCS:<client id>:<hash>"] {
            assert_eq!(find_secret(text, &astra), None, "{text}");
        }
    }
}
