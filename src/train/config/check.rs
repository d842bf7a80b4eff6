//! Numbers of a configuration with which nothing can be trained.

use super::{AlignerLoss, AlignerSizes, PartConfig, SmallModel, run::check_count};
use crate::{Error, Result};

/// The most frames of a piece, and items that are encoded.
pub(in crate::train) const MAX_FRAMES: usize = 1 << 16;
pub(in crate::train) const MAX_ITEMS: usize = 100_000_000;
/// The most channels of a discriminator's first layer.
pub(in crate::train) const MAX_CHANNELS: usize = 1 << 12;

/// Refuses a number that does not fit; `key` is where the configuration gives it.
fn check_number(key: &str, number: f64, fits: bool, wanted: &str) -> Result<()> {
    if fits && number.is_finite() {
        return Ok(());
    }
    Err(Error::input(
        format!("{key} cannot be {number}"),
        format!("give it {wanted}"),
    ))
}

pub(in crate::train) fn check_positive(key: &str, number: f64) -> Result<()> {
    check_number(key, number, number > 0.0, "a number above 0")
}

pub(in crate::train) fn check_weight(key: &str, number: f64) -> Result<()> {
    check_number(key, number, number >= 0.0, "a number from 0")
}

fn check_share(key: &str, number: f64) -> Result<()> {
    let fits = (0.0..=1.0).contains(&number);
    check_number(key, number, fits, "a number from 0 to 1")
}

/// At least `least` items, or all of a list.
pub(in crate::train) fn check_items(key: &str, items: Option<usize>, least: usize) -> Result<()> {
    match items {
        Some(items) if items < least => Err(Error::input(
            format!("{key} is {items}, fewer items than a batch has"),
            format!("give it a number from {least}"),
        )),
        Some(items) => check_count(key, items, MAX_ITEMS),
        None => Ok(()),
    }
}

impl SmallModel {
    /// Refuses numbers with which nothing can be trained.
    pub(super) fn check_numbers(&self) -> Result<()> {
        let (vae, vocoder, imagebind) = (&self.vae, &self.vocoder, &self.imagebind);
        let prior = &self.prior;
        for (part, run) in [
            ("vae", &vae.run),
            ("vocoder", &vocoder.run),
            ("imagebind", &imagebind.run),
            ("prior", &prior.run),
        ] {
            run.check(part)?;
        }
        self.aligner.check()?;
        if let Some(refinement) = &self.refinement {
            let (sizes, loss) = (&refinement.network, &refinement.loss);
            refinement.run.check("refinement")?;
            check_count("refinement.network.channels", sizes.channels, MAX_CHANNELS)?;
            check_count("refinement.loss.frames", loss.frames, self.frames)?;
            check_weight("refinement.loss.adversarial", loss.adversarial)?;
            let matching = loss.feature_matching;
            check_weight("refinement.loss.feature_matching", matching)?;
        }
        check_count("frames", self.frames, MAX_FRAMES)?;
        check_count("vae.loss.frames", vae.loss.frames, self.frames)?;
        check_count("vocoder.loss.frames", vocoder.loss.frames, self.frames)?;
        check_number("mel.mean", self.mel.mean, true, "a number")?;
        check_positive("mel.scale", self.mel.scale)?;
        check_weight("vae.loss.kl", vae.loss.kl)?;
        check_positive("imagebind.loss.temperature", imagebind.loss.temperature)?;
        check_weight("imagebind.loss.factors", imagebind.loss.factors)?;
        let batch = imagebind.run.batch;
        check_items("imagebind.loss.items", imagebind.loss.items, batch)?;
        check_items("prior.network.items", prior.network.items, 1)?;
        let positions = prior.network.gpt2.n_positions;
        check_count("prior.network.prefix", prior.network.prefix, positions)?;
        check_positive("prior.loss.gamma", prior.loss.gamma)?;
        check_share("prior.loss.unconditional", prior.loss.unconditional)?;
        check_share("prior.loss.true_tokens", prior.loss.true_tokens)?;
        check_weight("prior.loss.tokens", prior.loss.tokens)?;
        check_weight("prior.loss.condition_noise", prior.loss.condition_noise)?;
        self.defaults().check()
    }
}

impl PartConfig<AlignerSizes, AlignerLoss> {
    /// Refuses numbers with which no aligner can be trained.
    pub(super) fn check(&self) -> Result<()> {
        let loss = &self.loss;
        self.run.check("aligner")?;
        check_items("aligner.loss.items", loss.items, 1)?;
        check_positive("aligner.loss.gamma", loss.gamma)?;
        check_positive("aligner.loss.guidance", loss.guidance)?;
        check_weight("aligner.loss.denoising", loss.denoising)?;
        check_weight("aligner.loss.tokens", loss.tokens)?;
        check_weight("aligner.loss.prefix", loss.prefix)?;
        if loss.denoising + loss.tokens + loss.prefix > 0.0 {
            return Ok(());
        }
        Err(Error::input(
            "all weights of the aligner's loss are 0",
            "leave aligner.loss.denoising out, or give aligner.loss.prefix",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;

    #[test]
    fn numbers_that_cannot_train_are_refused_by_their_keys() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/training.toml");
        let sound = std::fs::read_to_string(path).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let changed = folder.path().join("changed.toml");
        for (from, to, key) in [
            ("frames = 128", "frames = 999999999999", "frames"),
            ("frames = 32", "frames = 136", "vae.loss.frames"),
            ("frames = 24", "frames = 129", "vocoder.loss.frames"),
            (
                "channels = 4\n\n[ref",
                "channels = 0\n\n[ref",
                "refinement.network.channels",
            ),
            (
                "frames = 32\nadv",
                "frames = 129\nadv",
                "refinement.loss.frames",
            ),
            (
                "adversarial = 0.1",
                "adversarial = -1.0",
                "refinement.loss.adversarial",
            ),
            (
                "feature_matching = 1.0",
                "feature_matching = nan",
                "refinement.loss.feature_matching",
            ),
            ("scale = 3.0", "scale = 0.0", "mel.scale"),
            ("kl = 1e-3", "kl = nan", "vae.loss.kl"),
            ("batch = 2", "batch = 9999999999", "vae.run.batch"),
            ("steps = 12", "steps = 9223372036854775807", "vae.run.steps"),
            (
                "temperature = 0.1",
                "temperature = 0.0",
                "imagebind.loss.temperature",
            ),
            ("factors = 1.0", "factors = -1.0", "imagebind.loss.factors"),
            ("items = 8", "items = 3", "imagebind.loss.items"),
            ("items = 8", "items = 99999999999", "imagebind.loss.items"),
            (
                "prefix = 2",
                "prefix = 4000000000000000",
                "prior.network.prefix",
            ),
            (
                "unconditional = 0.2",
                "unconditional = 2",
                "prior.loss.unconditional",
            ),
            (
                "accumulation = 2",
                "accumulation = 999999999",
                "aligner.run.accumulation",
            ),
            ("guidance = 2.0", "guidance = inf", "aligner.loss.guidance"),
            ("guidance = 1.0", "guidance = 99.0", "guidance of 99"),
        ] {
            let text = sound.replacen(from, to, 1);
            assert_ne!(text, sound, "{from}");
            std::fs::write(&changed, text).unwrap();
            let error = SmallModel::read(&changed).unwrap_err();
            assert!(error.message().contains(key), "{from}: {error}");
            if key.starts_with("aligner") {
                assert!(AlignerTraining::read(&changed).is_err(), "{key}");
            }
        }
    }

    #[test]
    fn a_part_depends_on_its_own_table_and_the_networks_that_it_builds_on() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/training.toml");
        let config = SmallModel::read(Path::new(path)).unwrap();
        let keys = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let vae = config.of_part("vae", &[]).unwrap();
        assert_eq!(keys(&vae), ["frames", "mel", "spectrogram", "vae"]);
        assert_eq!(keys(&vae["vae"]), ["loss", "network", "run"]);
        let prior = config.of_part("prior", &["vae", "imagebind"]).unwrap();
        assert_eq!(
            keys(&prior),
            ["frames", "imagebind", "mel", "prior", "spectrogram", "vae"]
        );
        assert_eq!(keys(&prior["vae"]), ["network"]);
    }
}
