//! Where units go: a byte stream, or an `.mp4` that keeps their times.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clearcall::{
    codec::AccessUnit,
    record::{Recording, Written},
};

use super::super::{Input as _, InputFault};

pub(crate) struct Output {
    path: PathBuf,
    bytes: u64,
    kind: Kind,
}

enum Kind {
    Stream(BufWriter<File>),
    /// Begun with the first unit.
    Mp4(Option<Recording>),
}

impl Output {
    /// What is there already is written over.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path)
            .with_context(|| format!("cannot write {}; is the folder there and writable?", path.display()))
            .input()?;
        let mp4 = ["mp4", "m4v", "mov"].iter().any(|extension| super::super::has_extension(path, extension));
        let kind = if mp4 { Kind::Mp4(None) } else { Kind::Stream(BufWriter::new(file)) };
        Ok(Self { path: path.to_owned(), bytes: 0, kind })
    }

    pub(crate) const fn has_times(&self) -> bool {
        matches!(self.kind, Kind::Mp4(_))
    }

    pub(crate) const fn has_one_size(&self) -> bool {
        self.has_times()
    }

    /// Appends a unit whose picture is shown then.
    pub(crate) fn unit(&mut self, unit: &AccessUnit, time: Duration) -> anyhow::Result<()> {
        self.bytes += unit.data.len() as u64;
        match &mut self.kind {
            Kind::Stream(file) => {
                file.write_all(&unit.data).with_context(|| format!("cannot write {}", self.path.display()))?;
            }
            Kind::Mp4(none @ None) => {
                // A recording never writes over a file, and this one is empty and ours.
                std::fs::remove_file(&self.path).with_context(|| format!("cannot write {}", self.path.display()))?;
                *none = Some(Recording::create(&self.path, &unit.data, ticks(time))?);
            }
            Kind::Mp4(Some(recording)) => {
                if recording.unit(&unit.data, unit.keyframe, ticks(time))? != Written::Frame {
                    let path = self.path.display();
                    return Err(InputFault(format!("{path} holds pictures of one kind only, and they change")).into());
                }
            }
        }
        Ok(())
    }

    /// The last picture ends then. Gives the bytes of all units.
    pub(crate) fn finish(self, end: Duration) -> anyhow::Result<u64> {
        match self.kind {
            Kind::Stream(mut file) => {
                file.flush().with_context(|| format!("cannot write {}", self.path.display()))?;
            }
            Kind::Mp4(recording) => {
                if let Some(mut recording) = recording {
                    recording.lasts_until(ticks(end));
                    recording.finish()?;
                }
            }
        }
        Ok(self.bytes)
    }
}

/// In the recording's clock, which goes round.
fn ticks(time: Duration) -> u32 {
    (time.as_nanos() * 9 / 100_000) as u32
}
