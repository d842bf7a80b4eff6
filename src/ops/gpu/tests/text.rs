//! The text of every kernel against the portable limits.

use naga::{AddressSpace, valid};

use super::{
    super::{
        attention::{self, KeyValues},
        conv1d, conv2d,
        launch::Kernel,
        linear::{self, LinearSpec},
        lstm, norm, winograd,
    },
    RegisterTiled, TILED, TILED_F16, TILED_SUBGROUPS,
};
use crate::{ops::Activation, quant::Encoding};

/// Specifications of linear layers.
fn specs(bias: bool) -> impl Iterator<Item = LinearSpec> {
    let spec = move |(residual, activation, gated, channels)| LinearSpec {
        bias,
        residual,
        activation,
        gated,
        channels,
    };
    let specs = [
        (!bias, Activation::None, false, false),
        (bias, Activation::Silu, false, false),
        (!bias, Activation::Gelu, false, false),
        (false, Activation::Gelu, true, false),
        (true, Activation::None, false, true),
    ];
    specs.into_iter().map(spec)
}

/// Every kernel that a launcher can ask for.
fn kernels() -> Vec<Kernel> {
    let mut all = vec![winograd::input_kernel(), winograd::product_kernel()];
    all.extend([RegisterTiled, TILED, TILED_SUBGROUPS].map(norm::layer_kernel));
    all.extend([RegisterTiled, TILED].map(lstm::kernel));
    for bias in [false, true] {
        for encoding in [Encoding::F32, Encoding::F16, Encoding::Q8, Encoding::Q4] {
            all.push(winograd::weight_kernel(encoding));
            all.push(linear::packing_kernel(encoding, bias));
            for variant in [RegisterTiled, TILED, TILED_F16] {
                let layer = |spec| linear::kernel(variant, encoding, spec);
                all.extend(specs(bias).map(layer));
                all.push(conv2d::kernel(variant, encoding, [bias, bias, bias]));
                all.push(conv2d::kernel(variant, encoding, [!bias, bias, !bias]));
            }
        }
        all.extend(specs(bias).map(linear::panels_kernel));
        all.push(winograd::output_kernel([bias, bias, bias]));
        all.push(winograd::output_kernel([!bias, bias, !bias]));
        for variant in [RegisterTiled, TILED, TILED_SUBGROUPS] {
            all.push(norm::group_kernel(variant, bias, false));
            all.push(norm::group_kernel(variant, false, bias));
        }
        all.extend([
            conv1d::depthwise_kernel(bias),
            conv1d::transposed_kernel(bias),
        ]);
        for variant in [RegisterTiled, TILED, TILED_F16] {
            for key_values in [
                KeyValues::Joint,
                KeyValues::Separate,
                KeyValues::SeparateWithBias,
            ] {
                let kernel = |dim| attention::kernel(variant, dim, key_values);
                all.extend((4..=128).step_by(4).map(kernel));
            }
        }
    }
    all
}

#[test]
fn kernels_are_valid_and_keep_to_portable_limits() {
    for kernel in kernels() {
        let text = kernel.wgsl();
        let module = naga::front::wgsl::parse_str(&text)
            .unwrap_or_else(|e| panic!("{}: {}", kernel.name, e.emit_to_string(&text)));
        // What WebGPU always has: unpack2x16float.
        let mut features = valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32;
        features.set(valid::Capabilities::SHADER_FLOAT16, kernel.has("F16_TILES"));
        features.set(valid::Capabilities::SUBGROUP, kernel.has("SUBGROUPS"));
        let flags = valid::ValidationFlags::all();
        if let Err(e) = valid::Validator::new(flags, features).validate(&module) {
            panic!("{}: {}", kernel.name, e.emit_to_string(&text));
        }
        let spaces = || {
            module
                .global_variables
                .iter()
                .map(|(_, variable)| variable.space)
        };
        let stored = spaces().filter(|space| matches!(space, AddressSpace::Storage { .. }));
        assert!(
            stored.count() <= 7,
            "{} binds more than 7 storage buffers",
            kernel.name
        );
        let shared = module.global_variables.iter().map(|(_, variable)| variable);
        let shared = shared.filter(|variable| variable.space == AddressSpace::WorkGroup);
        let bytes: u32 = shared
            .map(|variable| module.types[variable.ty].inner.size(module.to_ctx()))
            .sum();
        assert!(bytes <= 16 << 10, "{} shares {bytes} bytes", kernel.name);
        let [entry] = &module.entry_points[..] else {
            panic!("{} has several entry points", kernel.name);
        };
        let [width, 1, 1] = entry.workgroup_size else {
            panic!("{} does not lie in a line", kernel.name);
        };
        assert!(width <= 256, "{}", kernel.name);
        assert_eq!(width as usize, kernel.workgroup_size, "{}", kernel.name);
    }
}
