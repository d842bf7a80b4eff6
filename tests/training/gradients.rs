//! Losses and gradients of Art2Music's training beside PyTorch's.

use super::art2music::{config, part};
use crate::common::{Fixture, relative_error};
use art2mus::{
    checkpoint::Checkpoint,
    model::params::{Params, param_id},
    ops::Cpu,
    systems::art2music::Composer,
    tensors::{Init, TensorSource, read},
    train::{
        adversarial::{adversarial_loss, discriminator_loss, feature_matching_loss},
        art2music::{Art2MusicConfig, weighted_l1},
        waveform::WaveformDiscriminators,
    },
};
use burn::{backend::Autodiff, optim::GradientsParams, tensor::Tensor};

type Learning = Autodiff<Cpu>;

/// The fusion and the decoder of the fixture.
struct Both {
    fusion: Checkpoint,
    decoder: Checkpoint,
}

impl TensorSource for Both {
    fn read(&self, name: &str, shape: &[usize], init: Init) -> art2mus::Result<Vec<f32>> {
        let (kind, name) = name.split_once('.').unwrap();
        match kind {
            "fusion" => self.fusion.read(name, shape, init),
            _ => self.decoder.read(name, shape, init),
        }
    }
}

fn values<const D: usize>(tensor: Tensor<Cpu, D>) -> Vec<f32> {
    pollster::block_on(read(tensor)).unwrap()
}

#[test]
fn gradients_of_fusion_and_decoder_are_those_of_pytorch() {
    let reference = Fixture::open("art2music-training.safetensors");
    let config = Art2MusicConfig::read(&config()).unwrap();
    let network = &config.composer.network;
    let decoder = art2mus::model::mel_decoder::MelDecoderConfig {
        width: 20,
        positions: 60,
        hidden: 12,
        layers: 3,
        scale: reference.settings()["scale"].as_f64().unwrap(),
        mean: reference.settings()["mean"].as_f64().unwrap(),
        ..network.decoder.clone()
    };
    let device = Default::default();
    let both = Both {
        fusion: Checkpoint::open(&part("fusion.pt")).unwrap(),
        decoder: Checkpoint::open(&part("decoder.pt")).unwrap(),
    };
    let params = Params::<Learning>::new(&both, &device);
    let composer = Composer::load(&params, &network.fusion, &decoder).unwrap();
    let input = |name: &str| {
        reference
            .tensor(name)
            .upload::<Learning, 2>(&device)
            .unwrap()
    };
    let target = reference.tensor("target").upload(&device).unwrap();
    let frames = reference.tensor("target").shape[1];
    let trace = &mut art2mus::model::trace::Trace::off();
    let made = composer
        .forward(input("text"), input("picture"), frames, trace)
        .unwrap();
    let loss = weighted_l1(made, target, config.composer.loss.weights) / decoder.scale;
    let found = values(loss.clone().inner());
    let error = relative_error(&reference.tensor("loss").values, &found);
    assert!(error < 1e-4, "the loss is off by {error:.1e}");
    let gradients = GradientsParams::from_grads(loss.backward(), &composer);
    let mut compared = 0;
    for name in reference
        .names()
        .filter(|name| name.starts_with("gradient."))
    {
        let expected = reference.tensor(name);
        let id = param_id(name.trim_start_matches("gradient."), 0);
        let found = match expected.shape.len() {
            1 => gradients.get::<Cpu, 1>(id).map(values),
            2 => gradients.get::<Cpu, 2>(id).map(values),
            _ => gradients.get::<Cpu, 3>(id).map(values),
        };
        let error = relative_error(&expected.values, &found.unwrap());
        println!("{name}: {error:.1e}");
        assert!(error < 1e-3, "{name} is off by {error:.1e}");
        compared += 1;
    }
    assert_eq!(compared, 8 + 5 + 3 * 8);
}

/// The weights that the reference has: see `wave` in `art2music.py`.
struct Waves;

impl TensorSource for Waves {
    fn read(&self, name: &str, shape: &[usize], _: Init) -> art2mus::Result<Vec<f32>> {
        let phase = (name.bytes().map(u64::from).sum::<u64>() % 97) as f64;
        let wave = |at: usize| {
            let place = at as f64 + phase;
            match name.rsplit('.').next() {
                Some("weight_g") => 1.2 + 0.3 * place.sin(),
                Some("bias") => 0.1 * (0.3 * place).sin(),
                _ => (0.7 * place).sin(),
            }
        };
        let count = shape.iter().product();
        Ok((0..count).map(|at| wave(at) as f32).collect())
    }
}

#[test]
fn losses_of_vocoder_and_discriminators_are_those_of_pytorch() {
    let reference = Fixture::open("art2music-training.safetensors");
    let device = Default::default();
    let channels = reference.settings()["channels"].as_u64().unwrap() as usize;
    let params = Params::<Learning>::new(&Waves, &device);
    let judges = WaveformDiscriminators::load(&params, channels).unwrap();
    let real = reference
        .tensor("sound.real")
        .upload::<Learning, 2>(&device)
        .unwrap();
    let made = reference
        .tensor("sound.made")
        .upload::<Learning, 2>(&device)
        .unwrap();
    let made = made.require_grad();
    let (seen, own) = (judges.forward(&real), judges.forward(&made));
    let adversarial = adversarial_loss(&own);
    let matching = feature_matching_loss(&seen, &own) * 2.0;
    let judged = discriminator_loss(&seen, &own);
    let gradients = (adversarial.clone() + matching.clone()).backward();
    for (name, found, bound) in [
        ("sound.discriminator", values(judged.inner()), 1e-4),
        ("sound.adversarial", values(adversarial.inner()), 1e-4),
        ("sound.matching", values(matching.inner()), 1e-4),
        (
            "sound.gradient",
            values(made.grad(&gradients).unwrap()),
            1e-3,
        ),
    ] {
        let error = relative_error(&reference.tensor(name).values, &found);
        println!("{name}: {error:.1e}");
        assert!(error < bound, "{name} is off by {error:.1e}");
    }
}
