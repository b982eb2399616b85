//! Adapters and devices, and what can go wrong with them.

use std::sync::{Arc, Mutex, PoisonError};

use crate::upscale::UpscaleError;

/// A GPU that has been opened: the window's or one of its own. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GpuContext {
    adapter: AdapterSummary,
    device: wgpu::Device,
    queue: wgpu::Queue,
    trouble: Arc<Trouble>,
}

/// What has happened outside of any call that could have returned it.
#[derive(Debug, Default)]
struct Trouble {
    lost: Mutex<Option<String>>,
}

/// What an adapter is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AdapterSummary {
    /// What its driver calls it.
    pub name: String,
    /// "vulkan", "metal", "dx12".
    pub backend: String,
    /// The driver and its version, where it says so.
    pub driver: String,
    /// Whether it is a program on the CPU, like llvmpipe.
    pub software: bool,
    /// Whether shaders can use 16-bit numbers.
    pub f16: bool,
    /// Whether it can tell how long a pass took.
    pub timestamps: bool,
}

impl AdapterSummary {
    /// Reads it from an adapter.
    pub fn new(adapter: &wgpu::Adapter) -> Self {
        let (info, features) = (adapter.get_info(), adapter.features());
        Self {
            name: info.name,
            backend: info.backend.to_str().to_owned(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            software: info.device_type == wgpu::DeviceType::Cpu,
            f16: features.contains(wgpu::Features::SHADER_F16),
            timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
        }
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
        let opened = pollster::block_on(adapter.request_device(&Self::device_descriptor(adapter)));
        let (device, queue) = opened.map_err(|e| UpscaleError::Gpu(format!("its device cannot be opened: {e}")))?;
        Ok(Self::from_parts(adapter, device, queue))
    }

    /// What to ask an adapter for, so that this module can use all of it: for the window's device too.
    pub fn device_descriptor(adapter: &wgpu::Adapter) -> wgpu::DeviceDescriptor<'static> {
        let useful = wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SHADER_F16;
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
        let trouble = Arc::new(Trouble::default());
        device.on_uncaptured_error(Arc::new(|error| tracing::error!("GPU: {error}")));
        let for_callback = trouble.clone();
        device.set_device_lost_callback(move |reason, message| {
            // Dropping the device at the end is no trouble.
            if reason != wgpu::DeviceLostReason::Destroyed {
                let message = format!("the device was lost: {message}");
                *for_callback.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
            }
        });
        Self { adapter: AdapterSummary::new(adapter), device, queue, trouble }
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

    /// Runs `f` and returns the first error that wgpu reports meanwhile on this thread.
    pub(super) fn guarded<T>(&self, f: impl FnOnce() -> Result<T, UpscaleError>) -> Result<T, UpscaleError> {
        use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
        self.check()?;
        let scopes = [Validation, OutOfMemory, Internal].map(|filter| self.device.push_error_scope(filter));
        let result = f();
        // Scopes are closed in the reverse order; on native backends an error is there at once.
        let errors = scopes.into_iter().rev().filter_map(|scope| pollster::block_on(scope.pop()));
        let error = errors.fold(None, |first: Option<wgpu::Error>, e| first.or(Some(e)));
        match error {
            Some(wgpu::Error::OutOfMemory { .. }) => Err(UpscaleError::Gpu("its memory is full".to_owned())),
            Some(e) => Err(UpscaleError::Gpu(e.to_string())),
            None => self.check().and(result),
        }
    }

    /// Waits until a submission is done.
    pub(super) fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<(), UpscaleError> {
        let timeout = Some(std::time::Duration::from_secs(20));
        match self.device.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout }) {
            Ok(_) => self.check(),
            Err(e) => Err(UpscaleError::Gpu(format!("it does not answer ({e})"))),
        }
    }

    fn check(&self) -> Result<(), UpscaleError> {
        match &*self.trouble.lost.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(why) => Err(UpscaleError::Gpu(why.clone())),
            None => Ok(()),
        }
    }
}
