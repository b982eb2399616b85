//! What an adapter is and can do.

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
