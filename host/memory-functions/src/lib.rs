//! `memcpy`, `memmove`, `memcmp` and `bcmp` of the static program for x86-64.
//!
//! The C library that a static program carries copies with `rep movsq`, whose start takes longer than a short copy, moves
//! overlapping bytes backwards one word at a time, and compares byte by byte. Most copies here are short: of an engine's
//! native code they took a third of its time. A program that mentions this crate is linked with the functions below. For
//! other processors the crate is empty.
//!
//! Only SSE2 is used, which each x86-64 processor has.

#![no_std]
// Or the compiler would see what the loops do, and make each of them a call of the function that it is in.
#![no_builtins]
#![cfg(target_arch = "x86_64")]
#![expect(unsafe_code, reason = "the functions are of the C library: pointers and a length")]

use core::arch::asm;
use core::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_storeu_si128};
use core::ffi::c_int;

/// From this length on, the processor's own copy is as fast as a loop or faster (measured on a Xeon with `erms`, `fsrm`).
const STRING_COPY_BYTES_MIN: usize = 1_024;

/// Bytes of a register.
const REGISTER: usize = size_of::<__m128i>();
/// Bytes that one round of a loop copies.
const ROUND: usize = 4 * REGISTER;

/// Copies bytes that do not overlap.
///
/// # Safety
/// As in C: `bytes` bytes can be read from `from`, and written to `to`.
#[cfg_attr(target_env = "musl", unsafe(no_mangle))]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
    // SAFETY: the caller's promise; each function below has the same.
    unsafe { if bytes <= ROUND { copy_short(to, from, bytes) } else { copy_long(to, from, bytes) } }
    to
}

/// Copies bytes that may overlap.
///
/// # Safety
/// As of [`memcpy`].
#[cfg_attr(target_env = "musl", unsafe(no_mangle))]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8 {
    let (to_at, from_at) = (to.addr(), from.addr());
    // SAFETY: the caller's promise. Backwards where `to` lies among the bytes that are still to be read.
    unsafe {
        if bytes <= ROUND {
            copy_short(to, from, bytes);
        } else if to_at.abs_diff(from_at) >= bytes {
            copy_long(to, from, bytes);
        } else if to_at > from_at {
            copy_backward(to, from, bytes);
        } else {
            copy_forward(to, from, bytes);
        }
    }
    to
}

/// Compares bytes as numbers from 0 to 255: negative, zero or positive, as the first that differ.
///
/// # Safety
/// As in C: `bytes` bytes can be read from both.
#[cfg_attr(target_env = "musl", unsafe(no_mangle))]
pub unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, bytes: usize) -> c_int {
    // SAFETY: the caller's promise; no read goes beyond `bytes`.
    unsafe {
        if bytes >= REGISTER {
            let mut at = 0;
            while at < bytes - REGISTER {
                let difference = compare_register(left.add(at), right.add(at));
                if difference != 0 {
                    return difference;
                }
                at += REGISTER;
            }
            return compare_register(left.add(bytes - REGISTER), right.add(bytes - REGISTER));
        }
        if bytes >= size_of::<u64>() {
            let last = bytes - size_of::<u64>();
            let [left, right] = [left, right].map(|from| [number(from), number(from.add(last))]);
            return order(left, right);
        }
        if bytes >= size_of::<u32>() {
            let last = bytes - size_of::<u32>();
            let [left, right] = [left, right].map(|from| [short_number(from), short_number(from.add(last))]);
            return order(left, right);
        }
        let mut at = 0;
        while at < bytes {
            let difference = c_int::from(left.add(at).read()) - c_int::from(right.add(at).read());
            if difference != 0 {
                return difference;
            }
            at += 1;
        }
    }
    0
}

/// As [`memcmp`], for those who only ask whether it is zero.
///
/// # Safety
/// As of `memcmp`.
#[cfg_attr(target_env = "musl", unsafe(no_mangle))]
pub unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, bytes: usize) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { memcmp(left, right, bytes) }
}

/// At most [`ROUND`] bytes: all are read before the first is written, so they may overlap. The reads from both ends meet in
/// the middle.
#[inline(always)]
unsafe fn copy_short(to: *mut u8, from: *const u8, bytes: usize) {
    // SAFETY: the caller's promise; each branch reads and writes within `bytes`.
    unsafe {
        if bytes > 2 * REGISTER {
            let last = bytes - 2 * REGISTER;
            let (head, tail) = (load_two(from), load_two(from.add(last)));
            store_two(to, head);
            store_two(to.add(last), tail);
        } else if bytes >= REGISTER {
            copy_ends::<__m128i>(to, from, bytes);
        } else if bytes >= size_of::<u64>() {
            copy_ends::<u64>(to, from, bytes);
        } else if bytes >= size_of::<u32>() {
            copy_ends::<u32>(to, from, bytes);
        } else if bytes >= size_of::<u16>() {
            copy_ends::<u16>(to, from, bytes);
        } else if bytes == 1 {
            to.write(from.read());
        }
    }
}

/// Between one and two `T`.
#[inline(always)]
unsafe fn copy_ends<T: Copy>(to: *mut u8, from: *const u8, bytes: usize) {
    // SAFETY: the caller's promise: `bytes` has room for a `T`, from its start as well as to its end.
    unsafe {
        let last = bytes - size_of::<T>();
        let (head, tail) = (from.cast::<T>().read_unaligned(), from.add(last).cast::<T>().read_unaligned());
        to.cast::<T>().write_unaligned(head);
        to.add(last).cast::<T>().write_unaligned(tail);
    }
}

/// More than [`ROUND`] bytes that do not overlap.
#[inline(always)]
unsafe fn copy_long(to: *mut u8, from: *const u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if bytes < STRING_COPY_BYTES_MIN { copy_forward(to, from, bytes) } else { copy_as_string(to, from, bytes) }
    }
}

/// More than [`ROUND`] bytes; of bytes that overlap, `to` is before `from`. The end is read first, before it can be
/// overwritten.
#[inline(always)]
unsafe fn copy_forward(to: *mut u8, from: *const u8, bytes: usize) {
    // SAFETY: the caller's promise; the last round of the loop begins before `last`, so it ends within `bytes`.
    unsafe {
        let last = bytes - ROUND;
        let tail = load_round(from.add(last));
        let mut at = 0;
        while at < last {
            store_round(to.add(at), load_round(from.add(at)));
            at += ROUND;
        }
        store_round(to.add(last), tail);
    }
}

/// More than [`ROUND`] bytes, from their end. The beginning is read first.
#[inline(always)]
unsafe fn copy_backward(to: *mut u8, from: *const u8, bytes: usize) {
    // SAFETY: the caller's promise; each round of the loop begins after the first byte.
    unsafe {
        let head = load_round(from);
        let mut at = bytes;
        while at > ROUND {
            at -= ROUND;
            store_round(to.add(at), load_round(from.add(at)));
        }
        store_round(to, head);
    }
}

#[inline(always)]
unsafe fn copy_as_string(to: *mut u8, from: *const u8, bytes: usize) {
    // SAFETY: the caller's promise. The direction flag is clear at each call, by the ABI.
    unsafe {
        asm!(
            "rep movsb",
            inout("rcx") bytes => _,
            inout("rdi") to => _,
            inout("rsi") from => _,
            options(nostack, preserves_flags),
        );
    }
}

#[inline(always)]
unsafe fn load_two(from: *const u8) -> [__m128i; 2] {
    // SAFETY: the caller's promise: so many bytes can be read.
    unsafe { [_mm_loadu_si128(from.cast()), _mm_loadu_si128(from.add(REGISTER).cast())] }
}

#[inline(always)]
unsafe fn store_two(to: *mut u8, [first, second]: [__m128i; 2]) {
    // SAFETY: the caller's promise: so many bytes can be written.
    unsafe {
        _mm_storeu_si128(to.cast(), first);
        _mm_storeu_si128(to.add(REGISTER).cast(), second);
    }
}

#[inline(always)]
unsafe fn load_round(from: *const u8) -> [[__m128i; 2]; 2] {
    // SAFETY: the caller's promise: so many bytes can be read.
    unsafe { [load_two(from), load_two(from.add(2 * REGISTER))] }
}

#[inline(always)]
unsafe fn store_round(to: *mut u8, [first, second]: [[__m128i; 2]; 2]) {
    // SAFETY: the caller's promise: so many bytes can be written.
    unsafe {
        store_two(to, first);
        store_two(to.add(2 * REGISTER), second);
    }
}

#[inline(always)]
unsafe fn compare_register(left: *const u8, right: *const u8) -> c_int {
    // SAFETY: the caller's promise: a register's bytes can be read from both, and the first that differ are among them.
    unsafe {
        let equal = _mm_cmpeq_epi8(_mm_loadu_si128(left.cast()), _mm_loadu_si128(right.cast()));
        let differing = !_mm_movemask_epi8(equal) & 0xffff;
        if differing == 0 {
            return 0;
        }
        let at = differing.trailing_zeros() as usize;
        c_int::from(left.add(at).read()) - c_int::from(right.add(at).read())
    }
}

/// Eight bytes as a number that is larger if the first byte that differs is.
#[inline(always)]
unsafe fn number(from: *const u8) -> u64 {
    // SAFETY: the caller's promise: so many bytes can be read.
    u64::from_be(unsafe { from.cast::<u64>().read_unaligned() })
}

#[inline(always)]
unsafe fn short_number(from: *const u8) -> u64 {
    // SAFETY: the caller's promise: so many bytes can be read.
    u32::from_be(unsafe { from.cast::<u32>().read_unaligned() }).into()
}

/// The order of the first numbers, and if these are equal of the last.
#[inline(always)]
fn order([first, last]: [u64; 2], [other_first, other_last]: [u64; 2]) -> c_int {
    let (one, other) = if first == other_first { (last, other_last) } else { (first, other_first) };
    c_int::from(one > other) - c_int::from(one < other)
}

#[cfg(test)]
mod tests;
