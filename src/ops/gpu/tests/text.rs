//! The text of every kernel against the portable limits.

use naga::{AddressSpace, valid};

use super::{
    super::{
        Kernel,
        attention::{self, Others},
        conv1d, conv2d,
        linear::{self, Form},
        norm, winograd,
    },
    HALVES, Registers, SUBGROUPS, TILES,
};
use crate::{ops::Activation, quant::Encoding};

/// What linear layers make of their sums.
fn forms(bias: bool) -> impl Iterator<Item = Form> {
    let form = move |(residual, activation, gated, channels)| Form {
        bias,
        residual,
        activation,
        gated,
        channels,
    };
    let forms = [
        (!bias, Activation::None, false, false),
        (bias, Activation::Silu, false, false),
        (!bias, Activation::Gelu, false, false),
        (false, Activation::Gelu, true, false),
        (true, Activation::None, false, true),
    ];
    forms.into_iter().map(form)
}

/// Every kernel that a launcher can ask for.
fn kernels() -> Vec<Kernel> {
    let mut all = vec![winograd::input_kernel(), winograd::product_kernel()];
    all.extend([Registers, TILES, SUBGROUPS].map(norm::layer_kernel));
    for bias in [false, true] {
        for encoding in [Encoding::F32, Encoding::F16, Encoding::Q8, Encoding::Q4] {
            all.push(winograd::weight_kernel(encoding));
            all.push(linear::laying_kernel(encoding, bias));
            for family in [Registers, TILES, HALVES] {
                let layer = |form| linear::kernel(family, encoding, form);
                all.extend(forms(bias).map(layer));
                all.push(conv2d::kernel(family, encoding, [bias, bias, bias]));
                all.push(conv2d::kernel(family, encoding, [!bias, bias, !bias]));
            }
        }
        all.extend(forms(bias).map(linear::panels_kernel));
        all.push(winograd::output_kernel([bias, bias, bias]));
        all.push(winograd::output_kernel([!bias, bias, !bias]));
        for family in [Registers, TILES, SUBGROUPS] {
            all.push(norm::group_kernel(family, bias, false));
            all.push(norm::group_kernel(family, false, bias));
        }
        all.extend([
            conv1d::depthwise_kernel(bias),
            conv1d::transposed_kernel(bias),
        ]);
        for family in [Registers, TILES, HALVES] {
            for others in [Others::None, Others::Bound, Others::AndBias] {
                let kernel = |dim| attention::kernel(family, dim, others);
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
        features.set(valid::Capabilities::SHADER_FLOAT16, kernel.has("HALF"));
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
        assert_eq!(width as usize, kernel.width, "{}", kernel.name);
    }
}
