//! What one upscaler's frames of one clip add up to.

use std::collections::BTreeMap;

use clearcall::{
    frame::Frame,
    measure::{
        AlignError, Alignment, Lpips, MeasureError, Metric,
        flicker::Moved,
        grain::{Blurred, Grain},
    },
};

use super::truth::SentTruth;

/// Which scores are wanted, and of which frames.
pub(super) struct MetricSchedule<'a> {
    pub(super) metrics: &'a [Metric],
    /// The network for LPIPS.
    pub(super) lpips: Option<&'a Lpips>,
    /// Other scores than PSNR, which are slow, of every Nth frame that was sent.
    pub(super) every: u64,
}

impl MetricSchedule<'_> {
    /// Whether the slow scores are measured of the frame after so many.
    pub(super) const fn is_due(&self, sent: u64) -> bool {
        sent.is_multiple_of(self.every)
    }
}

/// Scores so far.
#[derive(Default)]
pub(super) struct Tally {
    sums: BTreeMap<Metric, (f64, u64)>,
    alignment: Alignment,
    moved: Moved,
    grain: Grain,
    sent: u64,
    /// The output of the frame before.
    before: Option<Frame>,
}

impl Tally {
    /// Takes a frame that was sent, and its own truth.
    pub(super) fn add(
        &mut self,
        sent: &SentTruth<'_>,
        output: Frame,
        schedule: &MetricSchedule<'_>,
    ) -> Result<(), MeasureError> {
        let truth = sent.truth.frame;
        for &metric in schedule.metrics {
            let quick = matches!(metric, Metric::PsnrY | Metric::PsnrU | Metric::PsnrV);
            if !quick && !schedule.is_due(self.sent) {
                continue;
            }
            let (sum, count) = self.sums.entry(metric).or_default();
            *sum += metric.of(&sent.truth.reference, &output)?;
            *count += 1;
        }
        self.alignment.add(truth, &output)?;
        self.grain.add(&Blurred::of(output.y()), &sent.truth.flat)?;
        if let (Some(before_truth), Some(before)) = (&sent.before, &self.before) {
            self.alignment.add_successive([before_truth.y(), truth.y()], [before.y(), output.y()])?;
            if let Some(still) = &sent.still {
                self.moved.add(before.y(), output.y(), still)?;
            }
        }
        self.before = Some(output);
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

    /// In codes.
    pub(super) fn flicker(&self) -> Option<f64> {
        self.moved.flicker()
    }

    /// Where the truth is flat.
    pub(super) const fn grain(&self) -> Grain {
        self.grain
    }

    pub(super) fn luma_shift(&self) -> f64 {
        self.alignment.luma_shift()
    }
}
