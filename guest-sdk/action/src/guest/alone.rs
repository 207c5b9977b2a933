//! What the standard library does otherwise: memory, and the end of a panic.
//! It is not there in a component whose crate is `#![no_std]`, and with it
//! goes half of the component.

#![expect(
    unsafe_code,
    reason = "an allocator hands out raw memory, and a component exports one for its host"
)]

use alloc::format;
use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32;
use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::ptr;

use super::bindings::nebula::action::log;

// `memcmp` and its like, which the compiler expects to be there.
#[link(name = "c")]
unsafe extern "C" {}

unsafe extern "C" {
    /// Where the linker ends what it placed; its address is all that counts.
    static __heap_base: u8;
}

#[global_allocator]
static MEMORY: Memory = Memory(UnsafeCell::new(State {
    free: [0; CLASSES],
    next: 0,
    end: 0,
}));

/// Of a page of WebAssembly, bytes.
const PAGE: usize = 65_536;
/// The smallest block, bytes; every block is aligned to it.
const SMALLEST: usize = 16;
/// Four sizes between a power of two and the next, from `SMALLEST` to 4 GiB.
const CLASSES: usize = 4 * 28;

/// Blocks of a few sizes. A block that is given back waits for one that wants
/// its size; a call is short, and its memory goes with it. The crate `dlmalloc`
/// in its place makes a component 6.9 KB larger, the C library's `malloc` 11 KB:
/// a tenth and more of a small action.
struct Memory(UnsafeCell<State>);

// SAFETY: a component has one thread.
unsafe impl Sync for Memory {}

struct State {
    /// The first free block of each size; its first word is the next.
    free: [usize; CLASSES],
    /// From here on nothing was handed out yet.
    next: usize,
    /// Where memory ends; zero before the first block.
    end: usize,
}

/// The size class for so many bytes, and its size.
fn class(bytes: usize) -> Option<(usize, usize)> {
    if bytes <= SMALLEST * 4 {
        let units = bytes.max(1).div_ceil(SMALLEST);
        return Some((units - 1, units * SMALLEST));
    }
    // The two bits below the highest choose among four sizes.
    let shift = usize::BITS - 3 - (bytes - 1).leading_zeros();
    let quarters = ((bytes - 1) >> shift) + 1;
    let size = quarters.checked_shl(shift)?;
    let number = (shift as usize - 4) * 4 + quarters - 1;
    (size >= bytes && number < CLASSES).then_some((number, size))
}

impl State {
    fn take(&mut self, bytes: usize, align: usize) -> Option<usize> {
        if align > SMALLEST {
            return self.fresh(bytes, align);
        }
        let (number, size) = class(bytes)?;
        let free = self.free[number];
        if free == 0 {
            return self.fresh(size, SMALLEST);
        }
        // SAFETY: a free block is ours, and holds the next one's address.
        self.free[number] = unsafe { *(free as *const usize) };
        Some(free)
    }

    fn give(&mut self, block: usize, bytes: usize, align: usize) {
        if align > SMALLEST {
            return;
        }
        if let Some((number, _)) = class(bytes) {
            // SAFETY: the block was handed out with at least `SMALLEST` bytes.
            unsafe { *(block as *mut usize) = self.free[number] };
            self.free[number] = block;
        }
    }

    /// The last block that was handed out grows where it stands.
    fn extend(&mut self, block: usize, old: usize, new: usize) -> bool {
        let (Some((_, old)), Some((_, new))) = (class(old), class(new)) else {
            return false;
        };
        if new == old {
            return true;
        }
        let end = block + old;
        end == self.next && new > old && self.fresh(new - old, SMALLEST) == Some(end)
    }

    fn fresh(&mut self, bytes: usize, align: usize) -> Option<usize> {
        if self.end == 0 {
            // What is left of the last page; a short call needs no more, and
            // growing costs the host a system call.
            self.next = (&raw const __heap_base).expose_provenance();
            self.end = wasm32::memory_size(0) * PAGE;
        }
        let mut block = self.next.checked_next_multiple_of(align)?;
        if self.end < block.checked_add(bytes)? {
            let missing = bytes.checked_add(align)?;
            let pages = missing.div_ceil(PAGE);
            let begin = wasm32::memory_grow(0, pages);
            if begin == usize::MAX {
                return None;
            }
            // Somebody else may have grown the memory meanwhile.
            if begin * PAGE != self.end {
                block = (begin * PAGE).checked_next_multiple_of(align)?;
            }
            self.end = (begin + pages) * PAGE;
        }
        self.next = block + bytes;
        Some(block)
    }
}

// SAFETY: blocks do not overlap, are as large and as aligned as was asked for,
// and stay until they are given back.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and no reference outlives a call.
        let state = unsafe { &mut *self.0.get() };
        match state.take(layout.size(), layout.align()) {
            Some(block) => ptr::with_exposed_provenance_mut(block),
            None => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        let state = unsafe { &mut *self.0.get() };
        state.give(block.expose_provenance(), layout.size(), layout.align());
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        let state = unsafe { &mut *self.0.get() };
        let align = layout.align();
        if align <= SMALLEST && state.extend(block.expose_provenance(), layout.size(), size) {
            return block;
        }
        let Some(new) = state.take(size, align) else {
            return ptr::null_mut();
        };
        let new = ptr::with_exposed_provenance_mut::<u8>(new);
        // SAFETY: both blocks have so many bytes, and they are two.
        unsafe { ptr::copy_nonoverlapping(block, new, layout.size().min(size)) };
        state.give(block.expose_provenance(), layout.size(), align);
        new
    }
}

/// Where the host puts what it hands over.
#[unsafe(export_name = "cabi_realloc")]
extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    if size == 0 {
        return ptr::without_provenance_mut(align);
    }
    // SAFETY: the host gives back what it got here, with the size it asked for;
    // the canonical ABI has no alignment that is none.
    let block = unsafe {
        if old_size == 0 {
            MEMORY.alloc(Layout::from_size_align_unchecked(size, align))
        } else {
            let layout = Layout::from_size_align_unchecked(old_size, align);
            MEMORY.realloc(old, layout, size)
        }
    };
    if block.is_null() {
        wasm32::unreachable();
    }
    block
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    log::write(log::Level::Error, &format!("{info}"));
    wasm32::unreachable()
}
