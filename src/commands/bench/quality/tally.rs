//! What one upscaler's frames of one clip add up to.

use std::{collections::BTreeMap, sync::Arc};

use clearcall::{
    frame::Frame,
    measure::{
        AlignError, Alignment, MeasureError, Metric,
        flicker::{Moved, StillBlocks},
        grain::{FlatBlocks, Grain},
    },
};

use super::pass::Plan;

/// Scores so far.
#[derive(Default)]
pub(super) struct Tally {
    sums: BTreeMap<Metric, (f64, u64)>,
    alignment: Alignment,
    moved: Moved,
    moved_truth: Moved,
    still: (f64, u64),
    grain: Grain,
    grain_truth: Grain,
    sent: u64,
    /// The truth and the output of the frame before.
    before: Option<(Arc<Frame>, Frame)>,
}

impl Tally {
    /// Takes a frame that was sent, and its own truth.
    pub(super) fn add(&mut self, truth: &Arc<Frame>, output: Frame, plan: &Plan<'_>) -> Result<(), MeasureError> {
        for &metric in plan.metrics {
            let quick = matches!(metric, Metric::PsnrY | Metric::PsnrU | Metric::PsnrV);
            if !quick && !self.sent.is_multiple_of(plan.every) {
                continue;
            }
            let (sum, count) = self.sums.entry(metric).or_default();
            *sum += metric.of(truth, &output)?;
            *count += 1;
        }
        self.alignment.add(truth, &output)?;
        let flat = FlatBlocks::of(truth.y());
        self.grain.add(output.y(), &flat)?;
        self.grain_truth.add(truth.y(), &flat)?;
        if let Some((before_truth, before)) = &self.before {
            let (t, o) = ([before_truth.y(), truth.y()], [before.y(), output.y()]);
            self.alignment.add_successive(t, o)?;
            // Over a gap of skipped frames nothing stands still by itself.
            if before_truth.stamp.id + 1 == truth.stamp.id {
                let blocks = StillBlocks::between(t[0], t[1])?;
                self.moved.add(o[0], o[1], &blocks)?;
                self.moved_truth.add(t[0], t[1], &blocks)?;
                self.still.0 += blocks.share();
                self.still.1 += 1;
            }
        }
        self.before = Some((truth.clone(), output));
        self.sent += 1;
        Ok(())
    }

    /// An error where the frames were not what they were compared with.
    pub(super) fn check(&self) -> Result<(), AlignError> {
        self.alignment.check()
    }

    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// The mean over the frames that were scored.
    pub(super) fn scores(&self) -> BTreeMap<Metric, f64> {
        self.sums.iter().map(|(&metric, &(sum, count))| (metric, sum / count as f64)).collect()
    }

    /// Of the output and of the truth, in codes.
    pub(super) fn flicker(&self) -> (Option<f64>, Option<f64>) {
        (self.moved.flicker(), self.moved_truth.flicker())
    }

    /// Of the output and of the truth, where that is flat.
    pub(super) const fn grain(&self) -> (Grain, Grain) {
        (self.grain, self.grain_truth)
    }

    /// The share of blocks that were still.
    pub(super) fn still(&self) -> f64 {
        if self.still.1 > 0 { self.still.0 / self.still.1 as f64 } else { 0.0 }
    }

    pub(super) fn luma_shift(&self) -> f64 {
        self.alignment.luma_shift()
    }
}
