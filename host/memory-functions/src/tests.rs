//! Each length and each distance, with the bytes beside those that are asked for.

extern crate std;

use std::vec::Vec;

use super::*;

/// Lengths around those at which the way of copying changes.
fn lengths() -> impl Iterator<Item = usize> {
    (0..300).chain(STRING_COPY_BYTES_MIN - 130..STRING_COPY_BYTES_MIN + 130).chain([5_000, 70_001])
}

/// Bytes that tell where they came from, in memory of this length. Not copied from anywhere.
fn numbered(bytes: usize) -> Vec<u8> {
    (0..bytes).map(byte).collect()
}

fn byte(at: usize) -> u8 {
    (at.wrapping_mul(0x9e37_79b9) >> 11).to_le_bytes()[0]
}

#[test]
fn what_is_asked_for_is_copied_and_nothing_else() {
    for bytes in lengths() {
        for (from_at, to_at) in [(0, 0), (1, 0), (0, 7), (15, 16), (33, 3)] {
            let from = numbered(from_at + bytes);
            let mut to = std::vec![0xEE; to_at + bytes + 16];
            // SAFETY: both have room for so many bytes, and are not the same.
            let told = unsafe { memcpy(to.as_mut_ptr().add(to_at), from.as_ptr().add(from_at), bytes) };
            assert_eq!(told.addr(), to.as_ptr().addr() + to_at);
            for (at, found) in to.iter().enumerate() {
                let copied = (to_at..to_at + bytes).contains(&at);
                let expected = if copied { byte(at - to_at + from_at) } else { 0xEE };
                assert_eq!(*found, expected, "{bytes} bytes from {from_at} to {to_at}, at {at}");
            }
        }
    }
}

#[test]
fn bytes_that_overlap_are_moved_as_they_were() {
    for bytes in lengths() {
        for distance in [0, 1, 2, 15, 16, 17, 63, 64, 65, 127, 200, 2_000] {
            for (from_at, to_at) in [(0, distance), (distance, 0)] {
                let mut memory = numbered(distance + bytes + 16);
                // SAFETY: the memory has room for so many bytes at both places.
                unsafe { memmove(memory.as_mut_ptr().add(to_at), memory.as_ptr().add(from_at), bytes) };
                for (at, found) in memory.iter().enumerate() {
                    let moved = (to_at..to_at + bytes).contains(&at);
                    let expected = byte(if moved { at - to_at + from_at } else { at });
                    assert_eq!(*found, expected, "{bytes} bytes from {from_at} to {to_at}, at {at}");
                }
            }
        }
    }
}

#[test]
fn the_first_bytes_that_differ_decide() {
    let compare = |left: &[u8], right: &[u8], bytes| {
        // SAFETY: both have so many bytes.
        let orders = unsafe { [memcmp, bcmp].map(|compare| compare(left.as_ptr(), right.as_ptr(), bytes).signum()) };
        assert_eq!(orders[0], orders[1]);
        orders[0]
    };
    for bytes in (0..100).chain([1_000]) {
        let (left, mut right) = (numbered(bytes + 1), numbered(bytes + 1));
        // What stands behind does not count.
        right[bytes] = !right[bytes];
        assert_eq!(compare(&left, &right, bytes), 0, "{bytes} bytes");
        for at in 0..bytes {
            for (other, order) in [(0x00, 1), (0xff, -1)] {
                let mut changed = numbered(bytes + 1);
                if changed[at] == other {
                    continue;
                }
                changed[at] = other;
                // The opposite difference later on changes nothing.
                if let Some(last) = changed.get_mut(at + 1) {
                    *last = !other;
                }
                assert_eq!(compare(&left, &changed, bytes), order, "{bytes} bytes, at {at}");
                assert_eq!(compare(&changed, &left, bytes), -order, "{bytes} bytes, at {at}");
            }
        }
    }
}

/// This very program is linked with the functions.
#[test]
#[cfg(target_env = "musl")]
fn the_program_has_these_functions() {
    unsafe extern "C" {
        #[link_name = "memcpy"]
        safe static LINKED: u8;
    }
    assert_eq!((&raw const LINKED).addr(), memcpy as *const () as usize);
}
