//! The shape of values: which part is secret, and the surrogate of a value.

use std::ops::Range;

use crate::declaration::{Alphabet, Shape};
use crate::limits::{SECRET_CHARACTERS_MIN, VALUE_BYTES_MAX};
use crate::random::{Characters, NoRandomness};

/// The part of a template that stands for any text.
const ANY: &str = "{}";

/// What a value is, by its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Empty, or with an ending that says that it is no secret.
    Plain,
    /// A secret, whose first run of enough secret characters is here.
    Secret(Range<usize>),
    /// Too few secret characters, or none that stand in a row.
    TooShort,
    /// More bytes than a value may have.
    TooLong,
}

/// What a value is.
pub(crate) fn kind(shape: &Shape, value: &str) -> Kind {
    if value.is_empty() || shape.plain_endings.iter().any(|ending| value.ends_with(ending.as_str())) {
        return Kind::Plain;
    }
    if value.len() > VALUE_BYTES_MAX {
        return Kind::TooLong;
    }
    let public = public_length(&shape.public, value);
    let secret = value.as_bytes().get(public..).unwrap_or_default();
    let least = usize::try_from(shape.secret_characters_min).unwrap_or(usize::MAX).max(SECRET_CHARACTERS_MIN);
    let characters = secret.iter().filter(|byte| is_secret(**byte)).count();
    match runs(secret).next() {
        Some(run) if characters >= least => Kind::Secret(run.start + public..run.end + public),
        _ => Kind::TooShort,
    }
}

/// The surrogate of a secret value: each secret character after the public part is replaced, and at the start of `run`
/// stands the mark by which the surrogate is found.
pub(crate) fn surrogate(
    shape: &Shape,
    value: &str,
    run: &Range<usize>,
    mark: &[u8],
    random: &mut Characters,
) -> Result<String, NoRandomness> {
    let public = public_length(&shape.public, value);
    let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let secret = value.as_bytes().get(public..).unwrap_or_default();
    let alphabet = if secret.iter().all(is_hex) { shape.alphabet } else { Alphabet::LettersAndDigits };
    let mut bytes = value.as_bytes().to_vec();
    for byte in bytes.iter_mut().skip(public).filter(|byte| is_secret(**byte)) {
        *byte = match alphabet {
            Alphabet::LowerHex => random.hex()?,
            Alphabet::LettersAndDigits => random.letter_or_digit()?,
        };
    }
    for (byte, of_mark) in bytes.iter_mut().skip(run.start).zip(mark) {
        *byte = *of_mark;
    }
    // Only ASCII characters were replaced, and by such.
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

/// The runs of at least [`SECRET_CHARACTERS_MIN`] secret characters.
pub(crate) fn runs(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or_default();
            let length = rest.iter().take_while(|byte| is_secret(**byte)).count();
            let start = at;
            at += length.max(1);
            if length >= SECRET_CHARACTERS_MIN {
                return Some(start..start + length);
            }
        }
        None
    })
}

/// The characters of tokens (RFC 6750, `b64token`). All others stay as they are, so that an engine can refuse them.
fn is_secret(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// Bytes before the secret part; 0 for a value that does not begin as the template says.
fn public_length(template: &str, value: &str) -> usize {
    let (mut template, mut at) = (template, 0);
    while !template.is_empty() {
        let rest = value.get(at..).unwrap_or_default();
        if let Some(after) = template.strip_prefix(ANY) {
            let Some(end) = after.chars().next().and_then(|end| rest.find(end)) else { return 0 };
            (template, at) = (after, at + end);
            continue;
        }
        let literal = template.find(ANY).map_or(template, |any| template.get(..any).unwrap_or_default());
        if !rest.starts_with(literal) {
            return 0;
        }
        template = template.get(literal.len()..).unwrap_or_default();
        at += literal.len();
    }
    at
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn shape(public: &str, alphabet: Alphabet) -> Shape {
        Shape { public: public.into(), alphabet, plain_endings: vec![":redacted".into()], secret_characters_min: 16 }
    }

    fn astra() -> Shape {
        shape("AstraCS:{}:", Alphabet::LowerHex)
    }

    fn made(shape: &Shape, value: &str) -> String {
        let Kind::Secret(run) = kind(shape, value) else { panic!("{value} is no secret") };
        surrogate(shape, value, &run, b"feedbeef", &mut Characters::default()).unwrap()
    }

    #[test]
    fn the_public_part_is_what_the_template_says() {
        for (template, value, length) in [
            ("AstraCS:{}:", "AstraCS:client:0123", 15),
            ("AstraCS:{}:", "AstraCS::0123", 9),
            ("AstraCS:{}:", "AstraCS:client", 0),
            ("AstraCS:{}:", "0123", 0),
            ("ghp_", "ghp_abc", 4),
            ("{}.{}.", "a.b.c", 4),
            ("", "anything", 0),
        ] {
            assert_eq!(public_length(template, value), length, "{template} {value}");
        }
    }

    #[test]
    fn a_value_is_plain_secret_or_too_short() {
        let shape = astra();
        for (value, expected) in [
            ("", Kind::Plain),
            ("AstraCS:client:redacted", Kind::Plain),
            ("AstraCS:client:0123456789abcdef", Kind::Secret(15..31)),
            ("0123456789abcdef", Kind::Secret(0..16)),
            ("AstraCS:client:0123456789abcde", Kind::TooShort),
            ("01234567 89abcdef", Kind::TooShort),
        ] {
            assert_eq!(kind(&shape, value), expected, "{value}");
        }
        assert_eq!(kind(&shape, &"x".repeat(VALUE_BYTES_MAX + 1)), Kind::TooLong);
    }

    #[test]
    fn a_surrogate_has_length_public_part_alphabet_and_mark() {
        let value = "AstraCS:client:0123456789abcdef0123456789abcdef";
        let surrogate = made(&astra(), value);
        assert_eq!(surrogate.len(), value.len());
        let secret = surrogate.strip_prefix("AstraCS:client:feedbeef").unwrap();
        assert!(secret.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()), "{secret}");
        assert_ne!(surrogate, value);
        assert_ne!(surrogate, made(&astra(), value), "each is random");
    }

    #[test]
    fn characters_that_no_token_has_stay_for_an_engine_to_refuse() {
        let surrogate = made(&shape("", Alphabet::LettersAndDigits), "0123456789abcdefgh ü\n0123");
        assert_eq!((&surrogate[18..22], surrogate.len()), (" ü\n", 26));
    }

    proptest! {
        #[test]
        fn no_secret_character_is_kept_but_by_chance(value in "[A-Za-z0-9+/=_.~-]{40,80}") {
            let surrogate = made(&shape("", Alphabet::LettersAndDigits), &value);
            prop_assert_eq!(surrogate.len(), value.len());
            let same = surrogate.bytes().zip(value.bytes()).filter(|(one, other)| one == other).count();
            prop_assert!(same < 20, "{} of {}", same, value.len());
        }

        #[test]
        fn no_value_makes_the_shape_panic(public in "[a:{}]{0,8}", value in ".{0,40}") {
            let _ = kind(&shape(&public, Alphabet::LowerHex), &value);
            prop_assert!(public_length(&public, &value) <= value.len());
        }
    }
}
