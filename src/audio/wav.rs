//! Sound into WAV files: mono, 16 bits, 48 kHz.

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

use hound::{SampleFormat, WavSpec};
use thiserror::Error;

use super::{Block, SAMPLE_RATE};

const SPEC: WavSpec =
    WavSpec { channels: 1, sample_rate: SAMPLE_RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
/// WAV counts its bytes in 32 bits; the header's are among them. About 12 hours and 25 minutes.
const MAX_SAMPLES: u64 = (u32::MAX as u64 - 1024) / 2;

/// Sound could not be written.
#[derive(Debug, Error)]
pub enum WavError {
    /// The file cannot be made.
    #[error("{}: cannot be created: {source}; choose another place", path.display())]
    Create {
        /// Which.
        path: PathBuf,
        /// Why.
        source: hound::Error,
    },
    /// It cannot be written on.
    #[error("{}: cannot be written: {source}; what was written before can be played", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: hound::Error,
    },
    /// It is as long as WAV can be.
    #[error("{}: a WAV file holds no more than 4 GiB; begin another", path.display())]
    Full {
        /// Which.
        path: PathBuf,
    },
}

/// A WAV file that is being written. Its header is right once a second, so that what a killed program leaves can be
/// played.
pub struct WavWriter {
    path: PathBuf,
    hound: hound::WavWriter<BufWriter<File>>,
    samples: u64,
}

impl std::fmt::Debug for WavWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WavWriter").field("path", &self.path).field("samples", &self.samples).finish_non_exhaustive()
    }
}

impl WavWriter {
    /// Begins a file; one that was there is gone.
    ///
    /// # Errors
    ///
    /// It cannot be created.
    pub fn create(path: &Path) -> Result<Self, WavError> {
        let error = |source| WavError::Create { path: path.to_owned(), source };
        let mut hound = hound::WavWriter::create(path, SPEC).map_err(error)?;
        hound.flush().map_err(error)?;
        Ok(Self { path: path.to_owned(), hound, samples: 0 })
    }

    /// Appends 10 ms. Louder than full scale is clipped.
    ///
    /// # Errors
    ///
    /// The disk refuses, or the file is full.
    pub fn write(&mut self, block: &Block) -> Result<(), WavError> {
        if self.samples + block.len() as u64 > MAX_SAMPLES {
            return Err(WavError::Full { path: self.path.clone() });
        }
        let error = |source| WavError::Write { path: self.path.clone(), source };
        for sample in block {
            self.hound.write_sample(quantized(*sample)).map_err(error)?;
        }
        let before = self.samples;
        self.samples += block.len() as u64;
        if before / u64::from(SAMPLE_RATE) != self.samples / u64::from(SAMPLE_RATE) {
            self.hound.flush().map_err(error)?;
        }
        Ok(())
    }

    /// Ends the file and says how many seconds it is long.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub fn finish(self) -> Result<f64, WavError> {
        self.hound.finalize().map_err(|source| WavError::Write { path: self.path, source })?;
        Ok(self.samples as f64 / f64::from(SAMPLE_RATE))
    }
}

/// -1 to 1 as 16 bits, to the nearest.
fn quantized(sample: f32) -> i16 {
    // A float that is no number becomes 0, one that is out of bounds the bound.
    (sample * 32_767.0).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::BLOCK;

    fn read(path: &Path) -> Vec<i16> {
        let mut reader = hound::WavReader::open(path).unwrap();
        assert_eq!(reader.spec(), SPEC);
        reader.samples().map(Result::unwrap).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.wav");
        let mut writer = WavWriter::create(&path).unwrap();
        let mut block = [0.0; BLOCK];
        block[..6].copy_from_slice(&[1.0, -1.0, 3.0, -3.0, f32::NAN, 0.5]);
        writer.write(&block).unwrap();
        writer.write(&[0.25; BLOCK]).unwrap();
        assert!((writer.finish().unwrap() - 0.02).abs() < 1e-12);
        let samples = read(&path);
        assert_eq!(samples.len(), 2 * BLOCK);
        // -3 · 32767 is less than 16 bits hold, and is cut there.
        assert_eq!(samples[..6], [32_767, -32_767, 32_767, -32_768, 0, 16_384]);
        assert_eq!(samples[BLOCK], 8192);
    }

    #[test]
    fn what_a_killed_program_leaves_can_be_played() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.wav");
        let mut writer = WavWriter::create(&path).unwrap();
        assert!(read(&path).is_empty());
        for _ in 0..250 {
            writer.write(&[0.1; BLOCK]).unwrap();
        }
        // As it lies on the disk while the writer lives.
        assert_eq!(read(&path).len(), 2 * SAMPLE_RATE as usize);
        writer.finish().unwrap();
        assert_eq!(read(&path).len(), 250 * BLOCK);
    }

    #[test]
    fn errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no such folder").join("out.wav");
        let error = WavWriter::create(&path).unwrap_err().to_string();
        assert!(error.contains("out.wav") && error.contains("no such folder"), "{error}");
        let mut writer = WavWriter::create(&folder.path().join("full.wav")).unwrap();
        writer.samples = MAX_SAMPLES - 10;
        assert!(matches!(writer.write(&[0.0; BLOCK]), Err(WavError::Full { .. })));
    }
}
