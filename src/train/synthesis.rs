//! All clips of all pictures, on all cores, and the cache that keeps them.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Instant,
};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    Progress, TrainConfig, TrainError, clip, footage,
    pairs::{MAX_BYTES, Pair, Pairs},
    photo,
    transmission::AnyError,
};
use crate::frame::Stamp;

/// One picture, and one person, in so many is kept for judging.
const VALIDATION: usize = 20;

/// Real clips are longer than the filmed ones, so each gives so many times as many takes.
const TAKES: u32 = 4;

/// What pairs are made from.
#[derive(Debug)]
pub(super) struct Files {
    pictures: Vec<PathBuf>,
    clips: Vec<PathBuf>,
}

impl Files {
    fn find(config: &TrainConfig) -> Result<Self, TrainError> {
        let clips = config.clips.as_deref().map(footage::find).transpose()?.unwrap_or_default();
        Ok(Self { pictures: photo::find(&config.pictures)?, clips })
    }

    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.pictures.iter().chain(&self.clips)
    }

    fn len(&self) -> usize {
        self.pictures.len() + self.clips.len()
    }

    /// Which of all are for judging: some of the pictures, and the clips of some of the people.
    fn judged(&self, seed: u64) -> HashSet<usize> {
        let mut people: Vec<String> = self.clips.iter().map(|clip| footage::person(clip)).collect();
        people.sort();
        people.dedup();
        let kept = judged(people.len(), seed);
        let kept: HashSet<&String> =
            people.iter().enumerate().filter(|(i, _)| kept.contains(i)).map(|(_, p)| p).collect();
        let clips = self.clips.iter().enumerate().filter(|(_, clip)| kept.contains(&footage::person(clip)));
        let clips = clips.map(|(i, _)| self.pictures.len() + i);
        judged(self.pictures.len(), seed).into_iter().chain(clips).collect()
    }

    /// In words.
    fn described(&self) -> String {
        match self.clips.len() {
            0 => format!("{} pictures", self.pictures.len()),
            clips => format!("{} pictures and {clips} clips", self.pictures.len()),
        }
    }
}

/// The pairs of a run, from the cache if they are there, and what they were made from in words.
pub(super) fn pairs(config: &TrainConfig, progress: &mut dyn FnMut(Progress)) -> Result<(Pairs, String), TrainError> {
    let files = Files::find(config)?;
    let cache = config.cache.as_ref().map(|folder| {
        let name = format!("pairs-{}x{}x{}-{}", files.len(), config.takes, config.frames, config.pairs_seed);
        (folder.join(name), key(config, &files))
    });
    if let Some((path, key)) = &cache
        && let Some(pairs) = Pairs::load(path, key)?
    {
        return check(pairs, &files);
    }
    let judged = files.judged(config.pairs_seed);
    let mut pairs = Pairs::default();
    for (i, made) in make(config, &files, progress)?.into_iter().enumerate() {
        let to = match (judged.contains(&i), i < files.pictures.len()) {
            (true, _) => &mut pairs.validation,
            (false, true) => &mut pairs.train,
            (false, false) => &mut pairs.clips,
        };
        to.extend(made);
    }
    if let Some((path, key)) = &cache {
        super::make_folder(path)?;
        pairs.save(path, key)?;
    }
    check(pairs, &files)
}

fn check(pairs: Pairs, files: &Files) -> Result<(Pairs, String), TrainError> {
    if pairs.train.is_empty() { Err(TrainError::NoPairs) } else { Ok((pairs, files.described())) }
}

/// What the pairs depend on.
fn key(config: &TrainConfig, files: &Files) -> String {
    let mut key = format!(
        "filming 3 version {} seed {} clips {} frames {}",
        env!("CARGO_PKG_VERSION"),
        config.pairs_seed,
        config.takes,
        config.frames
    );
    for file in files.all() {
        let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let bytes = file.metadata().map_or(0, |m| m.len());
        key.push_str(&format!(" {name}:{bytes}"));
    }
    key
}

/// Which of several are for judging: none of one, else at least one.
fn judged(files: usize, seed: u64) -> HashSet<usize> {
    let mut order: Vec<usize> = (0..files).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    order.truncate(if files < 2 { 0 } else { files.div_ceil(VALIDATION) });
    order.into_iter().collect()
}

/// The pairs of each picture and clip. Every take has its own random numbers, so the threads do not matter.
fn make(config: &TrainConfig, files: &Files, progress: &mut dyn FnMut(Progress)) -> Result<Vec<Vec<Pair>>, TrainError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(files.len());
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let one = |i: usize| -> Result<Vec<Pair>, TrainError> {
        let number = |i: usize, take: u32| (i as u64) << 32 | u64::from(take);
        let failed = |path: &Path, why: AnyError| TrainError::Clip { path: path.to_owned(), why: why.to_string() };
        let path = match i.checked_sub(files.pictures.len()) {
            None => &files.pictures[i],
            Some(clip) => {
                let (path, takes) = (&files.clips[clip], config.takes.saturating_mul(TAKES));
                return footage::film(path, config.pairs_seed, number(i, 0), takes, config.frames as usize)
                    .map_err(|why| failed(path, why));
            }
        };
        let picture = photo::read(path, Stamp { id: 0, captured: start })?;
        let mut pairs = Vec::new();
        for clip in 0..config.takes {
            let made = clip::film(&picture, config.pairs_seed, number(i, clip), config.frames as usize, start);
            pairs.extend(made.map_err(|why| failed(path, why))?);
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
    fn no_person_is_both_learnt_from_and_judged_by() {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect();
        let files = Files {
            pictures: paths(&["a.png", "b.png"]),
            clips: paths(&["desk_man_a.mp4", "desk_man_b.mp4", "hands_cups.mp4", "hands_text.mp4"]),
        };
        for seed in 0..8 {
            let judged = files.judged(seed);
            assert_eq!(judged.contains(&2), judged.contains(&3), "one man");
            assert_eq!([0, 1].iter().filter(|i| judged.contains(i)).count(), 1, "one of two pictures");
            assert!((2..6).any(|i| judged.contains(&i)) && (2..6).any(|i| !judged.contains(&i)));
        }
        assert_eq!(files.described(), "2 pictures and 4 clips");
    }

    #[test]
    fn one_in_twenty_is_for_judging() {
        assert!(judged(1, 0).is_empty());
        assert_eq!(judged(2, 0).len(), 1);
        assert_eq!(judged(86, 3).len(), 5);
        assert_eq!(judged(86, 3), judged(86, 3));
    }
}
