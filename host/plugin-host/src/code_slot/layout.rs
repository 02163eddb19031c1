//! The layout of the slot, shared with the build script, which writes the empty slot.

/// Bytes of the slot in the binary: twice the two marks, the length, and room for code. The Astra engine's code has about
/// 3 MiB; the build fails with a clear message when the code no longer fits.
pub(super) const SLOT_BYTES: usize = 6 * 1024 * 1024;

/// Begins the slot, twice in a row. The program itself holds this text once, so only the slot holds it twice.
pub(super) const MARK: &[u8] = b"vault-plugin precompiled code ->";
