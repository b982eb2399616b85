//! What arrives, into a WAV file: written by a thread of its own, since a disk may be slow.

use std::{
    path::Path,
    sync::mpsc::{SyncSender, TrySendError, sync_channel},
    thread::JoinHandle,
};

use crate::audio::{
    Block,
    wav::{WavError, WavWriter},
};

/// Blocks that may wait for the disk: ten seconds.
const AHEAD: usize = 1000;

/// A file that is being written.
pub(super) struct WavOut {
    blocks: Option<SyncSender<Box<Block>>>,
    thread: Option<JoinHandle<Result<f64, WavError>>>,
    /// Blocks that the disk was too slow for.
    pub(super) dropped: u64,
}

impl WavOut {
    /// Begins the file.
    pub(super) fn create(path: &Path) -> Result<Self, WavError> {
        let mut writer = WavWriter::create(path)?;
        let (blocks, inbox) = sync_channel::<Box<Block>>(AHEAD);
        let write = move || {
            for block in inbox {
                writer.write(&block)?;
            }
            writer.finish()
        };
        let thread = std::thread::Builder::new().name("audio out".into()).spawn(write);
        let thread = thread.map_err(|source| WavError::Create { path: path.to_owned(), source: source.into() })?;
        Ok(Self { blocks: Some(blocks), thread: Some(thread), dropped: 0 })
    }

    /// Appends 10 ms; why no more can be written, once.
    pub(super) fn put(&mut self, block: &Block) -> Result<(), String> {
        match self.blocks.as_ref().map(|blocks| blocks.try_send(Box::new(*block))) {
            Some(Err(TrySendError::Full(_))) => self.dropped += 1,
            // Its thread has ended, so that nothing is waited for.
            Some(Err(TrySendError::Disconnected(_))) => return self.finish(),
            _ => {}
        }
        Ok(())
    }

    /// Ends the file.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        self.blocks = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(Err(error))) => Err(error.to_string()),
            Some(Err(_)) => Err("the thread that writes sound has panicked".to_owned()),
            _ => Ok(()),
        }
    }
}

impl Drop for WavOut {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::error!("{error}");
        }
    }
}
