//! How long the GPU itself takes, where it can tell.

use std::{sync::mpsc, time::Duration};

use super::GpuContext;

/// Two timestamps around the passes of a frame. They are read while later frames run, so that nothing waits
/// for them; meanwhile frames go unmeasured.
#[derive(Debug)]
pub(super) struct Timer {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    readable: wgpu::Buffer,
    waiting: Option<mpsc::Receiver<bool>>,
    nanoseconds: f64,
    last: Option<Duration>,
}

const BYTES: u64 = 2 * size_of::<u64>() as u64;

impl Timer {
    pub(super) fn new(gpu: &GpuContext) -> Option<Self> {
        if !gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return None;
        }
        let buffer = |usage| {
            let label = Some("timestamps");
            gpu.device().create_buffer(&wgpu::BufferDescriptor { label, size: BYTES, usage, mapped_at_creation: false })
        };
        Some(Self {
            queries: gpu.device().create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC),
            readable: buffer(wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ),
            waiting: None,
            nanoseconds: gpu.queue().get_timestamp_period().into(),
            last: None,
        })
    }

    /// Takes in what has arrived; the last time known.
    pub(super) fn last(&mut self) -> Option<Duration> {
        if let Some(receiver) = &self.waiting {
            match receiver.try_recv() {
                Ok(true) => {
                    self.last = self.difference().or(self.last);
                    self.readable.unmap();
                    self.waiting = None;
                }
                Ok(false) | Err(mpsc::TryRecvError::Disconnected) => self.waiting = None,
                Err(mpsc::TryRecvError::Empty) => {}
            }
        }
        self.last
    }

    fn difference(&self) -> Option<Duration> {
        let view = self.readable.get_mapped_range(..).ok()?;
        let (times, _) = view.as_chunks::<8>();
        let [start, end] = *times else { return None };
        let ticks = u64::from_le_bytes(end).checked_sub(u64::from_le_bytes(start))?;
        Some(Duration::from_nanos((ticks as f64 * self.nanoseconds) as u64))
    }

    /// What to give to the compute pass, unless an earlier measurement is still on its way.
    pub(super) fn writes(&self) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        self.waiting.is_none().then_some(wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        })
    }

    /// After the pass, in the same encoder: says whether there will be something to read.
    pub(super) fn resolve(&self, encoder: &mut wgpu::CommandEncoder) -> bool {
        if self.waiting.is_some() {
            return false;
        }
        encoder.resolve_query_set(&self.queries, 0..2, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.readable, 0, BYTES);
        true
    }

    /// After the submission of an encoder that was resolved into.
    pub(super) fn collect(&mut self) {
        let (sender, receiver) = mpsc::channel();
        self.readable.map_async(wgpu::MapMode::Read, .., move |result| {
            let _ = sender.send(result.is_ok());
        });
        self.waiting = Some(receiver);
    }
}
