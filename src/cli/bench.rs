//! `art2mus bench`: how fast this machine does what the networks are made of.

use serde::Serialize;

use super::{print_json, print_line};
use crate::{
    Error, Result,
    bench::{Measured, cases, measure},
    device::{self, Device, DeviceChoice},
    ops::Kernels,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Measure only cases whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// What to compute on.
    #[arg(long, value_enum, default_value = "auto")]
    device: DeviceChoice,
    /// Print every case as JSON.
    #[arg(long)]
    json: bool,
}

/// A case, ours and burn's own operations in turn.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    ours: Measured,
    burn: Option<Measured>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    match device::choose(arguments.device)? {
        Device::Cpu => bench::<crate::ops::Cpu>(arguments, &Default::default()),
        #[cfg(feature = "wgpu")]
        Device::Wgpu { adapter } => {
            if !arguments.json {
                let kernels = crate::ops::Gpu::kernels(&Default::default());
                print_line(&format!("{adapter}: {kernels}"))?;
            }
            bench::<crate::ops::Gpu>(arguments, &Default::default())
        }
        #[cfg(feature = "cuda")]
        Device::Cuda => bench::<burn::backend::Cuda>(arguments, &Default::default()),
        #[cfg(feature = "libtorch")]
        Device::Libtorch => bench::<burn::backend::LibTorch>(arguments, &Default::default()),
    }
}

fn bench<B: Kernels>(arguments: &Arguments, device: &B::Device) -> Result<()> {
    let mut wanted = cases();
    wanted.retain(|case| case.name.contains(&arguments.only));
    if wanted.is_empty() {
        return Err(Error::input(
            format!("no case has {:?} in its name", arguments.only),
            "leave out --only to see all names",
        ));
    }
    if !arguments.json {
        print_line(
            "                                                       ours            burn's own",
        )?;
        print_line(
            "                                                   ms  GFLOP/s  GB/s        ms   ratio",
        )?;
    }
    for case in wanted {
        let mut inputs = case.inputs();
        let ours = pollster::block_on(measure::<B>(case.operation, &inputs, device))?;
        // A network decides by itself which operations it runs.
        let burn = match case.operation {
            "unet" => None,
            operation => {
                inputs.plain = true;
                Some(pollster::block_on(measure::<B>(
                    operation, &inputs, device,
                ))?)
            }
        };
        let name = case.name;
        let line = Line { name, ours, burn };
        if arguments.json {
            print_json(&line)?;
        } else {
            print_line(&line.text())?;
        }
    }
    Ok(())
}

impl Line {
    fn text(&self) -> String {
        let ours = &self.ours;
        let burn = self.burn.as_ref().map_or(String::new(), |burn| {
            format!("{:9.1} {:7.2}", burn.best(), burn.best() / ours.best())
        });
        format!(
            "{:44} {:8.1} {:8.2} {:5.2} {burn}",
            self.name,
            ours.best(),
            ours.gflops(),
            ours.gigabytes()
        )
    }
}
