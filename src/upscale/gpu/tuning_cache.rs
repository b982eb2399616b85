//! What is remembered of an adapter from one start to the next: the fastest variants, and compiled pipelines.
//!
//! Two small files in the user's cache folder. Whatever is wrong with them, or of another adapter, driver or
//! version of the program, is as good as not there.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{adapter::AdapterSummary, plan::Variant};
use crate::{atomic_file, model::ModelInfo};

const VARIANTS: &str = "gpu-variants.json";
const PIPELINES: &str = "gpu-pipelines.bin";
/// More is not read.
const MAX_VARIANTS_BYTES: u64 = 64 << 10;
const MAX_PIPELINES_BYTES: u64 = 32 << 20;
/// More are not kept: the oldest goes.
const MAX_ENTRIES: usize = 100;
/// Before the pipelines: these letters, a hash of all that follows, the key's length, the key.
const MAGIC: &[u8; 8] = b"clearcP1";

/// The folder, and the pipelines that were compiled on this device.
#[derive(Debug)]
pub(super) struct TuningCache {
    pub(super) folder: PathBuf,
    pipelines: Option<wgpu::PipelineCache>,
    /// Hash of the pipelines in the file.
    written: Mutex<u64>,
}

/// A variant that was the fastest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    key: Key,
    channels: usize,
    depth: usize,
    variant: Variant,
}

/// What a measurement holds for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Key {
    adapter: String,
    backend: String,
    driver: String,
    version: String,
}

impl Key {
    fn new(adapter: &AdapterSummary) -> Self {
        let AdapterSummary { name, backend, driver, .. } = adapter.clone();
        Self { adapter: name, backend, driver, version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// Where it is remembered unless told otherwise: `clearcall` in the user's cache folder, if there is one.
pub fn default_folder() -> Option<PathBuf> {
    Some(dirs::cache_dir()?.join("clearcall"))
}

static FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Every GPU that is opened from now on remembers in this folder, as by [`GpuContext::remembering`](super::GpuContext::remembering); by default
/// none does.
pub fn remember_in(folder: Option<PathBuf>) {
    *FOLDER.lock().unwrap_or_else(PoisonError::into_inner) = folder;
}

/// What [`remember_in`] was told.
pub(super) fn folder() -> Option<PathBuf> {
    FOLDER.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl TuningCache {
    /// Reads the pipelines, where the device can use them.
    pub(super) fn new(device: &wgpu::Device, adapter: &AdapterSummary, folder: PathBuf) -> Self {
        let read = read_file(&folder.join(PIPELINES), MAX_PIPELINES_BYTES);
        let data = read.and_then(|file| pipelines_in(&file, &key_text(adapter)));
        let written = Mutex::new(data.as_deref().map_or(0, hash));
        let can = device.features().contains(wgpu::Features::PIPELINE_CACHE);
        let pipelines = can.then(|| {
            let descriptor =
                wgpu::PipelineCacheDescriptor { label: Some("pipelines"), data: data.as_deref(), fallback: true };
            // SAFETY: the data is what `get_data` gave: the file lies in the user's own folder, and a hash of
            // all of it, which this version of the program wrote for this adapter and driver, has been
            // checked. wgpu checks its own header of the data besides.
            unsafe { device.create_pipeline_cache(&descriptor) }
        });
        Self { folder, pipelines, written }
    }

    pub(super) fn pipelines(&self) -> Option<&wgpu::PipelineCache> {
        self.pipelines.as_ref()
    }

    /// Writes the pipelines, if there are others than in the file.
    pub(super) fn keep_pipelines(&self, adapter: &AdapterSummary) {
        let Some(data) = self.pipelines.as_ref().and_then(wgpu::PipelineCache::get_data) else { return };
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let now = hash(&data);
        if now == *written || data.len() as u64 > MAX_PIPELINES_BYTES / 2 {
            return;
        }
        *written = now;
        write_file(&self.folder.join(PIPELINES), &pipelines_file(&data, &key_text(adapter)));
    }

    /// The variant that was the fastest for networks of this shape on the adapter, if it is remembered.
    pub(super) fn variant(&self, adapter: &AdapterSummary, shape: &ModelInfo) -> Option<Variant> {
        let key = Key::new(adapter);
        let entries = entries(&self.folder.join(VARIANTS));
        entries.iter().find(|entry| entry.is_for(&key, shape)).map(|entry| entry.variant)
    }

    /// Remembers it.
    pub(super) fn keep_variant(&self, adapter: &AdapterSummary, shape: &ModelInfo, variant: Variant) {
        let (path, key) = (self.folder.join(VARIANTS), Key::new(adapter));
        let mut entries = entries(&path);
        entries.retain(|entry| !entry.is_for(&key, shape));
        entries.push(Entry { key, channels: shape.channels, depth: shape.depth, variant });
        entries.drain(..entries.len().saturating_sub(MAX_ENTRIES));
        match serde_json::to_vec_pretty(&entries) {
            Ok(text) => write_file(&path, &text),
            Err(error) => tracing::warn!("{}: {error}", path.display()),
        }
    }
}

impl Entry {
    fn is_for(&self, key: &Key, shape: &ModelInfo) -> bool {
        self.key == *key && (self.channels, self.depth) == (shape.channels, shape.depth)
    }
}

fn entries(path: &Path) -> Vec<Entry> {
    let text = read_file(path, MAX_VARIANTS_BYTES).unwrap_or_default();
    if text.is_empty() {
        return Vec::new();
    }
    serde_json::from_slice(&text).map_err(|e| tracing::warn!("{}: {e}", path.display())).unwrap_or_default()
}

fn key_text(adapter: &AdapterSummary) -> String {
    let Key { adapter, backend, driver, version } = Key::new(adapter);
    [adapter, backend, driver, version].join("\n")
}

fn pipelines_file(data: &[u8], key: &str) -> Vec<u8> {
    let mut rest = (key.len() as u32).to_le_bytes().to_vec();
    rest.extend_from_slice(key.as_bytes());
    rest.extend_from_slice(data);
    [&MAGIC[..], &hash(&rest).to_le_bytes(), &rest].concat()
}

/// What `pipelines_file` was given, if the file is whole and for this key.
fn pipelines_in(file: &[u8], key: &str) -> Option<Vec<u8>> {
    let (sum, rest) = file.strip_prefix(&MAGIC[..])?.split_first_chunk::<8>()?;
    if hash(rest).to_le_bytes() != *sum {
        return None;
    }
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (is, data) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    (is == key.as_bytes()).then(|| data.to_vec())
}

/// FNV-1a of 64 bits: sees what a disk or a half-written file does.
fn hash(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

fn read_file(path: &Path, most: u64) -> Option<Vec<u8>> {
    let small = fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() <= most);
    if small { fs::read(path).ok() } else { None }
}

/// Whole or not at all. What cannot be written is measured again at the next start.
fn write_file(path: &Path, bytes: &[u8]) {
    let write = || -> io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        atomic_file::write(path, |file| file.write_all(bytes))
    };
    write().unwrap_or_else(|error| tracing::warn!("{}: {error}", path.display()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipelines_come_back_only_whole_and_for_their_key() {
        let file = pipelines_file(b"compiled", "gpu 1");
        assert_eq!(pipelines_in(&file, "gpu 1").unwrap(), b"compiled");
        assert_eq!(pipelines_in(&file, "gpu 2"), None);
        for i in 0..file.len() {
            let mut damaged = file.clone();
            damaged[i] ^= 4;
            assert_eq!(pipelines_in(&damaged, "gpu 1"), None, "byte {i}");
            assert_eq!(pipelines_in(&file[..i], "gpu 1"), None, "cut at {i}");
        }
        let mut longer = file.clone();
        longer.push(0);
        assert_eq!(pipelines_in(&longer, "gpu 1"), None);
    }
}
