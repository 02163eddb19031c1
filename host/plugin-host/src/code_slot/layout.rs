//! The layout of the slot, shared with the build script, which writes the empty slot.

use std::hint::black_box;

/// Bytes of the slot in the binary: the mark, the length, and room for code. The Astra engine's code has about 3 MiB;
/// the build fails with a clear message when the code no longer fits.
pub(super) const SLOT_BYTES: usize = 6 * 1024 * 1024;

/// The mark of the slot with every bit inverted: the program holds this text, and only the slot holds the mark itself.
/// A mark that the program held too could stand just before the slot, and be taken for its begin.
const INVERTED_MARK: [u8; MARK_BYTES] = *b"vault-plugin precompiled code ->";

pub(super) const MARK_BYTES: usize = 32;

/// Begins the slot.
pub(super) fn mark() -> [u8; MARK_BYTES] {
    // Else the compiler may write the result into the program.
    black_box(INVERTED_MARK).map(|byte| !byte)
}
