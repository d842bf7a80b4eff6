//! How fast single operations and whole networks are, ours beside burn's own.
//!
//! [`cases`] are the shapes that are reported; [`measure`] runs one of them, or the same operation on
//! other tensors, so that another program can be measured on exactly the same work.

mod cases;

use burn::{module::Param, tensor::Tensor};
use serde::Serialize;
use std::collections::BTreeMap;
use web_time::Instant;

pub use cases::{Case, cases};

use crate::{
    Error, Result,
    model::{
        params::{FreshInit, Params},
        trace::Trace,
        unet::{Context, Unet},
    },
    ops::{Activation, Conv1dGeometry, Conv2dGeometry, Epilogue, Kernels, Packed, Weight, plain},
    quant::{Encoding, PackedValues},
    tensors::{HostTensor, read},
};

/// What an operation is run on.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// By name: `x`, `weight`, `bias`; `q`, `k`, `v` for attention.
    pub tensors: BTreeMap<String, HostTensor>,
    /// How the weight lies in memory.
    pub encoding: Encoding,
    /// Whether burn's own operations are measured instead of ours.
    pub plain: bool,
    /// Runs after a first one, which compiles kernels.
    pub repeats: usize,
    /// Step of a convolution.
    pub stride: usize,
    /// Zeros on both sides of a convolution.
    pub padding: usize,
    /// Distance between taps of a convolution in one dimension.
    pub dilation: usize,
    /// Groups of a normalisation.
    pub groups: usize,
}

impl Default for Inputs {
    fn default() -> Self {
        Self {
            tensors: BTreeMap::new(),
            encoding: Encoding::F32,
            plain: false,
            repeats: 3,
            stride: 1,
            padding: 0,
            dilation: 1,
            groups: 32,
        }
    }
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Milliseconds of each run.
    pub ms: Vec<f64>,
    /// Floating-point operations of a run, a product and a sum being two.
    pub flops: u64,
    /// Bytes that a run must read and write at least.
    pub bytes: u64,
    /// The result of the last run.
    #[serde(skip)]
    pub output: HostTensor,
}

impl Measured {
    /// Milliseconds of the fastest run: what the machine does when it is left alone.
    pub fn best(&self) -> f64 {
        self.ms.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Billions of floating-point operations a second.
    pub fn gflops(&self) -> f64 {
        self.flops as f64 / self.best() / 1e6
    }

    /// Billions of bytes a second.
    pub fn gigabytes(&self) -> f64 {
        self.bytes as f64 / self.best() / 1e6
    }
}

/// Runs `operation`, one of `linear`, `conv2d`, `conv1d`, `attention`, `group_norm` (with SiLU), `lstm` (the steps of one
/// direction of a layer) and `unet` (a guided step of a reduced UNet with random weights).
pub async fn measure<B: Kernels>(
    operation: &str,
    inputs: &Inputs,
    device: &B::Device,
) -> Result<Measured> {
    let bench = Bench::<B> { inputs, device };
    match operation {
        "linear" => bench.linear().await,
        "conv2d" => bench.conv2d().await,
        "conv1d" => bench.conv1d().await,
        "attention" => bench.attention().await,
        "group_norm" => bench.group_norm().await,
        "lstm" => bench.lstm().await,
        "unet" => bench.unet().await,
        other => Err(Error::input(
            format!("there is no operation {other:?} to measure"),
            "name linear, conv2d, conv1d, attention, group_norm, lstm or unet",
        )),
    }
}

struct Bench<'a, B: Kernels> {
    inputs: &'a Inputs,
    device: &'a B::Device,
}

impl<B: Kernels> Bench<'_, B> {
    async fn linear(&self) -> Result<Measured> {
        let x: Tensor<B, 2> = self.tensor("x")?;
        let bias: Tensor<B, 1> = self.tensor("bias")?;
        let given = self.given::<2>("weight")?;
        let [outputs, inputs] = dims(given)?;
        let values = self.packed(given)?;
        let weight: Weight<B, 2> = if self.packs() && values.encoding != Encoding::F32 {
            Weight::Packed(Packed::linear(&values, [outputs, inputs], self.device))
        } else {
            Weight::Dense(Param::from_tensor(self.decoded(given)?))
        };
        fits(x.dims()[1] == inputs && bias.dims()[0] == outputs)?;
        let rows = x.dims()[0];
        let epilogue = || Epilogue::bias(Some(bias.clone()));
        let run = || match self.inputs.plain {
            true => plain::linear(x.clone(), weight.get().unpack(), epilogue()),
            false => <B as Kernels>::linear(x.clone(), weight.get(), epilogue()),
        };
        let work = product(&[2, rows, inputs, outputs]);
        self.time(run, work, values.elements.len() as u64).await
    }

    async fn conv2d(&self) -> Result<Measured> {
        let x: Tensor<B, 4> = self.tensor("x")?;
        let bias: Tensor<B, 1> = self.tensor("bias")?;
        let given = self.given::<4>("weight")?;
        let shape @ [outputs, inputs, rows, columns] = dims(given)?;
        fits(x.dims()[1] == inputs && bias.dims()[0] == outputs)?;
        let weight: Weight<B, 4> = self.convolution(given, shape)?;
        let geometry = Conv2dGeometry {
            stride: [self.inputs.stride; 2],
            padding: [self.inputs.padding; 2],
        };
        let [batch, _, height, width] = x.dims();
        let pixels = batch * height * width / self.inputs.stride.pow(2).max(1);
        let epilogue = || Epilogue::bias(Some(bias.clone()));
        let run = || match self.inputs.plain {
            true => plain::conv2d(x.clone(), weight.get().unpack(), epilogue(), geometry),
            false => <B as Kernels>::conv2d(x.clone(), weight.get(), epilogue(), geometry),
        };
        let work = product(&[2, pixels, outputs, inputs, rows, columns]);
        self.time(run, work, 4 * given.values.len() as u64).await
    }

    async fn conv1d(&self) -> Result<Measured> {
        let x: Tensor<B, 3> = self.tensor("x")?;
        let bias: Tensor<B, 1> = self.tensor("bias")?;
        let given = self.given::<3>("weight")?;
        let [outputs, inputs, kernel] = dims(given)?;
        fits(x.dims()[1] == inputs && bias.dims()[0] == outputs)?;
        let weight: Weight<B, 3> = self.convolution(given, [outputs, inputs, 1, kernel])?;
        let geometry = Conv1dGeometry {
            stride: self.inputs.stride,
            padding: self.inputs.padding,
            dilation: self.inputs.dilation,
        };
        let [batch, _, samples] = x.dims();
        let epilogue = || Epilogue::bias(Some(bias.clone()));
        let run = || match self.inputs.plain {
            true => plain::conv1d(x.clone(), weight.get().unpack(), epilogue(), geometry),
            false => <B as Kernels>::conv1d(x.clone(), weight.get(), epilogue(), geometry),
        };
        let made = samples / self.inputs.stride.max(1);
        let work = product(&[2, batch, made, outputs, inputs, kernel]);
        self.time(run, work, 4 * given.values.len() as u64).await
    }

    async fn attention(&self) -> Result<Measured> {
        let [q, k, v]: [Tensor<B, 4>; 3] =
            [self.tensor("q")?, self.tensor("k")?, self.tensor("v")?];
        let [batch, heads, queries, dim] = q.dims();
        let keys = k.dims()[2];
        fits(k.dims() == v.dims() && k.dims() == [batch, heads, keys, dim])?;
        let scale = (dim as f64).powf(-0.5);
        let run = || {
            let (q, k, v) = (q.clone(), k.clone(), v.clone());
            match self.inputs.plain {
                true => plain::attention(q, k, v, None, scale),
                false => <B as Kernels>::attention(q, k, v, None, scale),
            }
        };
        let work = product(&[4, batch, heads, queries, keys, dim]);
        self.time(run, work, 0).await
    }

    async fn group_norm(&self) -> Result<Measured> {
        let x: Tensor<B, 4> = self.tensor("x")?;
        let (scale, shift): (Tensor<B, 1>, Tensor<B, 1>) =
            (self.tensor("weight")?, self.tensor("bias")?);
        let (groups, channels) = (self.inputs.groups, x.dims()[1]);
        fits(groups > 0 && channels.is_multiple_of(groups) && scale.dims() == [channels])?;
        let run = || {
            let (x, scale, shift) = (x.clone(), scale.clone(), shift.clone());
            match self.inputs.plain {
                true => plain::group_norm(x, groups, scale, shift, 1e-5, Activation::Silu),
                false => B::group_norm(x, groups, scale, shift, 1e-5, Activation::Silu),
            }
        };
        self.time(run, 10 * product(&x.dims()), 0).await
    }

    async fn lstm(&self) -> Result<Measured> {
        let gates: Tensor<B, 3> = self.tensor("x")?;
        let given = self.given::<2>("weight")?;
        let [batch, steps, width] = gates.dims();
        let [rows, hidden] = dims(given)?;
        fits(rows == 4 * hidden && rows == width && steps > 0)?;
        let weight: Tensor<B, 2> = self.tensor("weight")?;
        let run = || match self.inputs.plain {
            true => plain::lstm(gates.clone(), weight.clone(), false),
            false => B::lstm(gates.clone(), weight.clone(), false),
        };
        let work = product(&[2, batch, steps, width, hidden]);
        self.time(run, work, 4 * given.values.len() as u64).await
    }

    /// The network decides by itself which operations it runs, so burn's own are not measured here.
    async fn unet(&self) -> Result<Measured> {
        let config = cases::reduced_unet();
        let latents: Tensor<B, 4> = self.tensor("x")?;
        let fresh = FreshInit::new(1);
        let unet = Unet::<B>::load(&Params::new(&fresh, self.device), &config)?;
        let [batch, _, rows, columns] = latents.dims();
        let audio: Tensor<B, 3> = self.tensor("audio")?;
        let text: Tensor<B, 3> = self.tensor("text")?;
        fits(audio.dims()[0] == batch && text.dims()[0] == batch)?;
        let tokens = text.dims()[1];
        let context = Context::new(audio, text, &vec![vec![true; tokens]; batch]);
        let conditions = unet.cache(&context);
        let times = vec![500.0; batch];
        let run = || unet.forward(latents.clone(), &times, &conditions, &mut Trace::off());
        let work = cases::unet_flops(&config, [rows, columns], tokens, batch)?;
        self.time(run, work, 0).await
    }

    /// Whether kernels read the weight: burn's own operations would have to unpack it in every run.
    fn packs(&self) -> bool {
        B::PACKS && !self.inputs.plain
    }

    /// The weight of a convolution.
    fn convolution<const D: usize>(
        &self,
        given: &HostTensor,
        shape: [usize; 4],
    ) -> Result<Weight<B, D>> {
        if self.packs() && shape[0].is_multiple_of(4) {
            let values = self.packed(given)?;
            return Ok(Weight::Packed(Packed::convolution(
                &values,
                shape,
                self.device,
            )));
        }
        let weight = Param::from_tensor(self.decoded(given)?);
        Ok(Weight::Dense(weight))
    }

    /// The elements in the encoding that is measured.
    fn packed(&self, given: &HostTensor) -> Result<PackedValues> {
        let encoding = self.inputs.encoding;
        if encoding.bytes(&given.shape).is_none() {
            return Err(Error::input(
                format!(
                    "a weight {:?} cannot be packed as {encoding:?}",
                    given.shape
                ),
                "give rows of a multiple of 32 elements",
            ));
        }
        let (bytes, _) = encoding.encode(&given.values)?;
        PackedValues::from_bytes(encoding, bytes, given.values.len())
    }

    /// What is left of the elements in that encoding.
    fn decoded<const D: usize>(&self, given: &HostTensor) -> Result<Tensor<B, D>> {
        let (bytes, _) = self.inputs.encoding.encode(&given.values)?;
        let values = self.inputs.encoding.decode(&bytes, given.values.len())?;
        let shape = given.shape.clone();
        HostTensor { shape, values }.upload(self.device)
    }

    fn given<const D: usize>(&self, name: &str) -> Result<&HostTensor> {
        let found = self.inputs.tensors.get(name);
        let whole = |t: &&HostTensor| {
            t.shape.len() == D && t.shape.iter().product::<usize>() == t.values.len()
        };
        found.filter(whole).ok_or_else(|| {
            Error::input(
                format!("the operation needs a tensor {name} of {D} dimensions"),
                "give its shape and as many numbers",
            )
        })
    }

    fn tensor<const D: usize>(&self, name: &str) -> Result<Tensor<B, D>> {
        self.given::<D>(name)?.upload(self.device)
    }

    /// Times `run`, which needs `work` operations and reads a weight of `weight` bytes beside tensors.
    async fn time<const D: usize>(
        &self,
        mut run: impl FnMut() -> Tensor<B, D>,
        work: u64,
        weight: u64,
    ) -> Result<Measured> {
        let mut output = run();
        let mut ms = Vec::with_capacity(self.inputs.repeats);
        settle(&output).await?;
        for _ in 0..self.inputs.repeats.max(1) {
            let start = Instant::now();
            output = run();
            settle(&output).await?;
            ms.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let shape = output.dims().to_vec();
        let others = self
            .inputs
            .tensors
            .iter()
            .filter(|(name, _)| *name != "weight");
        let elements: usize = others.map(|(_, tensor)| tensor.values.len()).sum();
        let elements = elements + shape.iter().product::<usize>();
        Ok(Measured {
            ms,
            flops: work,
            bytes: weight + 4 * elements as u64,
            output: HostTensor {
                shape,
                values: read(output).await?,
            },
        })
    }
}

/// Waits for a result by reading one number of it.
async fn settle<B: Kernels, const D: usize>(tensor: &Tensor<B, D>) -> Result<()> {
    let first = tensor
        .clone()
        .slice(std::array::from_fn::<_, D, _>(|_| 0..1));
    read(first).await.map(drop)
}

fn dims<const D: usize>(tensor: &HostTensor) -> Result<[usize; D]> {
    let shape = tensor.shape.clone();
    shape
        .try_into()
        .map_err(|_| Error::internal("a tensor has another number of dimensions"))
}

/// In 64 bits: a browser's sizes have 32.
fn product(factors: &[usize]) -> u64 {
    factors.iter().map(|&factor| factor as u64).product()
}

fn fits(all: bool) -> Result<()> {
    if all {
        return Ok(());
    }
    Err(Error::input(
        "the tensors do not fit each other",
        "see benches/README.md for the shapes of each operation",
    ))
}
