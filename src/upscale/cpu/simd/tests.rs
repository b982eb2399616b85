use super::*;

/// Every operation on the same 32 numbers, as plain numbers.
struct All;

impl SimdKernel for All {
    type Output = Vec<Vec<u32>>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let a: Vec<f32> = (0..32).map(|i| (i * 37 % 29) as f32 * 11.3 - 20.0).collect();
        let b: Vec<f32> = (0..32).map(|i| (i * 17 % 31) as f32 * 9.7 - 15.0).collect();
        let c: Vec<f32> = (0..32).map(|i| (i * 8 + 7) as f32).collect();
        let mut out = vec![Vec::new(); 12];
        for i in (0..32).step_by(S::LANES) {
            // SAFETY: 32 is a multiple of LANES, and all three have 32 elements.
            let (x, y, c) = unsafe { (s.load(&a[i]), s.load(&b[i]), s.load(&c[i])) };
            let results = [
                s.add(x, y),
                s.mul(x, y),
                s.mul_add(x, y, c),
                s.min(x, y),
                s.max(x, y),
                c,
                s.splat(a[3]),
                s.rgba(x, y, c),
            ];
            let mut keep = |k: usize, v: S::V| {
                let mut lanes = [0.0; 16];
                // SAFETY: no vector is longer than sixteen.
                unsafe { s.store(lanes.as_mut_ptr(), v) };
                out[k].extend(lanes[..S::LANES].iter().map(|v| v.to_bits()));
            };
            for (k, v) in results.into_iter().enumerate() {
                keep(k, v);
            }
            for v in s.interleave(x, y) {
                keep(8, v);
            }
            let mut keep = |k: usize, v: S::I| {
                let mut lanes = [0; 16];
                // SAFETY: no vector is longer than sixteen.
                unsafe { s.store_bits(lanes.as_mut_ptr(), v) };
                out[k].extend(&lanes[..S::LANES]);
            };
            let packed = s.pack([x, y, c, s.splat(2.5)]);
            keep(9, packed);
            // The largest sum and the smallest, and signs in every byte.
            let signed: Vec<u32> = (i..i + S::LANES).map(|i| 0x7f7f_7f7f_u32.rotate_left(i as u32)).collect();
            // SAFETY: there are LANES of them.
            let signed = unsafe { s.load_bits(signed.as_ptr()) };
            keep(10, s.dot(s.dot(s.splat_bits(1000), s.splat_bits(0x7f7f_7f7f), signed), packed, signed));
            let numbers = s.to_float(s.dot(s.splat_bits(0), packed, s.splat_bits(0x0102_fe81)));
            let mut lanes = [0.0; 16];
            // SAFETY: no vector is longer than sixteen.
            unsafe { s.store(lanes.as_mut_ptr(), numbers) };
            out[11].extend(lanes[..S::LANES].iter().map(|v| v.to_bits()));
        }
        out
    }
}

#[test]
fn every_instruction_set_computes_the_same() {
    let want = Isa::Portable.run(All);
    assert_eq!(want[8].len(), 64);
    let number = |k: usize, i: usize| f32::from_bits(want[k][i]);
    assert_eq!(
        (number(0, 1), number(8, 2), number(8, 3)),
        (number(8, 2) + number(8, 3), 8.0 * 11.3 - 20.0, 17.0 * 9.7 - 15.0)
    );
    // a₁ = 70.4, b₁ = 149.9, c₁ = 15.
    assert_eq!(want[7][1].to_le_bytes(), [70, 150, 15, 255]);
    assert_eq!(want[7][0].to_le_bytes()[..2], [0, 0], "below zero");
    // 149.9 is held to 127, 2.5 goes to the even number; a₀ and b₀ lie below zero.
    assert_eq!((want[9][1].to_le_bytes(), want[9][0].to_le_bytes()), ([70, 127, 15, 2], [0, 0, 7, 2]));
    // Rotated by one, 0x7f7f7f7f is 0xfefefefe: four times −2.
    assert_eq!(want[10][1].cast_signed(), 1000 - 4 * 127 * 2 - 2 * (70 + 127 + 15 + 2));
    assert_eq!(want[10][0].cast_signed(), 1000 + 4 * 127 * 127 + 127 * (7 + 2));
    assert_eq!(f32::from_bits(want[11][1]), (-127 * 70 - 2 * 127 + 2 * 15 + 2) as f32);
    for isa in Isa::available().chain([Isa::Narrow, Isa::Wide]) {
        for (k, (is, want)) in isa.run(All).iter().zip(&want).enumerate() {
            // A fused multiply-add rounds once.
            let close = |(a, b): (&u32, &u32)| a == b || k == 2 && a.abs_diff(*b) <= 4;
            assert!(is.iter().zip(want).all(close), "operation {k} with {isa}: {is:?} against {want:?}");
        }
    }
}

#[test]
fn instruction_sets_are_read_back_as_they_are_written() {
    for isa in Isa::ALL {
        assert_eq!(isa.to_string().parse::<Isa>().unwrap(), isa);
    }
    assert!("sse9".parse::<Isa>().unwrap_err().to_string().contains("avx512vnni, avx512, avx2, neon, portable"));
    assert!(Isa::available().last() == Some(Isa::Portable) && Isa::Portable.checked().is_ok());
    let missing = Isa::ALL.into_iter().find(|isa| !isa.is_available()).unwrap();
    assert!(missing.checked().unwrap_err().to_string().contains("portable"));
}
