//! Sound out of files, read ahead by a thread of its own.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    thread::JoinHandle,
};

use crate::audio::{
    BLOCK, Block,
    sound_file::{SoundFile, SoundFileError},
};

/// Blocks that are read ahead: half a second.
const AHEAD: usize = 50;

/// What comes out of a file.
pub(super) enum Read {
    Block(Box<Block>),
    /// The file has ended; its beginning comes next.
    End,
    /// It is behind; try again.
    Later,
    /// It can be read no more, and why, where that is to be told.
    Over(Option<String>),
}

/// A file that is being read; dropping it ends and joins its thread.
pub(super) struct SoundReader {
    blocks: Option<Receiver<Result<Option<Box<Block>>, SoundFileError>>>,
    thread: Option<JoinHandle<()>>,
}

impl SoundReader {
    /// Begins to read a file, again and again: after its end comes its beginning. Where it `may_be_silent`, a video that
    /// has no sound is no trouble.
    pub(super) fn start(path: PathBuf, may_be_silent: bool) -> std::io::Result<Self> {
        let (out, blocks) = sync_channel(AHEAD);
        let thread = std::thread::Builder::new().name("sound file".into()).spawn(move || match read(&path, &out) {
            Err(error @ (SoundFileError::NoSound { .. } | SoundFileError::Format { .. })) if may_be_silent => {
                tracing::info!("{error}");
            }
            Err(error) => _ = out.send(Err(error)),
            Ok(()) => {}
        })?;
        Ok(Self { blocks: Some(blocks), thread: Some(thread) })
    }

    /// The next 10 ms, if they have been read.
    pub(super) fn next(&self) -> Read {
        match self.blocks.as_ref().map(Receiver::try_recv) {
            Some(Ok(Ok(Some(block)))) => Read::Block(block),
            Some(Ok(Ok(None))) => Read::End,
            Some(Ok(Err(error))) => Read::Over(Some(error.to_string())),
            Some(Err(TryRecvError::Empty)) => Read::Later,
            Some(Err(TryRecvError::Disconnected)) | None => Read::Over(None),
        }
    }
}

/// Until nobody listens any more.
fn read(path: &Path, out: &SyncSender<Result<Option<Box<Block>>, SoundFileError>>) -> Result<(), SoundFileError> {
    let mut file = SoundFile::open(path)?;
    loop {
        let mut block = Box::new([0.0; BLOCK]);
        let own = file.read(&mut block);
        if own > 0 && out.send(Ok(Some(block))).is_err() {
            return Ok(());
        }
        if own < BLOCK {
            if out.send(Ok(None)).is_err() {
                return Ok(());
            }
            file.rewind()?;
        }
    }
}

impl Drop for SoundReader {
    fn drop(&mut self) {
        // A thread that waits for room is woken by that.
        self.blocks = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that reads sound panicked");
        }
    }
}
