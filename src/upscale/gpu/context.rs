//! Adapters and devices, and what can go wrong with them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    adapter::AdapterSummary,
    tuning_cache::{self, TuningCache},
};
use crate::upscale::UpscaleError;

/// A GPU that has been opened: the window's or one of its own. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GpuContext {
    adapter: AdapterSummary,
    device: wgpu::Device,
    queue: wgpu::Queue,
    loss: Arc<DeviceLoss>,
    /// It was opened here and can be opened again; the window's belongs to the window.
    own: bool,
    tuning_cache: Option<Arc<TuningCache>>,
}

/// Why the device was lost, if it was: it happens outside of any call that could have returned it.
#[derive(Debug, Default)]
struct DeviceLoss {
    reason: Mutex<Option<String>>,
}

impl DeviceLoss {
    /// The first reason is the one that counts.
    fn report(&self, why: &str) {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.to_owned());
    }
}

/// The machine's adapters, best first. `WGPU_BACKEND` limits them, as for every program on wgpu.
pub fn adapters() -> Vec<AdapterSummary> {
    enumerate().iter().map(AdapterSummary::new).collect()
}

fn enumerate() -> Vec<wgpu::Adapter> {
    let backends = wgpu::Backends::from_env().unwrap_or(wgpu::Backends::PRIMARY);
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    // Without this OpenGL is tried as well, which writes to stderr where there is no display.
    descriptor.backends = backends;
    let instance = wgpu::Instance::new(descriptor);
    let mut adapters = pollster::block_on(instance.enumerate_adapters(backends));
    adapters.sort_by_key(|a| match a.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    adapters
}

impl GpuContext {
    /// Opens the best adapter without a window; `WGPU_ADAPTER_NAME` (a part of the name is enough) and
    /// `WGPU_BACKEND` choose another.
    ///
    /// # Errors
    /// When there is no adapter, none of that name, or its device cannot be opened.
    pub fn headless() -> Result<Self, UpscaleError> {
        let adapters = enumerate();
        let wish = std::env::var("WGPU_ADAPTER_NAME").ok().map(|w| w.to_lowercase());
        let wished = |a: &&wgpu::Adapter| match &wish {
            Some(wish) => a.get_info().name.to_lowercase().contains(wish),
            None => true,
        };
        let adapter = adapters.iter().find(wished).ok_or_else(|| {
            UpscaleError::NoAdapter(match wish {
                Some(wish) if !adapters.is_empty() => format!("none is called '{wish}', as WGPU_ADAPTER_NAME asks"),
                _ => "none was found".to_owned(),
            })
        })?;
        Self::open(adapter)
    }

    fn open(adapter: &wgpu::Adapter) -> Result<Self, UpscaleError> {
        let opened = pollster::block_on(adapter.request_device(&Self::device_descriptor(adapter)));
        let (device, queue) = opened.map_err(|e| UpscaleError::Gpu(format!("its device cannot be opened: {e}")))?;
        Ok(Self { own: true, ..Self::from_parts(adapter, device, queue) })
    }

    /// Opens the adapter anew after its device was lost, or another one where it is gone. The window's device
    /// cannot be opened again from here: its pictures would not be the window's.
    pub(super) fn reopened(&self) -> Result<Self, UpscaleError> {
        if !self.own {
            return Err(UpscaleError::Lost("it belongs to the window, which cannot open it again".to_owned()));
        }
        let adapters = enumerate();
        let same = adapters.iter().find(|a| AdapterSummary::new(a) == self.adapter);
        let new = match same.map(Self::open) {
            Some(Ok(same)) => same,
            _ => Self::headless()?,
        };
        Ok(new.remembering(self.tuning_cache.as_ref().map(|cache| cache.folder.clone())))
    }

    /// Remembers in a folder how a network runs fastest, which is measured once for about half a second, and
    /// its compiled pipelines. Without a folder engines run it in the usual way.
    #[must_use]
    pub fn remembering(self, folder: Option<PathBuf>) -> Self {
        let tuning_cache = folder.map(|folder| Arc::new(TuningCache::new(&self.device, &self.adapter, folder)));
        Self { tuning_cache, ..self }
    }

    pub(super) fn tuning_cache(&self) -> Option<&TuningCache> {
        self.tuning_cache.as_deref()
    }

    /// What to ask an adapter for, so that this module can use all of it: for the window's device too.
    pub fn device_descriptor(adapter: &wgpu::Adapter) -> wgpu::DeviceDescriptor<'static> {
        let useful = wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SHADER_F16 | wgpu::Features::PIPELINE_CACHE;
        wgpu::DeviceDescriptor {
            label: Some("clearcall"),
            required_features: adapter.features() & useful,
            required_limits: adapter.limits(),
            ..Default::default()
        }
    }

    /// Uses a device that is open already, such as the window's.
    ///
    /// wgpu ends the program on errors that nobody takes; from here on they are logged instead.
    pub fn from_parts(adapter: &wgpu::Adapter, device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let loss = Arc::new(DeviceLoss::default());
        device.on_uncaptured_error(Arc::new(|error| tracing::error!("GPU: {error}")));
        let for_callback = loss.clone();
        // When the device is dropped at the end this comes as well, and nobody is left to hear it.
        device.set_device_lost_callback(move |reason, message| {
            for_callback.report(match reason {
                wgpu::DeviceLostReason::Destroyed => "it was closed",
                _ if message.is_empty() => "its driver does not say why",
                _ => &message,
            });
        });
        let adapter = AdapterSummary::new(adapter);
        Self { adapter, device, queue, loss, own: false, tuning_cache: None }.remembering(tuning_cache::folder())
    }

    /// What it is.
    pub const fn adapter(&self) -> &AdapterSummary {
        &self.adapter
    }

    /// Whether it is a program on the CPU: then the CPU engine is much faster.
    pub const fn is_software(&self) -> bool {
        self.adapter.software
    }

    /// The device.
    pub const fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// Its queue.
    pub const fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// A buffer with something in it. wgpu's own helper panics where the device is lost.
    pub(super) fn buffer(&self, label: &str, contents: &[u8], usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: contents.len() as u64,
            usage: usage | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.queue.write_buffer(&buffer, 0, contents);
        buffer
    }

    /// Runs `f` and returns the first error that wgpu reports meanwhile on this thread.
    pub(super) fn guarded<T>(&self, f: impl FnOnce() -> Result<T, UpscaleError>) -> Result<T, UpscaleError> {
        use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
        self.check()?;
        let scopes = [Validation, OutOfMemory, Internal].map(|filter| self.device.push_error_scope(filter));
        let result = f();
        // Scopes are closed in the reverse order; on native backends an error is there at once.
        let errors = scopes.into_iter().rev().filter_map(|scope| pollster::block_on(scope.pop()));
        let error = errors.fold(None, |first: Option<wgpu::Error>, e| first.or(Some(e)));
        // Of a device that is lost nothing else is reported, and that only when it is polled.
        self.poll(wgpu::PollType::Poll)?;
        self.check()?;
        match error {
            Some(wgpu::Error::OutOfMemory { .. }) => Err(UpscaleError::Gpu("its memory is full".to_owned())),
            Some(e) => Err(UpscaleError::Gpu(e.to_string())),
            None => result,
        }
    }

    /// Waits until a submission is done.
    pub(super) fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<(), UpscaleError> {
        let timeout = Some(std::time::Duration::from_secs(20));
        self.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout })?;
        self.check()
    }

    /// Lets wgpu look at what is done. It panics where the driver tells it that the device is lost.
    fn poll(&self, how: wgpu::PollType) -> Result<(), UpscaleError> {
        match catch_unwind(AssertUnwindSafe(|| self.device.poll(how))) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(e)) => self.check().and(Err(UpscaleError::Gpu(format!("it does not answer ({e})")))),
            Err(_) => {
                self.loss.report("its driver has ended");
                self.check()
            }
        }
    }

    fn check(&self) -> Result<(), UpscaleError> {
        match &*self.loss.reason.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(why) => Err(UpscaleError::Lost(why.clone())),
            None => Ok(()),
        }
    }
}
