//! The networks that a manifest lists: their configurations, and the vocoders that every system can have.

use serde::de::DeserializeOwned;

#[cfg(feature = "native")]
use crate::weights::{Bundle, StageWeights};
use crate::{
    Error, Result,
    model::{
        params::{Params, Plan, Planned},
        vocoder::{Vocoder, VocoderConfig},
    },
    ops::Cpu,
    weights::{NetworkEntry, StageEntry},
};

/// The stage of the vocoder, which is the last one of every system.
pub const VOCODE: &str = "vocode";
/// The kind of HiFi-GAN, the vocoder of published weights.
pub const HIFIGAN: &str = "hifigan";
/// The kind of the small models' vocoder.
pub const ISTFT: &str = "istft-vocoder";

/// The network `kind` of `stage`.
pub(super) fn find<'a>(stage: &'a StageEntry, kind: &str) -> Option<&'a NetworkEntry> {
    stage.networks.iter().find(|network| network.kind == kind)
}

/// The configuration of the network `kind` of `stage`.
pub fn config<T: DeserializeOwned>(stage: &StageEntry, kind: &str) -> Result<T> {
    let entry = find(stage, kind).ok_or_else(|| {
        Error::format(
            format!("the stage {} of the bundle has no {kind}", stage.name),
            "convert the checkpoint again",
        )
    })?;
    parse(entry)
}

/// The configuration of a network.
pub(super) fn parse<T: DeserializeOwned>(entry: &NetworkEntry) -> Result<T> {
    T::deserialize(&entry.config).map_err(|e| {
        Error::format(
            format!("the configuration of {} cannot be used ({e})", entry.kind),
            "convert the checkpoint again",
        )
    })
}

/// The kind of a vocoder.
pub fn vocoder_kind(config: &VocoderConfig) -> &'static str {
    match config {
        VocoderConfig::HifiGan(_) => HIFIGAN,
        VocoderConfig::Istft(_) => ISTFT,
    }
}

/// The vocoder of `stage`.
pub(super) fn vocoder(stage: &StageEntry) -> Result<VocoderConfig> {
    Ok(match find(stage, ISTFT) {
        Some(entry) => VocoderConfig::Istft(parse(entry)?),
        None => VocoderConfig::HifiGan(config(stage, HIFIGAN)?),
    })
}

/// What a manifest says of a vocoder.
#[cfg(feature = "native")]
pub fn vocoder_entry(config: &VocoderConfig) -> Result<NetworkEntry> {
    let kind = vocoder_kind(config);
    match config {
        VocoderConfig::HifiGan(config) => super::network_entry(kind, config),
        VocoderConfig::Istft(config) => super::network_entry(kind, config),
    }
}

/// The vocoder of a bundle of any system, and its weights: their names begin with its kind.
#[cfg(feature = "native")]
pub fn vocoder_of(bundle: &Bundle) -> Result<(VocoderConfig, StageWeights)> {
    let config = vocoder(bundle.manifest().stage(VOCODE)?)?;
    config.check()?;
    let weights = pollster::block_on(bundle.load(VOCODE, &mut |_| ()))?;
    Ok((config, weights))
}

/// The tensors that the networks of `stage` need, by the names that the bundle gives them. `load` reads those of a
/// system's own kinds; networks of a kind that this program does not know are left out.
pub(super) fn planned(
    stage: &StageEntry,
    load: impl Fn(&NetworkEntry, &Params<'_, Cpu>) -> Result<()>,
) -> Result<Vec<Planned>> {
    let plan = Plan::default();
    let device = Default::default();
    let params = Params::<Cpu>::new(&plan, &device);
    for network in &stage.networks {
        let p = params.at(&network.kind);
        match network.kind.as_str() {
            HIFIGAN | ISTFT => drop(Vocoder::load(&p, &vocoder(stage)?)?),
            _ => load(network, &p)?,
        }
    }
    Ok(plan.into_tensors())
}
