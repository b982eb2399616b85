//! The pages of the window and their parts: functions of plain data, so that they are drawn and tested without a call.

pub(crate) mod blind_crops;
pub(crate) mod blind_page;
pub mod call_page;
pub mod call_view;
pub(crate) mod comparison;
pub(crate) mod control_bar;
pub mod graphs;
pub(crate) mod preview;
pub(crate) mod sound_controls;
pub mod start_page;
pub(crate) mod stats_panel;
pub(crate) mod toolbar;
pub(crate) mod waiting;
