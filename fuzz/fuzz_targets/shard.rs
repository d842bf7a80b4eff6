#![no_main]

use art2mus::{
    quant::Encoding,
    tensors::{Init, TensorSource},
    weights::{Bundle, Location},
};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use serde_json::json;
use sha2::{Digest, Sha256};

/// Tensors that a manifest may claim, and the bytes that are there instead. Hashes are always right: a reader that checks
/// them would else stop before anything is read.
#[derive(Debug, Arbitrary)]
struct Input {
    tensors: Vec<Claim>,
    cuts: [u16; 2],
    bytes: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
struct Claim {
    encoding: u8,
    shape: Vec<u8>,
    /// A dimension that is no byte.
    large: Option<u64>,
    /// Added to the offset at which the tensor should lie.
    shift: i8,
    /// Whether it is read packed.
    packed: bool,
}

const ENCODINGS: [Encoding; 4] = [Encoding::F32, Encoding::F16, Encoding::Q8, Encoding::Q4];

fuzz_target!(|input: Input| {
    let mut offset = 0u64;
    let mut tensors = Vec::new();
    for (i, claim) in input.tensors.iter().enumerate() {
        let mut shape: Vec<u64> = claim.shape.iter().map(|&n| n.into()).collect();
        shape.extend(claim.large);
        let encoding = ENCODINGS[usize::from(claim.encoding) % ENCODINGS.len()];
        let at = offset.wrapping_add_signed(claim.shift.into());
        tensors.push(json!({ "name": format!("unet.{i}"), "shape": shape, "encoding": encoding, "offset": at }));
        let shape: Vec<usize> = shape.iter().map(|&n| n as usize).collect();
        offset = at.wrapping_add(encoding.bytes(&shape).unwrap_or(0));
    }
    let cuts = input
        .cuts
        .map(|cut| usize::from(cut).min(input.bytes.len()));
    let (first, last) = (cuts[0].min(cuts[1]), cuts[0].max(cuts[1]));
    let parts = [
        &input.bytes[..first],
        &input.bytes[first..last],
        &input.bytes[last..],
    ];
    let shards: Vec<_> = parts
        .iter()
        .filter(|part| !part.is_empty())
        .enumerate()
        .collect();
    let entries: Vec<_> = shards
        .iter()
        .map(|(i, part)| {
            let sha256: String = Sha256::digest(part)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            json!({ "file": format!("{i:03}.bin"), "bytes": part.len(), "sha256": sha256 })
        })
        .collect();
    let manifest = json!({
        "format": "art2mus-bundle", "version": 2, "system": "art-to-mus",
        "model": { "name": "fuzz", "licence": "none", "trained": false },
        "stages": [{ "name": "denoise", "networks": [], "tensors": tensors }],
        "shards": entries, "assets": [], "defaults": {},
        "provenance": { "converter": "fuzz", "sources": [] },
    });
    let mut files: std::collections::HashMap<_, _> = shards
        .into_iter()
        .map(|(i, part)| (format!("{i:03}.bin"), part.to_vec()))
        .collect();
    files.insert("manifest.json".into(), manifest.to_string().into_bytes());
    pollster::block_on(async {
        let Ok(bundle) = Bundle::open(Location::Memory(files)).await else {
            return;
        };
        let Ok(weights) = bundle.load("denoise", &mut |_| {}).await else {
            return;
        };
        for (claim, entry) in input
            .tensors
            .iter()
            .zip(&bundle.manifest().stages[0].tensors)
        {
            if claim.packed {
                let _ = weights.read_packed(&entry.name, &entry.shape);
            } else {
                let _ = weights.read(&entry.name, &entry.shape, Init::Constant(0.0));
            }
        }
    });
});
