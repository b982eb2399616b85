//! Memory for vectors: aligned rows, and one picture that several threads write.

use std::{
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

/// A cache line, and the longest vector.
#[derive(Debug, Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Values in a cache line.
pub(super) const LINE: usize = 16;

/// Values that begin at a cache line.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Line>);

impl Lines {
    /// Makes room for at least `values`. What was there is kept or not; new room is zero.
    pub(super) fn resize(&mut self, values: usize) {
        self.0.resize(values.div_ceil(LINE), Line::default());
    }

    /// The same memory as four bytes each.
    pub(super) fn bits(&self) -> &[u32] {
        bytemuck::cast_slice(&self.0)
    }

    /// Likewise.
    pub(super) fn bits_mut(&mut self) -> &mut [u32] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}

impl Deref for Lines {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        bytemuck::cast_slice(&self.0)
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}

/// A slice that several threads write, each its own pieces.
#[derive(Debug)]
pub(super) struct Pieces<'a, T> {
    start: *mut T,
    length: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: it is as good as the `&mut [T]` that it was made of; who takes pieces answers for their being apart.
unsafe impl<T: Send> Sync for Pieces<'_, T> {}

impl<'a, T> Pieces<'a, T> {
    pub(super) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), length: slice.len(), slice: PhantomData }
    }

    /// `length` elements from `at` on; fewer where the slice ends before.
    ///
    /// # Safety
    /// No two pieces that are held at once overlap.
    #[allow(clippy::mut_from_ref, reason = "the caller answers for it")]
    pub(super) unsafe fn piece(&self, at: usize, length: usize) -> &'a mut [T] {
        let at = at.min(self.length);
        let length = length.min(self.length - at);
        // SAFETY: it lies inside the slice, and the caller says that nobody else has it.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), length) }
    }
}
