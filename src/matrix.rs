//! Matrix products, for the networks that are trained and asked here: `matrixmultiply` behind checked lengths.

/// `matrixmultiply`'s product: rows, depth, columns, α, a and its steps, b and its steps, β, the sums and their steps.
type Gemm<T> =
    unsafe fn(usize, usize, usize, T, *const T, isize, isize, *const T, isize, isize, T, *mut T, isize, isize);

/// The numbers that matrices are made of.
pub(crate) trait Number: Copy {
    /// 1.
    const ONE: Self;
    /// The product of matrices of them.
    const GEMM: Gemm<Self>;
}

impl Number for f32 {
    const ONE: Self = 1.0;
    const GEMM: Gemm<Self> = matrixmultiply::sgemm;
}

impl Number for f64 {
    const ONE: Self = 1.0;
    const GEMM: Gemm<Self> = matrixmultiply::dgemm;
}

/// A matrix as a factor: as it lies, row by row, or turned.
pub(crate) struct Factor<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    steps: [isize; 2],
}

impl<'a, T> Factor<'a, T> {
    /// A matrix that lies in rows of `columns`.
    pub(crate) fn of(data: &'a [T], columns: usize) -> Self {
        let rows = data.len() / columns.max(1);
        Self { data, rows, columns, steps: [columns as isize, 1] }
    }

    /// The transpose of a matrix that lies in rows of `columns`.
    #[cfg(feature = "train")]
    pub(crate) fn turned(data: &'a [T], columns: usize) -> Self {
        let rows = data.len() / columns.max(1);
        Self { data, rows: columns, columns: rows, steps: [1, columns as isize] }
    }
}

/// `sums` `[a.rows][b.columns]` += a·b.
///
/// # Panics
/// When the factors do not fit together or `sums` has another size.
pub(crate) fn add_product<T: Number>(a: Factor<'_, T>, b: Factor<'_, T>, sums: &mut [T]) {
    let (rows, depth, columns) = (a.rows, a.columns, b.columns);
    assert!(a.data.len() == rows * depth && b.data.len() == depth * columns && sums.len() == rows * columns);
    assert_eq!(depth, b.rows, "the factors fit together");
    // SAFETY: each factor has as many numbers as rows times columns, and its steps are those of a matrix that lies
    // row by row or of its transpose; so all that is reached lies in the three slices. The product is one of
    // `matrixmultiply`'s, which ask for no more.
    unsafe {
        let ([ar, ac], [br, bc]) = (a.steps, b.steps);
        let (a, b, sums) = (a.data.as_ptr(), b.data.as_ptr(), sums.as_mut_ptr());
        (T::GEMM)(rows, depth, columns, T::ONE, a, ar, ac, b, br, bc, T::ONE, sums, columns as isize, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_by_hand() {
        let mut sums = [100.0, 0.0, 0.0, 0.0];
        // 1 2 3 / 4 5 6 times 1 0 / 0 1 / 1 1.
        let (a, b) = ([1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0_f32, 0.0, 0.0, 1.0, 1.0, 1.0]);
        add_product(Factor::of(&a, 3), Factor::of(&b, 2), &mut sums);
        assert_eq!(sums, [104.0, 5.0, 10.0, 11.0]);
        let mut wide = [0.0, 1.0, 0.0, 0.0];
        add_product(Factor::of(&a.map(f64::from), 3), Factor::of(&b.map(f64::from), 2), &mut wide);
        assert_eq!(wide, [4.0, 6.0, 10.0, 11.0]);
    }

    #[cfg(feature = "train")]
    #[test]
    fn a_turned_factor_is_its_transpose() {
        let mut sums = [0.0_f32; 4];
        // 1 2 / 3 4, turned, times 1 1 / 0 1.
        add_product(Factor::turned(&[1.0, 2.0, 3.0, 4.0], 2), Factor::of(&[1.0, 1.0, 0.0, 1.0], 2), &mut sums);
        assert_eq!(sums, [1.0, 4.0, 2.0, 6.0]);
    }
}
