//! All clips of all pictures, on all cores, and the cache that keeps them.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Instant,
};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    Progress, TrainConfig, TrainError, clip,
    pairs::{MAX_BYTES, Pair, Pairs},
    photo,
};
use crate::frame::Stamp;

/// One picture in so many is kept for judging.
const VALIDATION: usize = 20;

/// The pairs of a run, from the cache if they are there, and what they were made from in words.
pub(super) fn pairs(config: &TrainConfig, progress: &mut dyn FnMut(Progress)) -> Result<(Pairs, usize), TrainError> {
    let files = photo::find(&config.pictures)?;
    let cache = config.cache.as_ref().map(|folder| {
        let name = format!("pairs-{}x{}x{}-{}", files.len(), config.clips, config.frames, config.seed);
        (folder.join(name), key(config, &files))
    });
    if let Some((path, key)) = &cache
        && let Some(pairs) = Pairs::load(path, key)?
    {
        return check(pairs, files.len());
    }
    let judged = judged(files.len(), config.seed);
    let mut pairs = Pairs::default();
    for (i, made) in make(config, &files, progress)?.into_iter().enumerate() {
        if judged.contains(&i) { pairs.validation.extend(made) } else { pairs.train.extend(made) }
    }
    if let Some((path, key)) = &cache {
        super::make_folder(path)?;
        pairs.save(path, key)?;
    }
    check(pairs, files.len())
}

fn check(pairs: Pairs, files: usize) -> Result<(Pairs, usize), TrainError> {
    if pairs.train.is_empty() { Err(TrainError::NoPairs) } else { Ok((pairs, files)) }
}

/// What the pairs depend on.
fn key(config: &TrainConfig, files: &[PathBuf]) -> String {
    let mut key = format!(
        "filming 2 version {} seed {} clips {} frames {}",
        env!("CARGO_PKG_VERSION"),
        config.seed,
        config.clips,
        config.frames
    );
    for file in files {
        let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let bytes = file.metadata().map_or(0, |m| m.len());
        key.push_str(&format!(" {name}:{bytes}"));
    }
    key
}

/// Which pictures are for judging: none of one picture, else at least one.
fn judged(files: usize, seed: u64) -> HashSet<usize> {
    let mut order: Vec<usize> = (0..files).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    order.truncate(if files < 2 { 0 } else { files.div_ceil(VALIDATION) });
    order.into_iter().collect()
}

/// The pairs of each picture. Every clip has its own random numbers, so the threads do not matter.
fn make(
    config: &TrainConfig,
    files: &[PathBuf],
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Vec<Pair>>, TrainError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(files.len());
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let one = |i: usize| -> Result<Vec<Pair>, TrainError> {
        let path = &files[i];
        let picture = photo::read(path, Stamp { id: 0, captured: start })?;
        let mut pairs = Vec::new();
        for clip in 0..config.clips {
            let number = (i as u64) << 32 | u64::from(clip);
            let made = clip::film(&picture, config.seed, number, config.frames as usize, start);
            pairs.extend(made.map_err(|e| TrainError::Clip { path: path.clone(), why: e.to_string() })?);
        }
        Ok(pairs)
    };
    let mut made: Vec<Vec<Pair>> = vec![Vec::new(); files.len()];
    let (mut done, mut bytes) = (0, 0);
    std::thread::scope(|scope| {
        let (send, receive) = mpsc::sync_channel(threads);
        for _ in 0..threads {
            let (send, next, one) = (send.clone(), &next, &one);
            scope.spawn(move || {
                // Ends when all are done, or when the other side has heard of an error and gone.
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= files.len() || send.send((i, one(i))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        for (i, pairs) in receive {
            made[i] = pairs?;
            bytes += made[i].iter().map(Pair::bytes).sum::<u64>();
            if bytes > MAX_BYTES {
                return Err(TrainError::TooMuch(MAX_BYTES >> 30));
            }
            done += 1;
            progress(Progress::Filming { done, pictures: files.len() });
        }
        Ok(())
    })?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_twenty_is_for_judging() {
        assert!(judged(1, 0).is_empty());
        assert_eq!(judged(2, 0).len(), 1);
        assert_eq!(judged(86, 3).len(), 5);
        assert_eq!(judged(86, 3), judged(86, 3));
    }
}
