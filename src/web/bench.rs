//! Measuring from JavaScript.

use js_sys::{Float32Array, Object, Reflect};
use serde::Deserialize;
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};

use super::values::{set, to_js, to_js_error};
use crate::{
    Error, Result,
    bench::{Inputs, Measured, cases, measure},
    ops::Cpu,
    quant::Encoding,
    tensors::HostTensor,
};

/// What is not a tensor among the inputs.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Options {
    device: String,
    encoding: Encoding,
    plain: bool,
    repeats: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    groups: usize,
}

impl Default for Options {
    fn default() -> Self {
        let inputs = Inputs::default();
        Self {
            device: "wasm".into(),
            encoding: inputs.encoding,
            plain: inputs.plain,
            repeats: inputs.repeats,
            stride: inputs.stride,
            padding: inputs.padding,
            dilation: inputs.dilation,
            groups: inputs.groups,
        }
    }
}

/// Measures an operation on given tensors, or a case of [`bench_cases`] by its name when there are none.
///
/// `inputs` is `{ tensors?: { x: { shape, data }, … }, device?, encoding?, plain?, repeats?, stride?,
/// padding?, dilation?, groups? }`; the answer `{ ms: number[], flops, bytes, output: { shape, data } }`.
#[wasm_bindgen]
pub async fn bench(name: String, inputs: JsValue) -> std::result::Result<JsValue, JsValue> {
    console_error_panic_hook::set_once();
    run(&name, &inputs).await.map_err(|e| to_js_error(&e))
}

/// The names of all cases.
#[wasm_bindgen(js_name = benchCases)]
pub fn bench_cases() -> Vec<String> {
    cases().into_iter().map(|case| case.name).collect()
}

async fn run(name: &str, value: &JsValue) -> Result<JsValue> {
    let options: Options = serde_wasm_bindgen::from_value(value.clone()).map_err(|e| {
        Error::input(
            format!("the inputs of the measurement cannot be used ({e})"),
            "see benches/README.md for what they can be",
        )
    })?;
    let given = Reflect::get(value, &"tensors".into()).unwrap_or(JsValue::UNDEFINED);
    let (operation, mut inputs) = match given.dyn_ref::<Object>() {
        Some(tensors) => {
            let inputs = Inputs {
                tensors: read_tensors(tensors)?,
                encoding: options.encoding,
                stride: options.stride,
                padding: options.padding,
                dilation: options.dilation,
                groups: options.groups,
                ..Inputs::default()
            };
            (name.to_string(), inputs)
        }
        None => {
            let case = cases().into_iter().find(|case| case.name == name);
            let case = case.ok_or_else(|| {
                Error::input(
                    format!("there is no case {name:?}"),
                    "name one of benchCases(), or give tensors",
                )
            })?;
            (case.operation.to_string(), case.inputs())
        }
    };
    inputs.plain = options.plain;
    inputs.repeats = options.repeats;
    let measured = match options.device.as_str() {
        "wasm" => measure::<Cpu>(&operation, &inputs, &Default::default()).await?,
        #[cfg(feature = "wgpu")]
        "webgpu" => {
            let device = super::gpu_device().await?;
            measure::<crate::ops::Gpu>(&operation, &inputs, &device).await?
        }
        other => {
            return Err(Error::unsupported(
                format!("this module has no device {other:?}"),
                "use wasm, or the module with WebGPU",
            ));
        }
    };
    Ok(answer(&measured))
}

fn read_tensors(tensors: &Object) -> Result<std::collections::BTreeMap<String, HostTensor>> {
    let wrong = |name: &str| {
        Error::input(
            format!("the tensor {name} cannot be used"),
            "give { shape: number[], data: Float32Array }",
        )
    };
    let mut read = std::collections::BTreeMap::new();
    for name in Object::keys(tensors)
        .iter()
        .filter_map(|name| name.as_string())
    {
        let field = |of: &JsValue, name: &str| Reflect::get(of, &name.into()).ok();
        let entry = field(tensors, &name).ok_or_else(|| wrong(&name))?;
        let shape = field(&entry, "shape").ok_or_else(|| wrong(&name))?;
        let shape = serde_wasm_bindgen::from_value(shape).map_err(|_| wrong(&name))?;
        let data = field(&entry, "data").and_then(|data| data.dyn_into::<Float32Array>().ok());
        let values = data.ok_or_else(|| wrong(&name))?.to_vec();
        read.insert(name, HostTensor { shape, values });
    }
    Ok(read)
}

fn answer(measured: &Measured) -> JsValue {
    let result = Object::new();
    set(&result, "ms", &to_js(&measured.ms));
    set(&result, "flops", &(measured.flops as f64).into());
    set(&result, "bytes", &(measured.bytes as f64).into());
    let output = Object::new();
    set(&output, "shape", &to_js(&measured.output.shape));
    let data = Float32Array::from(measured.output.values.as_slice());
    set(&output, "data", &data);
    set(&result, "output", &output);
    result.into()
}
