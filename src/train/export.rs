//! Makes a bundle of the parts that were trained.

use std::path::Path;

use super::{Weights, config::SmallModel};
use crate::{
    Result,
    model::{params::FreshInit, vae::VaeConfig},
    quant::Encoding,
    systems::{
        art_to_mus::{self, AudioProjectionConfig, MelScale, Networks, kind, stage, write_stage},
        network_entry,
    },
    tensors::{Init, Prefixed, TensorSource},
    weights::{BundleWriter, Constants, Manifest, ModelInfo, NegativePrefix, Provenance},
};

/// What is added to and multiplied with the elements of `name`, so that a decoder of standardised spectrograms gives log-mel
/// values; nothing for tensors that stay as they are.
fn unstandardising(name: &str, scale: MelScale) -> Option<(f32, f32)> {
    let offset = match name {
        "decoder.conv_out.weight" => 0.0,
        "decoder.conv_out.bias" => scale.mean,
        _ => return None,
    };
    Some((scale.scale as f32, offset as f32))
}

/// Makes the elements of `name`, as a bundle has them, what a decoder of standardised spectrograms has.
pub(super) fn standardise(name: &str, scale: MelScale, values: &mut [f32]) {
    if let Some((factor, offset)) = unstandardising(name, scale) {
        for value in values {
            *value = (*value - offset) / factor;
        }
    }
}

/// A decoder that was trained on standardised spectrograms, made to give log-mel values: the last
/// convolution takes the scale in.
struct Unstandardised<'a> {
    source: &'a dyn TensorSource,
    scale: MelScale,
}

impl TensorSource for Unstandardised<'_> {
    fn read(&self, name: &str, shape: &[usize], init: Init) -> Result<Vec<f32>> {
        let mut values = self.source.read(name, shape, init)?;
        if let Some((factor, offset)) = unstandardising(name, self.scale) {
            for value in &mut values {
                *value = *value * factor + offset;
            }
        }
        Ok(values)
    }
}

/// Writes the bundle `target` from the finished runs in `folder`. Its aligner is fresh, and it says
/// that it is untrained: `art2mus train` is next.
pub fn bundle(
    config: &SmallModel,
    folder: &Path,
    scaling_factor: f64,
    target: &Path,
    encoding: Encoding,
) -> Result<Manifest> {
    let mut writer = BundleWriter::create(target)?;
    let part = |name| Weights::of(folder, name).open();
    let vae = part("vae")?;
    let vocoder = part(match config.refinement {
        Some(_) => "refinement",
        None => "vocoder",
    })?;
    let (imagebind, prior) = (part("imagebind")?, part("prior")?);
    let aligner = FreshInit::new(0);
    let sizes = &config.imagebind.network;
    let vision = network_entry(kind::IMAGEBIND_VISION, &sizes.vision)?;
    write_stage(
        &mut writer,
        stage::ENCODE,
        vec![(vision, &imagebind)],
        encoding,
    )?;

    let networks = &config.prior.network;
    let gpt2 = Prefixed {
        source: &prior,
        prefix: "gpt2",
    };
    let condition: Vec<(_, &dyn TensorSource)> = vec![
        (
            network_entry(kind::ALIGNER, &config.aligner_config())?,
            &aligner,
        ),
        (network_entry(kind::GPT2, &networks.gpt2)?, &gpt2),
    ];
    write_stage(&mut writer, stage::CONDITION, condition, encoding)?;
    constants(&mut writer, config, &prior)?;

    let unet = Prefixed {
        source: &prior,
        prefix: "unet",
    };
    let denoise: Vec<(_, &dyn TensorSource)> = vec![
        (network_entry(kind::UNET, &networks.unet)?, &unet),
        (network_entry(kind::SCHEDULER, &networks.schedule)?, &unet),
    ];
    write_stage(&mut writer, stage::DENOISE, denoise, encoding)?;

    let decoder = Unstandardised {
        source: &vae,
        scale: config.mel,
    };
    let sizes_vae = VaeConfig {
        scaling_factor,
        ..config.vae.network.clone()
    };
    let sizes_decoder = VaeConfig {
        attention_rows: config.generate.attention_rows,
        ..sizes_vae.clone()
    };
    sizes_decoder.check()?;
    let decode = network_entry(kind::VAE_DECODER, &sizes_decoder)?;
    write_stage(
        &mut writer,
        stage::DECODE,
        vec![(decode, &decoder)],
        encoding,
    )?;
    let vocode = network_entry(kind::ISTFT, &config.vocoder.network)?;
    write_stage(
        &mut writer,
        stage::VOCODE,
        vec![(vocode, &vocoder)],
        encoding,
    )?;
    let rank = network_entry(kind::IMAGEBIND_AUDIO, &sizes.audio)?;
    write_stage(&mut writer, stage::RANK, vec![(rank, &imagebind)], encoding)?;
    let projection = AudioProjectionConfig {
        embedding: sizes.audio.embedding,
        tokens: networks.prefix,
        width: networks.gpt2.n_embd,
    };
    let training: Vec<(_, &dyn TensorSource)> = vec![
        (network_entry(kind::VAE_ENCODER, &sizes_vae)?, &vae),
        (network_entry(kind::MEL_SCALE, &config.mel)?, &vae),
        (network_entry(kind::AUDIO_PROJECTION, &projection)?, &prior),
    ];
    write_stage(&mut writer, stage::TRAINING, training, encoding)?;

    let model = ModelInfo {
        name: config.name.clone(),
        licence: config.licence.clone(),
        credits: config.credits.clone(),
        trained: false,
    };
    let provenance = Provenance {
        converter: concat!("art2mus ", env!("CARGO_PKG_VERSION")).into(),
        sources: vec!["art2mus pretrain".into()],
    };
    let fits = |manifest: &Manifest| Networks::from_manifest(manifest).map(drop);
    writer.finish(
        art_to_mus::NAME,
        model,
        &config.defaults(),
        provenance,
        fits,
    )
}

/// The condition that stands for none. The network has no text stream: its prompt is one state of
/// one number, which nothing reads.
fn constants(
    writer: &mut BundleWriter,
    config: &SmallModel,
    prior: &dyn TensorSource,
) -> Result<()> {
    let gpt2 = &config.prior.network.gpt2;
    let shape = [1, gpt2.max_new_tokens, gpt2.n_embd];
    let none = prior.read("unconditional", &shape, Init::Constant(0.0))?;
    let mut write = |name: &str, shape: &[usize], values: &[f32]| {
        let name = format!("{}.{name}", kind::CONSTANTS);
        writer.tensor(&name, shape, values, Encoding::F32)
    };
    write("prompt_states", &[1, 1, 1], &[0.0])?;
    write("prompt_mask", &[1, 1], &[1.0])?;
    write("negative_states", &[1, 1, 1], &[0.0])?;
    write("negative_mask", &[1, 1], &[1.0])?;
    write("negative_tokens", &shape, &none)?;
    writer.constants(Constants {
        prompt: String::new(),
        negative_prompt: String::new(),
        negative_prefix: NegativePrefix::Single,
    })
}
