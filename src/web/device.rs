//! The devices of a browser.

use burn::tensor::Tensor;
use web_time::{Duration, Instant};

use crate::{
    Result,
    ops::{Cpu, Epilogue, Kernels, WeightRef},
    tensors::read,
};

/// Floating-point operations of the trial that measures the CPU: a product of square matrices.
const TRIAL_SIDE: usize = 256;
/// Networks have smaller matrices and other work between them, but convolutions that need a quarter of their products;
/// measured on the default model.
const EFFICIENCY: f64 = 0.75;
/// How long the trial lasts at least: browsers compile what is hot once more, several times as fast, while it runs.
const TRIAL: Duration = Duration::from_millis(60);

/// How many floating-point operations a millisecond the CPU device does on networks, measured.
pub(super) async fn measure_cpu() -> Result<f64> {
    let device = Default::default();
    let ones = Tensor::<Cpu, 2>::ones([TRIAL_SIDE; 2], &device);
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    while begin.elapsed() < TRIAL {
        let start = Instant::now();
        let product = Cpu::linear(
            ones.clone(),
            WeightRef::Dense(ones.clone()),
            Epilogue::bias(None),
        );
        read(product.slice([0..1, 0..1])).await?;
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    let work = 2.0 * (TRIAL_SIDE as f64).powi(3);
    Ok(EFFICIENCY * work / best.max(0.01))
}

#[cfg(feature = "wgpu")]
mod gpu {
    use super::*;
    use burn::backend::wgpu::{RuntimeOptions, WgpuDevice, graphics::WebGpu, init_setup_async};
    use std::{
        cell::RefCell,
        sync::{Arc, Mutex, PoisonError},
    };
    use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

    use crate::{
        ErrorKind, Fault,
        ops::{Gpu, KernelSelection, select_kernels},
        web::values::to_js_error,
    };

    /// What the GPU has said of its own accord: that it is gone, or has no memory left.
    static TROUBLE: Mutex<Option<(ErrorKind, String)>> = Mutex::new(None);

    /// Keeps the first thing that the GPU says; what follows is its consequence.
    fn note(kind: ErrorKind, message: String) {
        let mut trouble = TROUBLE.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.get_or_insert((kind, message));
    }

    /// The error behind whatever failed on the GPU, when the GPU has told of one. JavaScript asks, because
    /// the module may have stopped.
    #[wasm_bindgen(js_name = deviceTrouble)]
    pub fn device_trouble() -> Option<JsValue> {
        let trouble = TROUBLE.lock().unwrap_or_else(PoisonError::into_inner);
        let (kind, reason) = trouble.clone()?;
        let fault = match kind {
            ErrorKind::OutOfMemory => Fault::GpuMemory { reason },
            _ => Fault::GpuLost { reason },
        };
        Some(to_js_error(&fault.into()))
    }

    thread_local! {
        /// The adapter's name, once the device has been made.
        static ADAPTER: RefCell<Option<String>> = const { RefCell::new(None) };
    }

    /// Makes the GPU device, once, and gives the adapter's name. `pin` names the kernels to use; a self-test selects
    /// them otherwise.
    pub(in crate::web) async fn prepare(
        pin: Option<&KernelSelection>,
    ) -> Result<(WgpuDevice, String)> {
        let device = WgpuDevice::DefaultDevice;
        if let Some(adapter) = ADAPTER.with_borrow(Clone::clone) {
            if pin.is_some() {
                select_kernels(&device, pin).await?;
            }
            return Ok((device, adapter));
        }
        // burn stops the program where no adapter answers, so ask first.
        let backends = wgpu::Backends::BROWSER_WEBGPU;
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        let options = wgpu::RequestAdapterOptions::default();
        if let Err(e) = instance.request_adapter(&options).await {
            return Err(Fault::NoGpu {
                reason: e.to_string(),
            }
            .into());
        }
        let setup = init_setup_async::<WebGpu>(&device, RuntimeOptions::default()).await;
        setup.device.set_device_lost_callback(|reason, message| {
            let message = if message.is_empty() {
                format!("{reason:?}")
            } else {
                message
            };
            note(ErrorKind::DeviceLost, message);
        });
        setup
            .device
            .on_uncaptured_error(Arc::new(|error| match error {
                wgpu::Error::OutOfMemory { .. } => note(ErrorKind::OutOfMemory, error.to_string()),
                // A kernel that does not validate is a fault of ours: the console keeps the whole text.
                other => web_sys::console::error_1(&other.to_string().into()),
            }));
        let info = setup.adapter.get_info();
        let name = [info.name, info.driver, info.driver_info];
        let name = name.into_iter().find(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| "WebGPU".into());
        select_kernels(&device, pin).await?;
        ADAPTER.set(Some(name.clone()));
        Ok((device, name))
    }

    /// The GPU device, made on the first call.
    pub async fn gpu_device() -> Result<WgpuDevice> {
        prepare(None).await.map(|(device, _)| device)
    }

    /// Mean milliseconds that one tiny kernel takes to launch from WebAssembly.
    #[wasm_bindgen]
    pub async fn launch_cost_ms(launches: u32) -> std::result::Result<f64, JsValue> {
        measure(launches.max(1)).await.map_err(|e| to_js_error(&e))
    }

    async fn measure(launches: u32) -> Result<f64> {
        let (device, _) = prepare(None).await?;
        let mut tensor = Tensor::<Gpu, 1>::zeros([64], &device);
        read(tensor.clone()).await?;
        let start = Instant::now();
        for _ in 0..launches {
            tensor = tensor + 1.0;
        }
        read(tensor).await?;
        Ok(start.elapsed().as_secs_f64() * 1e3 / f64::from(launches))
    }
}

#[cfg(feature = "wgpu")]
pub(super) use gpu::prepare;
#[cfg(feature = "wgpu")]
pub use gpu::{device_trouble, gpu_device, launch_cost_ms};
