//! What is measured of one clip at one bitrate by one upscaler.

use std::collections::BTreeMap;

use clearcall::{measure::Metric, pipeline::SizeChoice, source::clip::Loss};
use serde::Serialize;

use super::contestants::ContestantKind;

/// One clip at one bitrate by one upscaler.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub(super) clip: String,
    /// Of the truth and of the outputs.
    pub(super) size: String,
    /// What was to be sent within, or at half of the clip's own size.
    pub(super) asked_size: SizeChoice,
    /// Of what was sent.
    pub(super) sent_size: String,
    pub(super) upscaler: String,
    pub(super) kind: ContestantKind,
    pub(super) bitrate_bps: Bitrate,
    pub(super) frames: Frames,
    #[serde(flatten)]
    pub(super) scores: BTreeMap<Metric, f64>,
    /// The size that was asked for, where it is one of --sizes.
    #[serde(skip)]
    pub(super) compared_at: Option<SizeChoice>,
    /// Over bicubic: what is better by, and of LPIPS the ratio.
    pub(super) gain: BTreeMap<Metric, f64>,
    pub(super) flicker: Option<f64>,
    pub(super) flicker_truth: Option<f64>,
    pub(super) still: f64,
    pub(super) grain: Option<f64>,
    pub(super) grain_truth: Option<f64>,
    pub(super) grid: Option<f64>,
    pub(super) luma_shift: f64,
    /// The mean over the frames that were sent.
    pub(super) qp: Option<f64>,
}

impl Row {
    /// Its upscaler, and with --sizes, the size that was asked for.
    pub(super) fn contestant(&self) -> String {
        match &self.compared_at {
            Some(size) => format!("{} at {size}", self.upscaler),
            None => self.upscaler.clone(),
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Bitrate {
    pub(super) target: u32,
    pub(super) measured: f64,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Frames {
    pub(super) read: u64,
    pub(super) sent: u64,
    pub(super) skipped: u64,
    /// Of the clip that was read.
    #[serde(flatten)]
    pub(super) loss: Loss,
}
