//! An allocator that counts what the calling thread asks of it.

#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Sub;

/// The system's allocator, counted for each thread by itself: what background threads of an
/// exporter allocate is not a request's.
#[derive(Debug)]
pub(crate) struct Counting;

thread_local! {
    static COUNTED: Cell<Allocations> = const { Cell::new(Allocations { count: 0, bytes: 0 }) };
}

/// What a thread has asked for: blocks, grown blocks counting again, and their bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allocations {
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

impl Allocations {
    /// All of this thread up to now.
    pub(crate) fn so_far() -> Self {
        COUNTED.get()
    }
}

impl Sub for Allocations {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            count: self.count - before.count,
            bytes: self.bytes - before.bytes,
        }
    }
}

fn count(size: usize) {
    // A thread that is going down may still allocate; nobody looks at its count.
    let _ = COUNTED.try_with(|counted| {
        let Allocations { count, bytes } = counted.get();
        counted.set(Allocations {
            count: count + 1,
            bytes: bytes + size as u64,
        });
    });
}

// SAFETY: every method passes its arguments to `System` unchanged and returns its answer, so the
// contract of `GlobalAlloc` is kept where the caller keeps it; `count` neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is of `System`, for all of this allocator's are, with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the block is of `System`, for all of this allocator's are, with this layout.
        unsafe { System.realloc(block, layout, size) }
    }
}
