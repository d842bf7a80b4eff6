//! Recurrent layers, in both variants.

use super::{super::lstm, RegisterTiled, TILED, agree, both, gpu};
use crate::ops::plain;

#[test]
fn recurrent_layers_agree() {
    if !gpu() {
        return;
    }
    // Units that fill no workgroup, one, and more than the largest.
    for (batch, steps, hidden) in [(1, 1, 1), (2, 5, 3), (3, 9, 32), (1, 20, 67), (2, 4, 259)] {
        let (gates, gates_cpu) = both([batch, steps, 4 * hidden], 1);
        let (weight, weight_cpu) = both([4 * hidden, hidden], 2);
        let size = 1.0 / (hidden as f32).sqrt();
        for reverse in [false, true] {
            let expected = plain::lstm(gates_cpu.clone() * 3.0, weight_cpu.clone() * size, reverse);
            for variant in [RegisterTiled, TILED] {
                let (gates, weight) = (gates.clone() * 3.0, weight.clone() * size);
                let found = lstm::lstm(variant, gates, weight, reverse);
                let what = format!("{batch} x {steps} x {hidden}, reverse {reverse}, {variant:?}");
                agree(found, expected.clone(), &what);
            }
        }
    }
}

/// More units than a workgroup has memory for are left to plain operations.
#[test]
fn very_wide_layers_agree() {
    if !gpu() {
        return;
    }
    let hidden = lstm::UNITS + 1;
    let (gates, gates_cpu) = both([1, 2, 4 * hidden], 1);
    let (weight, weight_cpu) = both([4, hidden], 2);
    let (weight, weight_cpu) = (weight / 45.0, weight_cpu / 45.0);
    let (weight, weight_cpu) = (
        weight.repeat_dim(0, hidden),
        weight_cpu.repeat_dim(0, hidden),
    );
    let found = lstm::lstm(RegisterTiled, gates, weight, false);
    agree(
        found,
        plain::lstm(gates_cpu, weight_cpu, false),
        "very wide",
    );
}
