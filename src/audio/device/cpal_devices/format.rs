//! Formats of samples: which one to run a device in, and each of them from and to mono.

use crate::audio::SAMPLE_RATE;
use cpal::{
    Data, FromSample, I24, Sample, SampleFormat, SizedSample, SupportedStreamConfig, SupportedStreamConfigRange, U24,
};

/// What a resampler takes.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=384_000;

/// How to run a device: at 48 kHz if it can, and as it would by itself if that is not against it.
pub(super) fn choose(
    default: Option<SupportedStreamConfig>,
    ranges: impl Iterator<Item = SupportedStreamConfigRange>,
) -> Option<SupportedStreamConfig> {
    let default = default.filter(|config| {
        config.channels() > 0 && known(config.sample_format()) && RATES.contains(&config.sample_rate())
    });
    if let Some(config) = default.filter(|config| config.sample_rate() == SAMPLE_RATE) {
        return Some(config);
    }
    let ranges: Vec<_> = ranges.filter(|range| range.channels() > 0 && known(range.sample_format())).collect();
    let best = |rate_of: &dyn Fn(&SupportedStreamConfigRange) -> Option<u32>| {
        let able = ranges.iter().filter(|range| rate_of(range).is_some());
        let range = able.max_by(|a, b| a.cmp_default_heuristics(b))?;
        range.try_with_sample_rate(rate_of(range)?)
    };
    best(&|range| range.contains_rate(SAMPLE_RATE).then_some(SAMPLE_RATE)).or(default).or_else(|| {
        best(&|range| {
            let nearest = SAMPLE_RATE.max(range.min_sample_rate()).min(range.max_sample_rate());
            RATES.contains(&nearest).then_some(nearest)
        })
    })
}

/// All but the one-bit streams of DSD.
fn known(format: SampleFormat) -> bool {
    format.is_int() || format.is_uint() || format.is_float()
}

/// What is done with a device's samples, whatever their type.
pub(super) trait Reading {
    fn read<T: SizedSample>(&mut self, samples: &[T])
    where
        f32: FromSample<T>;
}

/// What is done to a device's samples, whatever their type.
pub(super) trait Writing {
    fn write<T: SizedSample + FromSample<f32>>(&mut self, samples: &mut [T]);
}

/// Gives a device's samples, by their format, to `reading`. A format that was not chosen gives none.
pub(super) fn read(data: &Data, reading: &mut impl Reading) {
    match data.sample_format() {
        SampleFormat::I8 => reading.read(data.as_slice::<i8>().unwrap_or_default()),
        SampleFormat::I16 => reading.read(data.as_slice::<i16>().unwrap_or_default()),
        SampleFormat::I24 => reading.read(data.as_slice::<I24>().unwrap_or_default()),
        SampleFormat::I32 => reading.read(data.as_slice::<i32>().unwrap_or_default()),
        SampleFormat::I64 => reading.read(data.as_slice::<i64>().unwrap_or_default()),
        SampleFormat::U8 => reading.read(data.as_slice::<u8>().unwrap_or_default()),
        SampleFormat::U16 => reading.read(data.as_slice::<u16>().unwrap_or_default()),
        SampleFormat::U24 => reading.read(data.as_slice::<U24>().unwrap_or_default()),
        SampleFormat::U32 => reading.read(data.as_slice::<u32>().unwrap_or_default()),
        SampleFormat::U64 => reading.read(data.as_slice::<u64>().unwrap_or_default()),
        SampleFormat::F32 => reading.read(data.as_slice::<f32>().unwrap_or_default()),
        SampleFormat::F64 => reading.read(data.as_slice::<f64>().unwrap_or_default()),
        _ => {}
    }
}

/// Gives a device's samples, by their format, to `writing`. A format that was not chosen stays as it is: silent.
pub(super) fn write(data: &mut Data, writing: &mut impl Writing) {
    match data.sample_format() {
        SampleFormat::I8 => writing.write(data.as_slice_mut::<i8>().unwrap_or_default()),
        SampleFormat::I16 => writing.write(data.as_slice_mut::<i16>().unwrap_or_default()),
        SampleFormat::I24 => writing.write(data.as_slice_mut::<I24>().unwrap_or_default()),
        SampleFormat::I32 => writing.write(data.as_slice_mut::<i32>().unwrap_or_default()),
        SampleFormat::I64 => writing.write(data.as_slice_mut::<i64>().unwrap_or_default()),
        SampleFormat::U8 => writing.write(data.as_slice_mut::<u8>().unwrap_or_default()),
        SampleFormat::U16 => writing.write(data.as_slice_mut::<u16>().unwrap_or_default()),
        SampleFormat::U24 => writing.write(data.as_slice_mut::<U24>().unwrap_or_default()),
        SampleFormat::U32 => writing.write(data.as_slice_mut::<u32>().unwrap_or_default()),
        SampleFormat::U64 => writing.write(data.as_slice_mut::<u64>().unwrap_or_default()),
        SampleFormat::F32 => writing.write(data.as_slice_mut::<f32>().unwrap_or_default()),
        SampleFormat::F64 => writing.write(data.as_slice_mut::<f64>().unwrap_or_default()),
        _ => {}
    }
}

/// The mean of a frame's channels. What is no number is silent: a resampler would keep it for long.
pub(super) fn to_mono<T: SizedSample>(frame: &[T]) -> f32
where
    f32: FromSample<T>,
{
    let sum: f32 = frame.iter().map(|&sample| f32::from_sample(sample)).sum();
    let mean = sum / frame.len().max(1) as f32;
    if mean.is_finite() { mean } else { 0.0 }
}

/// A sample in all of a frame's channels, cut at full scale.
pub(super) fn from_mono<T: SizedSample + FromSample<f32>>(sample: f32, frame: &mut [T]) {
    let sample = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
    frame.fill(T::from_sample(sample));
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpal::SupportedBufferSize::Unknown;

    fn range(channels: u16, from: u32, to: u32, format: SampleFormat) -> SupportedStreamConfigRange {
        SupportedStreamConfigRange::new(channels, from, to, Unknown, format)
    }

    fn chosen(
        default: Option<(u16, u32, SampleFormat)>,
        ranges: &[SupportedStreamConfigRange],
    ) -> Option<(u16, u32, SampleFormat)> {
        let default =
            default.map(|(channels, rate, format)| SupportedStreamConfig::new(channels, rate, Unknown, format));
        let config = choose(default, ranges.iter().copied())?;
        Some((config.channels(), config.sample_rate(), config.sample_format()))
    }

    #[test]
    fn a_device_runs_at_48_khz_if_it_can() {
        use SampleFormat::{DsdU8, F32, I16};
        let native = Some((6, 48_000, I16));
        assert_eq!(chosen(native, &[range(2, 44_100, 96_000, F32)]), native, "as it would by itself");
        let cd = Some((2, 44_100, I16));
        assert_eq!(chosen(cd, &[range(2, 44_100, 44_100, F32), range(1, 48_000, 48_000, I16)]), Some((1, 48_000, I16)));
        assert_eq!(chosen(cd, &[range(2, 44_100, 44_100, F32)]), cd);
        assert_eq!(chosen(None, &[range(2, 96_000, 192_000, I16)]), Some((2, 96_000, I16)), "the nearest");
        assert_eq!(chosen(None, &[range(1, 8_000, 16_000, I16)]), Some((1, 16_000, I16)));
        let dsd = [range(2, 48_000, 48_000, DsdU8), range(2, 44_100, 44_100, I16)];
        assert_eq!(chosen(Some((2, 48_000, DsdU8)), &dsd), cd);
        assert_eq!(chosen(None, &[range(0, 48_000, 48_000, I16), range(2, 1_000_000, 1_000_000, I16)]), None);
        assert_eq!(chosen(None, &[]), None);
    }

    #[test]
    fn channels_are_averaged() {
        assert_eq!(to_mono(&[0.25_f32]), 0.25);
        assert_eq!(to_mono(&[0.5_f32, 0.0, -0.25, 0.75]), 0.25);
        assert_eq!(to_mono::<f32>(&[]), 0.0);
        assert_eq!(to_mono(&[f32::NAN, 1.0]), 0.0);
        assert_eq!(to_mono(&[f64::INFINITY]), 0.0);
    }

    /// Half of full scale in every format, and silence.
    #[test]
    fn formats_have_the_same_half_and_the_same_silence() {
        fn check<T: SizedSample + FromSample<f32> + std::fmt::Debug>(half: T, silence: T)
        where
            f32: FromSample<T>,
        {
            assert_eq!(to_mono(&[half]), 0.5);
            assert_eq!(to_mono(&[silence]), 0.0);
            let mut frame = [silence, silence];
            from_mono(0.5, &mut frame);
            assert_eq!(frame, [half, half]);
            from_mono(f32::NAN, &mut frame);
            assert_eq!(frame, [silence, silence]);
            // Beyond full scale it neither wraps around nor changes its sign.
            from_mono(5.0, &mut frame);
            assert!(to_mono(&frame) > 0.99, "{frame:?}");
            from_mono(-5.0, &mut frame);
            assert!(to_mono(&frame) < -0.99, "{frame:?}");
        }
        check(1_i8 << 6, 0);
        check(1_i16 << 14, 0);
        check(I24::new(1 << 22).unwrap(), I24::new(0).unwrap());
        check(1_i32 << 30, 0);
        check(1_i64 << 62, 0);
        check(0xC0_u8, 0x80);
        check(0xC000_u16, 0x8000);
        check(U24::new(0xC0_0000).unwrap(), U24::new(0x80_0000).unwrap());
        check(0xC000_0000_u32, 0x8000_0000);
        check(0xC000_0000_0000_0000_u64, 0x8000_0000_0000_0000);
        check(0.5_f32, 0.0);
        check(0.5_f64, 0.0);
    }
}
