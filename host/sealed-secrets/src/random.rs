//! Random characters.

use aws_lc_rs::rand;
use zeroize::Zeroize;

/// Bytes that are asked of the generator at once: enough for three tokens of 64 hexadecimal digits.
const BUFFER_BYTES: usize = 256;

const HEX: &[u8] = b"0123456789abcdef";
const LETTERS_AND_DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The machine gives no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRandomness;

/// Random characters of a request.
#[derive(Default)]
pub(crate) struct Characters {
    buffer: Vec<u8>,
}

impl Characters {
    /// One of `0` to `9` and `a` to `f`.
    pub(crate) fn hex(&mut self) -> Result<u8, NoRandomness> {
        self.of(HEX)
    }

    /// A letter or a digit.
    pub(crate) fn letter_or_digit(&mut self) -> Result<u8, NoRandomness> {
        self.of(LETTERS_AND_DIGITS)
    }

    fn of(&mut self, alphabet: &[u8]) -> Result<u8, NoRandomness> {
        // A byte of the incomplete last round would make some characters more likely than others.
        let rounds = 256 / alphabet.len();
        loop {
            let byte = usize::from(self.byte()?);
            if byte < rounds * alphabet.len()
                && let Some(character) = alphabet.get(byte % alphabet.len())
            {
                return Ok(*character);
            }
        }
    }

    fn byte(&mut self) -> Result<u8, NoRandomness> {
        if self.buffer.is_empty() {
            self.buffer.resize(BUFFER_BYTES, 0);
            rand::fill(&mut self.buffer).map_err(|_| NoRandomness)?;
        }
        self.buffer.pop().ok_or(NoRandomness)
    }
}

impl Drop for Characters {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}
