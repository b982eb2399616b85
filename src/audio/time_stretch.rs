//! Sound made a little shorter or longer without changing its pitch: WSOLA.
//!
//! One period of the voice is taken out, or played twice: at the lag where sound is most like itself, the one place is
//! faded over into the other. (W. Verhelst and M. Roelands, "An overlap-add technique based on waveform similarity
//! (WSOLA)", ICASSP 1993; NetEQ's accelerate and preemptive expand do the same.) Where there is no period, nothing is
//! done unless it must be: a stretched consonant is heard.

/// The lags that are tried: 2.5 to 15 ms, a voice from 67 to 400 Hz, and two periods of one higher.
const MIN_LAG: usize = 120;
/// No single step changes the length by more. So much that was played must be kept in front for [`lengthen`].
pub(super) const MAX_LAG: usize = 720;
/// Over so much is faded, and compared: 10 ms.
const FADE: usize = 480;
/// [`shorten`] needs so much that has not been played, and [`lengthen`] so much.
pub(super) const SHORTEN_NEEDS: usize = MAX_LAG + FADE;
pub(super) const LENGTHEN_NEEDS: usize = FADE;
/// The first search looks at every fourth sample's mean.
const COARSE: usize = 4;
/// Normalised correlation from which on two places are alike (NetEQ's is 0.9 too), and where haste is greater.
const ALIKE: f32 = 0.9;
const ALIKE_IN_HASTE: f32 = 0.6;
/// Mean square below which any place will do: -50 dBFS.
const QUIET: f32 = 1e-5;

/// Takes up to `most` samples out behind `at` and says how many; 0 where nothing fits.
pub(super) fn shorten(sound: &mut Vec<f32>, at: usize, most: usize, haste: bool) -> usize {
    if sound.len() < at + SHORTEN_NEEDS {
        return 0;
    }
    // From `at` on it is faded to what comes a lag later.
    let Some(lag) = lag(&sound[at..at + SHORTEN_NEEDS], false, most, haste) else { return 0 };
    for n in 0..FADE {
        sound[at + n] = faded(sound[at + n], sound[at + lag + n], n);
    }
    sound.drain(at + FADE..at + FADE + lag);
    lag
}

/// Puts up to `most` samples in behind `at` and says how many; 0 where nothing fits. What lies before `at` has been
/// played.
pub(super) fn lengthen(sound: &mut Vec<f32>, at: usize, most: usize, haste: bool) -> usize {
    if at < MAX_LAG || sound.len() < at + LENGTHEN_NEEDS {
        return 0;
    }
    // From `at` on it is faded to what came a lag earlier, which then leads to `at` once more.
    let Some(lag) = lag(&sound[at - MAX_LAG..at + FADE], true, most, haste) else { return 0 };
    let fade: Vec<f32> = (0..FADE).map(|n| faded(sound[at + n], sound[at - lag + n], n)).collect();
    let rest = sound[at + FADE - lag..].to_vec();
    sound.truncate(at);
    sound.extend_from_slice(&fade);
    sound.extend_from_slice(&rest);
    lag
}

/// The lag at which the first (or, backwards, the last) [`FADE`] samples of `sound` are most like others in it.
fn lag(sound: &[f32], backwards: bool, most: usize, haste: bool) -> Option<usize> {
    let energy = sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len() as f32;
    let longest = most.min(MAX_LAG);
    if energy < QUIET {
        return (longest > 0).then_some(longest);
    }
    let coarse: Vec<f32> = sound.chunks_exact(COARSE).map(|four| four.iter().sum::<f32>()).collect();
    let alike = |sound: &[f32], fade: usize, lag: usize| {
        let here = if backwards { sound.len() - fade } else { 0 };
        let there = if backwards { here - lag } else { here + lag };
        correlation(&sound[here..here + fade], &sound[there..there + fade])
    };
    let best = (MIN_LAG / COARSE..=longest / COARSE)
        .map(|lag| (alike(&coarse, FADE / COARSE, lag), lag * COARSE))
        .max_by(|one, other| one.0.total_cmp(&other.0))?;
    let near = best.1.saturating_sub(COARSE - 1).max(MIN_LAG)..=(best.1 + COARSE - 1).min(longest);
    let (likeness, lag) =
        near.map(|lag| (alike(sound, FADE, lag), lag)).max_by(|one, other| one.0.total_cmp(&other.0))?;
    (likeness > if haste { ALIKE_IN_HASTE } else { ALIKE }).then_some(lag)
}

/// Normalised cross-correlation, -1 to 1.
fn correlation(one: &[f32], other: &[f32]) -> f32 {
    let (mut both, mut first, mut second) = (0.0_f32, 1e-9_f32, 1e-9_f32);
    for (a, b) in one.iter().zip(other) {
        both += a * b;
        first += a * a;
        second += b * b;
    }
    both / (first * second).sqrt()
}

/// The `n`-th of [`FADE`] samples on the way from one sound to another that is like it: their shares add up to 1.
fn faded(from: f32, to: f32, n: usize) -> f32 {
    let share = 0.5 - 0.5 * (std::f32::consts::PI * (n as f32 + 0.5) / FADE as f32).cos();
    from + (to - from) * share
}

#[cfg(test)]
mod tests;
