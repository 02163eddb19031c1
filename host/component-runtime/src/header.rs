//! Checks the first bytes of a component.

use crate::LoadError;

/// Does each section end within the file? A section has its kind, its length as unsigned LEB128, and that number of
/// bytes.
fn is_whole(mut sections: &[u8]) -> bool {
    while let [_, rest @ ..] = sections {
        let Some(length_bytes) = rest.iter().position(|byte| byte & 0x80 == 0) else { return false };
        let (length, content) = rest.split_at(length_bytes + 1);
        let length =
            length.iter().rev().try_fold(0_usize, |sum, byte| Some(sum.checked_mul(128)? + usize::from(byte & 0x7f)));
        match length.and_then(|length| content.get(length..)) {
            Some(after) => sections = after,
            None => return false,
        }
    }
    true
}

/// Refuses bytes that cannot be a component, before they are compiled.
///
/// # Errors
/// `Invalid`.
pub(crate) fn check_header(wasm: &[u8]) -> Result<(), LoadError> {
    let what = match wasm {
        [] => "it is empty",
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            "it is a core module, not a component: a build without the step that makes a component of it"
        }
        [b'\0', b'a', b's', b'm', _, _, 1, 0, sections @ ..] if is_whole(sections) => return Ok(()),
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => "it is cut off: its last section is longer than the file",
        short if MAGIC.starts_with(short) || short.starts_with(MAGIC) && short.len() < HEADER_BYTES => {
            "it is cut off in its first bytes"
        }
        _ => "it does not begin as WebAssembly does",
    };
    Err(LoadError::Invalid(what.to_owned()))
}

/// The first bytes of all WebAssembly (<https://webassembly.github.io/spec/core/binary/modules.html>); version and
/// layer follow.
/// follow.
const MAGIC: &[u8] = b"\0asm";
const HEADER_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn bytes_that_are_no_component_are_recognised_by_their_start() {
        let rows: [(&[u8], &str); 10] = [
            (b"\0asm\x0d\0\x01\0\0\x05abc", "cut off"),
            (b"\0asm\x0d\0\x01\0\0", "cut off"),
            (b"\0asm\x0d\0\x01\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "cut off"),
            (b"", "it is empty"),
            (b"\0as", "cut off"),
            (b"\0asm\x0d\0\x01", "cut off"),
            (b"\0asm\x01\0\0\0rest", "core module"),
            (b"\x7fELF and more", "does not begin"),
            (b"\0asn", "does not begin"),
            (b"\0asm\x0d\0\x07\0", "does not begin"),
        ];
        for (bytes, expected) in rows {
            let text = check_header(bytes).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
        check_header(b"\0asm\x0d\0\x01\0").unwrap();
        check_header(b"\0asm\x0d\0\x01\0\0\x83\0abc\0\0").unwrap();
    }
}
