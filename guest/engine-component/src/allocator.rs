//! The guest's allocator: it hands out memory from the end of the data on and
//! takes none back but the last piece. Right only because an instance serves
//! one request and is dropped; it must never be used where instances live on.
//!
//! Memory grows only when the initial memory runs out, so that an ordinary
//! request costs the host no memory system call.

#![expect(unsafe_code, reason = "an allocator deals in raw pointers; there is no safe trait for one")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ptr;

#[global_allocator]
static ALLOCATOR: BumpAllocator = BumpAllocator { next: Cell::new(0), end: Cell::new(0) };

/// Addresses of the free memory; both zero before the first allocation.
struct BumpAllocator {
    next: Cell<usize>,
    end: Cell<usize>,
}

// SAFETY: this target has no threads; the world imports none.
unsafe impl Sync for BumpAllocator {}

// SAFETY: each piece lies between `next` and `end`, which are within the
// memory, and `next` moves past it before it is handed out. It moves back only
// over the piece that was handed out last, when that is given back.
unsafe impl GlobalAlloc for BumpAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(layout).map_or(ptr::null_mut(), ptr::with_exposed_provenance_mut)
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        if self.is_last(piece, layout.size()) {
            self.next.set(piece.expose_provenance());
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Strings that are being written grow in place, where they are the last piece.
        if self.is_last(piece, layout.size()) && self.reserve(piece.expose_provenance(), new_size).is_some() {
            return piece;
        }
        if new_size <= layout.size() {
            return piece;
        }
        // SAFETY: the caller's own contract: `new_size` fits the alignment of `layout`.
        let new_piece = unsafe { self.alloc(Layout::from_size_align_unchecked(new_size, layout.align())) };
        if !new_piece.is_null() {
            // SAFETY: both pieces are ours, at least this long, and apart.
            unsafe { ptr::copy_nonoverlapping(piece, new_piece, layout.size()) };
        }
        new_piece
    }
}

impl BumpAllocator {
    fn take(&self, layout: Layout) -> Option<usize> {
        if self.next.get() == 0 {
            self.next.set(heap_base());
            self.end.set(memory_end());
        }
        let start = self.next.get().checked_next_multiple_of(layout.align())?;
        self.reserve(start, layout.size())
    }

    /// Makes `[start, start + size)` the last piece, growing the memory where needed.
    fn reserve(&self, start: usize, size: usize) -> Option<usize> {
        let next = start.checked_add(size)?;
        if next > self.end.get() {
            let pages = (next - self.end.get()).div_ceil(PAGE_BYTES).max(GROWTH_PAGES_MIN);
            if !grow(pages) {
                return None;
            }
            self.end.set(memory_end());
        }
        self.next.set(next);
        Some(start)
    }

    fn is_last(&self, piece: *mut u8, size: usize) -> bool {
        piece.addr().checked_add(size) == Some(self.next.get())
    }
}

fn heap_base() -> usize {
    // SAFETY: the linker defines the symbol; only its address is taken.
    unsafe extern "C" {
        static __heap_base: u8;
    }
    (&raw const __heap_base).expose_provenance()
}

fn memory_end() -> usize {
    std::arch::wasm32::memory_size::<0>() * PAGE_BYTES
}

/// The host refuses what its memory limit does not allow.
fn grow(pages: usize) -> bool {
    std::arch::wasm32::memory_grow::<0>(pages) != usize::MAX
}

const PAGE_BYTES: usize = 64 * 1024;

/// 256 KiB at once, so that a large answer grows the memory a few times only.
const GROWTH_PAGES_MIN: usize = 4;
