//! What scores are computed with: VGGish, distances, BERT.

use super::{check, config, open};
use crate::common::Fixture;
use art2mus::{
    audio::vggish,
    checkpoint::names,
    metrics::{divergence::spectral_divergence, frechet::frechet_distance},
    model::{
        bert::{Bert, BertConfig},
        params::Params,
        trace::Trace,
        vggish::{Vggish, VggishConfig},
    },
    ops::Cpu,
};
use std::collections::BTreeMap;

#[test]
fn vggish_hears_what_its_reference_hears() {
    let reference = Fixture::open("trace-scores.safetensors");
    let device = Default::default();
    let expected = reference.tensor("vggish.patches");
    let patches = vggish::patches(&reference.tensor("vggish.wave").values, 16_000).unwrap();
    assert_eq!(patches.len(), expected.values.len());
    let error = super::relative_error(&expected.values, &patches);
    assert!(error < 1e-5, "patches are off by {error:.2e}");

    let checkpoint = open("vggish-tiny.pth", names::plain);
    let sizes = VggishConfig::infer(|name| checkpoint.shape(name)).unwrap();
    assert_eq!((sizes.channels[4], sizes.widths[2]), (10, 12));
    let network = Vggish::<Cpu>::load(&Params::new(&checkpoint, &device), &sizes).unwrap();
    let patches = expected.upload(&device).unwrap();
    check(
        "embeddings",
        &reference.tensor("vggish.embeddings"),
        network.forward(patches),
    );
    let wrong = VggishConfig::infer(|_| None).unwrap_err();
    assert!(wrong.message().contains("features.0.weight"));
    assert!(vggish::patches(&[0.0; 15_599], 16_000).is_err());
    assert_eq!(
        vggish::patches(&[0.0; 15_600], 16_000).unwrap().len(),
        96 * 64
    );
}

/// Covariances of full rank, of few vectors, and of many vectors in a plane.
#[test]
fn distances_are_those_of_the_reference() {
    let reference = Fixture::open("trace-scores.safetensors");
    let settings = reference.settings();
    let set = |name: &str| -> Vec<Vec<f32>> {
        let tensor = reference.tensor(&format!("frechet.{name}"));
        tensor
            .values
            .chunks(tensor.shape[1])
            .map(<[f32]>::to_vec)
            .collect()
    };
    let distances: BTreeMap<String, f64> =
        serde_json::from_value(settings["frechet"].clone()).unwrap();
    assert_eq!(distances.len(), 5);
    for (sets, expected) in distances {
        let (a, b) = sets.split_once(' ').unwrap();
        let found = frechet_distance(&set(a), &set(b)).unwrap();
        // The roots of eigenvalues that are 0 but for rounding are as large as 1e-7 there.
        assert!(
            (found - expected).abs() < 1e-5,
            "{sets}: {found} {expected}"
        );
    }
    let [wave, other] =
        ["vggish.wave", "divergence.other"].map(|name| reference.tensor(name).values);
    let (found, expected) = (
        spectral_divergence(&wave, &other).unwrap(),
        settings["divergence"].as_f64().unwrap(),
    );
    assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
}

#[test]
fn bert_reads_as_its_reference_reads() {
    let reference = Fixture::open("trace-scores.safetensors");
    let settings = reference.settings();
    let device = Default::default();
    let checkpoint = open("bert-tiny", names::bert);
    let sizes: BertConfig = config("bert-tiny/config.json", None);
    let params = Params::new(&checkpoint, &device);
    for layers in 0..4 {
        let network = Bert::<Cpu>::load(&params, &sizes, layers).unwrap();
        for text in ["first", "second"] {
            let of: Vec<u32> = serde_json::from_value(settings["ids"][text].clone()).unwrap();
            let states = network.forward(&of, &mut Trace::off()).unwrap();
            let name = format!("bert.{text}.{layers}");
            check(&name, &reference.tensor(&name), states);
        }
    }
    assert!(Bert::<Cpu>::load(&params, &sizes, 4).is_err());
    let network = Bert::<Cpu>::load(&params, &sizes, 1).unwrap();
    assert!(network.forward(&[2, 64, 3], &mut Trace::off()).is_err());
    assert!(network.forward(&[1; 21], &mut Trace::off()).is_err());
    let roberta = BertConfig {
        model_type: "roberta".into(),
        ..sizes
    };
    assert!(roberta.check().unwrap_err().message().contains("roberta"));
}
