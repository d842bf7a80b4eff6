//! What training ends with: a bundle, and checkpoints under the names of the published ones.

use std::{collections::HashMap, path::Path};

use super::{Art2MusicConfig, Frozen, part};
use crate::{
    Error, Result,
    checkpoint::Checkpoint,
    files::{finish_folder, unfinished_folder, write_file},
    model::{
        fusion::Fusion,
        mel_decoder::MelDecoder,
        params::{Params, Plan, Planned},
        vocoder::{Vocoder, VocoderConfig},
    },
    ops::Cpu,
    quant::Encoding,
    systems::art2music::{self, Defaults, NAME, Networks, Parts, kind},
    tensors::{Prefixed, TensorSource},
    train::Weights,
    weights::{BundleWriter, Manifest, ModelInfo, Provenance},
};

/// The finished parts of a run.
pub struct Finished<'a> {
    config: &'a Art2MusicConfig,
    frozen: &'a Frozen,
    composer: Checkpoint,
    /// None where the vocoder stayed as it was.
    vocoder: Option<Checkpoint>,
}

impl<'a> Finished<'a> {
    /// Opens the finished parts in `folder`.
    pub fn open(config: &'a Art2MusicConfig, frozen: &'a Frozen, folder: &Path) -> Result<Self> {
        Ok(Self {
            config,
            frozen,
            composer: Weights::of(folder, part::COMPOSER).open()?,
            vocoder: match &config.vocoder {
                Some(_) => Some(Weights::of(folder, part::VOCODER).open()?),
                None => None,
            },
        })
    }

    fn composer(&self, kind: &'static str) -> Prefixed<'_> {
        Prefixed {
            source: &self.composer,
            prefix: kind,
        }
    }

    fn networks(&self) -> Networks {
        let network = &self.config.composer.network;
        Networks {
            vision: self.frozen.vision.clone(),
            text: self.frozen.text.clone(),
            fusion: network.fusion.clone(),
            decoder: network.decoder.clone(),
            vocoder: self.frozen.vocoder.clone(),
        }
    }

    /// Writes the bundle `target`, whose weights are stored as `encoding`.
    pub fn bundle(
        &self,
        target: &Path,
        encoding: Encoding,
        name: Option<String>,
    ) -> Result<Manifest> {
        let mut writer = BundleWriter::create(target)?;
        let networks = self.networks();
        let (vision, text) = (self.frozen.vision_weights(), self.frozen.text_weights());
        let (fusion, decoder) = (
            self.composer(kind::FUSION),
            self.composer(kind::MEL_DECODER),
        );
        let as_it_was = self.frozen.vocoder_weights();
        let parts = Parts {
            networks: &networks,
            vision: &vision,
            text: &text,
            merges: &self.frozen.merges,
            fusion: &fusion,
            decoder: &decoder,
            vocoder: match &self.vocoder {
                Some(trained) => trained,
                None => &as_it_was,
            },
        };
        parts.write(&mut writer, encoding, &|_| ())?;
        let config = self.config;
        let model = ModelInfo {
            name: name.unwrap_or_else(|| config.name.clone()),
            licence: config.licence.clone(),
            credits: config.credits.clone(),
            trained: true,
        };
        let samples = (config.frames * networks.vocoder.hop()) as f64;
        // In whole tenths, as lengths are offered.
        let seconds = (10.0 * samples / networks.vocoder.sampling_rate() as f64).floor() / 10.0;
        let defaults = Defaults {
            seconds: seconds.clamp(*networks.seconds().start(), *networks.seconds().end()),
        };
        let provenance = Provenance {
            converter: concat!("art2mus ", env!("CARGO_PKG_VERSION")).into(),
            sources: vec!["art2mus train".into()],
        };
        let fits = |manifest: &Manifest| art2music::check(manifest).map(drop);
        writer.finish(NAME, model, &defaults, provenance, fits)
    }

    /// Writes the folder `target`: `fusion.safetensors` and `decoder.safetensors` under the authors' names, and, where a
    /// HiFi-GAN was trained, `generator.safetensors` and `config.json` under the original ones, all in 32 bits.
    pub fn checkpoints(&self, target: &Path) -> Result<()> {
        let folder = unfinished_folder(target)?;
        let place = |name: &str| folder.path().join(name);
        let networks = self.networks();
        let plan = |load: &dyn Fn(&Params<Cpu>) -> Result<()>| -> Result<Vec<Planned>> {
            let plan = Plan::default();
            load(&Params::new(&plan, &Default::default()))?;
            Ok(plan.into_tensors())
        };
        let own = |name: &str| name.to_string();
        let fusion = plan(&|p| Fusion::load(p, &networks.fusion).map(drop))?;
        let source = self.composer(kind::FUSION);
        write(&place("fusion.safetensors"), &fusion, &source, &own)?;
        let decoder = plan(&|p| MelDecoder::load(p, &networks.decoder).map(drop))?;
        let source = self.composer(kind::MEL_DECODER);
        write(&place("decoder.safetensors"), &decoder, &source, &own)?;
        if let (Some(trained), VocoderConfig::HifiGan(config)) = (&self.vocoder, &networks.vocoder)
        {
            let vocoder = plan(&|p| Vocoder::load(p, &networks.vocoder).map(drop))?;
            let original = |name: &str| name.replacen("upsampler.", "ups.", 1);
            write(
                &place("generator.safetensors"),
                &vocoder,
                trained,
                &original,
            )?;
            let text = serde_json::json!({
                "resblock": "1",
                "num_mels": config.model_in_dim,
                "sampling_rate": config.sampling_rate,
                "hop_size": config.hop(),
                "upsample_rates": config.upsample_rates,
                "upsample_kernel_sizes": config.upsample_kernel_sizes,
                "upsample_initial_channel": config.upsample_initial_channel,
                "resblock_kernel_sizes": config.resblock_kernel_sizes,
                "resblock_dilation_sizes": config.resblock_dilation_sizes,
            });
            write_file(&place("config.json"), format!("{text:#}\n").as_bytes())?;
        }
        finish_folder(folder, target, "decoder.safetensors")
    }
}

/// Writes all tensors of `plan` from `source` as safetensors, under the names that `rename` gives them.
fn write(
    path: &Path,
    plan: &[Planned],
    source: &dyn TensorSource,
    rename: &dyn Fn(&str) -> String,
) -> Result<()> {
    use safetensors::{Dtype, tensor::TensorView};
    let failed = |e: String| Error::internal(format!("weights cannot be written ({e})"));
    let mut tensors = Vec::with_capacity(plan.len());
    for planned in plan {
        let values = source.read(&planned.name, &planned.shape, planned.init)?;
        tensors.push((rename(&planned.name), planned.shape.clone(), values));
    }
    let views = tensors.iter().map(|(name, shape, values)| {
        let bytes = bytemuck::cast_slice(values);
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        Ok((name.as_str(), view.map_err(|e| failed(e.to_string()))?))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    let nothing: Option<HashMap<String, String>> = None;
    let bytes = safetensors::serialize(views, nothing).map_err(|e| failed(e.to_string()))?;
    write_file(path, &bytes)
}
