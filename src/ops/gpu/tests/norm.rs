//! Normalisation, in both variants.

use super::{super::norm, RegisterTiled, TILED, TILED_SUBGROUPS, agree, both, gpu, possible};
use crate::ops::{Activation, plain};

#[test]
fn group_norms_agree() {
    if !gpu() {
        return;
    }
    let variants = possible(&[RegisterTiled, TILED, TILED_SUBGROUPS]);
    for (batch, groups, shape) in [
        (1, 1, [1, 1, 3]),
        (2, 8, [32, 5, 7]),
        (1, 4, [12, 16, 2]),
        (1, 2, [2, 15, 17]),
        (1, 2, [2, 257, 1]),
        (1, 8, [128, 13, 16]),
    ] {
        let [channels, rows, columns] = shape;
        let (x, x_cpu) = both([batch, channels, rows, columns], 1);
        let (scale, scale_cpu) = both([channels], 2);
        let (shift, shift_cpu) = both([channels], 3);
        for activation in [Activation::None, Activation::Silu, Activation::Gelu] {
            let (x_cpu, scale_cpu) = (x_cpu.clone() + 3.0, scale_cpu.clone());
            let shift_cpu = shift_cpu.clone();
            let expected = plain::group_norm(x_cpu, groups, scale_cpu, shift_cpu, 1e-5, activation);
            for &variant in &variants {
                let (x, scale, shift) = (x.clone() + 3.0, scale.clone(), shift.clone());
                let found = norm::groups(variant, x, groups, scale, shift, 1e-5, activation);
                let what = format!("{shape:?}, {groups} groups, {activation:?}, {variant:?}");
                agree(found, expected.clone(), &what);
            }
        }
        let expected = plain::group_norm_to_tokens(x_cpu, groups, scale_cpu, shift_cpu, 1e-5);
        for &variant in &variants {
            let (x, scale, shift) = (x.clone(), scale.clone(), shift.clone());
            let found = norm::groups_to_tokens(variant, x, groups, scale, shift, 1e-5);
            let what = format!("{shape:?}, {groups} groups to tokens, {variant:?}");
            agree(found, expected.clone(), &what);
        }
    }
}

#[test]
fn layer_norms_agree() {
    if !gpu() {
        return;
    }
    let variants = possible(&[RegisterTiled, TILED, TILED_SUBGROUPS]);
    // The last has more rows than a launch has workgroups.
    for (rows, width) in [
        (1, 4),
        (33, 128),
        (7, 320),
        (3, 252),
        (3, 260),
        (9, 1280),
        (5, 6),
        (32_770, 4),
    ] {
        let (x, x_cpu) = both([2, rows, width], 1);
        let (scale, scale_cpu) = both([width], 2);
        let (shift, shift_cpu) = both([width], 3);
        let expected = plain::layer_norm(x_cpu + 3.0, scale_cpu, shift_cpu, 1e-5);
        for &variant in &variants {
            let (x, scale, shift) = (x.clone() + 3.0, scale.clone(), shift.clone());
            let found = norm::rows(variant, x, scale, shift, 1e-5);
            let what = format!("{rows} rows of {width}, {variant:?}");
            agree(found, expected.clone(), &what);
        }
    }
}
