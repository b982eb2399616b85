//! How long the GPU itself takes for each pass, where it can tell.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use super::GpuContext;
use crate::{
    model::MAX_LAYERS,
    upscale::{GpuTime, PassTime},
};

/// Timestamps around each pass of a frame. They are read while later frames run, so that nothing waits for
/// them: each set of queries of a small ring is used again when its times have arrived.
#[derive(Debug)]
pub(super) struct Timer {
    ring: Vec<Queries>,
    /// The one that the frame being recorded writes.
    recording: Option<usize>,
    nanoseconds: f64,
    last: Option<GpuTime>,
}

/// Frames that can be under way or on their way back. Two are under way at most; the third is free by then.
const RING: usize = 3;
/// Passes that a set has room for: each layer, and three planes.
const MAX_PASSES: usize = MAX_LAYERS + 3;
/// Two timestamps for each pass.
const BYTES: u64 = 2 * size_of::<u64>() as u64;

#[derive(Debug)]
struct Queries {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    readable: wgpu::Buffer,
    /// The passes of the frame, in order.
    names: Vec<Arc<str>>,
    waiting: Option<mpsc::Receiver<bool>>,
}

impl Timer {
    /// None where the device cannot tell.
    pub(super) fn new(gpu: &GpuContext) -> Option<Self> {
        let can_tell = gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY);
        can_tell.then(|| Self {
            ring: (0..RING).map(|_| Queries::new(gpu.device())).collect(),
            recording: None,
            nanoseconds: gpu.queue().get_timestamp_period().into(),
            last: None,
        })
    }

    /// Takes in what has arrived; the last times known.
    pub(super) fn last(&mut self) -> Option<GpuTime> {
        for queries in &mut self.ring {
            let Some(receiver) = &queries.waiting else { continue };
            match receiver.try_recv() {
                Ok(true) => {
                    self.last = queries.times(self.nanoseconds).or(self.last.take());
                    queries.readable.unmap();
                    queries.waiting = None;
                }
                Ok(false) | Err(mpsc::TryRecvError::Disconnected) => queries.waiting = None,
                Err(mpsc::TryRecvError::Empty) => {}
            }
        }
        self.last.clone()
    }

    fn begin(&mut self) {
        self.recording = self.ring.iter().position(|q| q.waiting.is_none());
        if let Some(queries) = self.recording.and_then(|i| self.ring.get_mut(i)) {
            queries.names.clear();
        }
    }

    fn end(&mut self, encoder: &mut wgpu::CommandEncoder) {
        let Some(queries) = self.recording.and_then(|i| self.ring.get(i)) else { return };
        let passes = queries.names.len();
        if passes == 0 {
            self.recording = None;
            return;
        }
        encoder.resolve_query_set(&queries.set, 0..2 * passes as u32, &queries.resolved, 0);
        encoder.copy_buffer_to_buffer(&queries.resolved, 0, &queries.readable, 0, passes as u64 * BYTES);
    }

    fn collect(&mut self) {
        let Some(queries) = self.recording.take().and_then(|i| self.ring.get_mut(i)) else { return };
        let (sender, receiver) = mpsc::channel();
        queries.readable.map_async(wgpu::MapMode::Read, .., move |result| {
            let _ = sender.send(result.is_ok());
        });
        queries.waiting = Some(receiver);
    }

    /// What to give to the next pass.
    fn writes(&mut self, name: &Arc<str>) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let queries = self.ring.get_mut(self.recording?)?;
        if queries.names.len() == MAX_PASSES {
            return None;
        }
        let first = 2 * queries.names.len() as u32;
        queries.names.push(Arc::clone(name));
        Some(wgpu::ComputePassTimestampWrites {
            query_set: &queries.set,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        })
    }
}

impl Queries {
    fn new(device: &wgpu::Device) -> Self {
        let label = Some("timestamps");
        let buffer = |usage| {
            let size = MAX_PASSES as u64 * BYTES;
            device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
        };
        let count = 2 * MAX_PASSES as u32;
        Self {
            set: device.create_query_set(&wgpu::QuerySetDescriptor { label, ty: wgpu::QueryType::Timestamp, count }),
            resolved: buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC),
            readable: buffer(wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ),
            names: Vec::new(),
            waiting: None,
        }
    }

    /// The times that the mapped buffer holds.
    fn times(&self, nanoseconds: f64) -> Option<GpuTime> {
        let view = self.readable.get_mapped_range(..).ok()?;
        let (ticks, _) = view.as_chunks::<8>();
        let ticks: Vec<u64> = ticks.iter().map(|t| u64::from_le_bytes(*t)).collect();
        times(&self.names, &ticks, nanoseconds)
    }
}

/// From a begin and an end for each pass; none where the clock went backwards, as it does on some machines
/// that sleep. A pass lasts until the next one begins, which is when its result is there. llvmpipe looks at the
/// clock late, so that its passes share the total in a way that says little.
fn times(names: &[Arc<str>], ticks: &[u64], nanoseconds: f64) -> Option<GpuTime> {
    let between = |begin: u64, end: u64| {
        let ticks = end.checked_sub(begin)?;
        Some(Duration::from_nanos((ticks as f64 * nanoseconds) as u64))
    };
    let (ticks, _) = ticks.as_chunks::<2>();
    let ticks = ticks.get(..names.len())?;
    let ([begin, _], [_, end]) = (ticks.first()?, ticks.last()?);
    let ends = ticks.iter().skip(1).map(|[begin, _]| begin).chain([end]);
    let pass = |((name, [begin, _]), end): ((&Arc<str>, &[u64; 2]), &u64)| {
        Some(PassTime { name: Arc::clone(name), time: between(*begin, *end)? })
    };
    let passes = names.iter().zip(ticks).zip(ends).map(pass).collect::<Option<_>>()?;
    Some(GpuTime { total: between(*begin, *end)?, passes })
}

/// Before a frame is recorded. Where all sets are on their way, it goes unmeasured.
pub(super) fn begin(timer: &mut Option<Timer>) {
    if let Some(timer) = timer {
        timer.begin();
    }
}

/// After its last pass, in the same encoder.
pub(super) fn end(timer: &mut Option<Timer>, encoder: &mut wgpu::CommandEncoder) {
    if let Some(timer) = timer {
        timer.end(encoder);
    }
}

/// After its submission.
pub(super) fn collect(timer: &mut Option<Timer>) {
    if let Some(timer) = timer {
        timer.collect();
    }
}

/// Begins a pass, and measures it where it can be measured.
pub(super) fn pass<'a>(
    encoder: &'a mut wgpu::CommandEncoder,
    timer: Option<&mut Timer>,
    name: &Arc<str>,
) -> wgpu::ComputePass<'a> {
    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
        label: Some(&**name),
        timestamp_writes: timer.and_then(|t| t.writes(name)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_times() {
        let names: Vec<Arc<str>> = vec!["a".into(), "b".into()];
        let found = times(&names, &[100, 120, 150, 400, 7, 7], 10.0).unwrap();
        assert_eq!(found.total, Duration::from_micros(3));
        let passes: Vec<_> = found.passes.iter().map(|p| (&*p.name, p.time.as_nanos())).collect();
        assert_eq!(passes, [("a", 500), ("b", 2500)]);
        assert_eq!(times(&names, &[100, 150, 400, 150], 10.0), None, "the clock went backwards");
        assert_eq!(times(&names, &[100, 150], 10.0), None, "a pass has no times");
        assert_eq!(times(&[], &[], 10.0), None);
    }
}
