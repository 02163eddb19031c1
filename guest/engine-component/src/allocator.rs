//! The guest's allocator: `dlmalloc`, which the standard library has for this target, too, in a version of our choice.
//! From 0.2.14 on it begins with the memory that an instance has from the start, so that an ordinary request costs the
//! host no memory system call; only then does it grow the memory.
//!
//! Freed memory is used again and not cleared: an instance serves one request, and the host clears its memory before
//! another instance gets it.

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;
