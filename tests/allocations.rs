//! The CPU engine sets no memory aside for a frame, once it has seen one of that size.

#[path = "support/pictures.rs"]
#[allow(dead_code, reason = "other tests compare pictures")]
mod pictures;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

use clearcall::{
    frame::Colour,
    model::Model,
    upscale::{CpuEngine, Upscaler},
};

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: it hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as the caller's.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test alone, so that nothing else sets memory aside meanwhile.
#[test]
fn a_frame_takes_no_memory() {
    for (channels, depth) in [(8, 1), (16, 4)] {
        let model = Model::untrained(channels, depth, 1).unwrap();
        let other = Model::untrained(channels, depth, 2).unwrap();
        let mut engine = CpuEngine::new(&model, Some(2)).unwrap();
        // Wide enough for two stretches of columns, of different widths, in the bigger network.
        let lr = pictures::picture(610, 40, Colour::default(), 3, 1);
        let mut held = engine.compare(&lr).unwrap();
        for _ in 0..5 {
            held = engine.compare(&lr).unwrap();
        }
        let before = COUNT.load(Ordering::Relaxed);
        for _ in 0..50 {
            held = engine.compare(&lr).unwrap();
            engine.set_weights(&other).unwrap();
        }
        assert_eq!(COUNT.load(Ordering::Relaxed) - before, 0, "{channels} channels");
        // Nor where some of the picture stands still, now more of it, now less.
        let mut lr = lr;
        let mut change = |rows: usize, engine: &mut CpuEngine| {
            lr.planes_mut()[0].row_mut(rows)[..1 << (rows % 10)].iter_mut().for_each(|code| *code ^= 1);
            held = engine.compare(&lr).unwrap();
        };
        change(20, &mut engine);
        let before = COUNT.load(Ordering::Relaxed);
        (0..40).for_each(|row| change(row, &mut engine));
        assert_eq!(COUNT.load(Ordering::Relaxed) - before, 0, "{channels} channels, parts of pictures");
    }
    let before = COUNT.load(Ordering::Relaxed);
    drop(std::hint::black_box(vec![1_u8; 100]));
    assert!(COUNT.load(Ordering::Relaxed) > before, "the counter counts");
}
