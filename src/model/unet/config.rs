//! The UNet's sizes, as `config.json` of AudioLDM 2 gives them.

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    model::{MAX_WIDTH, check_sizes},
};

/// One value for all levels, or one for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerLevel<T> {
    /// One for each level, shallowest first.
    Each(Vec<T>),
    /// The same everywhere.
    All(T),
}

impl<T> PerLevel<T> {
    /// The value of level `level`.
    pub fn at(&self, level: usize) -> Option<&T> {
        match self {
            Self::Each(values) => values.get(level),
            Self::All(value) => Some(value),
        }
    }
}

/// The context widths of the transformers behind a resnet; `null` is a second self-attention.
pub type Contexts = Vec<Option<usize>>;

/// Sizes of the UNet. Values of these keys that are not implemented are refused; keys that are not
/// among them are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnetConfig {
    /// Channels of the latent.
    pub in_channels: usize,
    /// Channels of the prediction.
    pub out_channels: usize,
    /// Channels of each level.
    pub block_out_channels: Vec<usize>,
    /// `DownBlock2D` or `CrossAttnDownBlock2D` for each level.
    pub down_block_types: Vec<String>,
    /// `UpBlock2D` or `CrossAttnUpBlock2D` for each level, deepest first.
    pub up_block_types: Vec<String>,
    /// Resnets of a level on the way down; one more on the way up.
    pub layers_per_block: PerLevel<usize>,
    /// Blocks inside a transformer.
    pub transformer_layers_per_block: PerLevel<usize>,
    /// The transformers behind every resnet of a level.
    pub cross_attention_dim: PerLevel<ContextsOrWidth>,
    /// The number of *heads* (the key's name is a historical mistake of the library).
    pub attention_head_dim: PerLevel<usize>,
    /// Overrides `attention_head_dim`.
    pub num_attention_heads: Option<PerLevel<usize>>,
    /// Groups of every GroupNorm.
    pub norm_num_groups: usize,
    /// Constant of the GroupNorms of resnets and of the output.
    pub norm_eps: f64,
    /// Whether the time embedding begins with cosines.
    pub flip_sin_to_cos: bool,
    /// Shift of the time embedding's frequencies.
    pub freq_shift: f64,
    /// Whether a transformer projects with linear layers instead of 1x1 convolutions. Both are the
    /// same function; only the shape of the stored weight differs.
    pub use_linear_projection: bool,
    /// Latent rows of the default length.
    pub sample_size: usize,
    /// Activation.
    pub act_fn: String,
    /// How a resnet takes the time embedding in.
    pub resnet_time_scale_shift: String,
    /// The width of Language-of-Audio tokens whose mean is projected and added to the time embedding.
    /// Not in the published weights: the small model learns its conditions through it.
    pub mean_token_dim: Option<usize>,
    /// The side of the squares of cells that become the channels of one: the network then sees a latent of so many times
    /// fewer rows and columns (Peebles & Xie, "Scalable Diffusion Models with Transformers", 2023). Not in the published
    /// weights: a small network has its channels where they cost least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch_size: Option<usize>,
    /// The columns (frequencies) of a latent, or of its patches, each with a learnt vector that is added behind the first
    /// convolution. Not in the published weights: convolutions do not know where they are, and a key is a matter of where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_embedding: Option<usize>,
    /// The rows of a beat (of patches, where there are patches), each with a learnt vector that is added behind the first
    /// convolution, beat after beat: for music that all has one pulse and begins on it. Not in the published weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beat_embedding: Option<usize>,
}

/// The context widths of one level, or (in the form of plain UNets) one width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ContextsOrWidth {
    /// A list of transformers.
    Contexts(Contexts),
    /// One transformer of this context width, or one self-attention.
    Width(Option<usize>),
}

impl ContextsOrWidth {
    fn contexts(&self) -> Contexts {
        match self {
            Self::Contexts(contexts) => contexts.clone(),
            Self::Width(width) => vec![*width],
        }
    }
}

impl Default for UnetConfig {
    /// `cvssp/audioldm2` and `cvssp/audioldm2-music`.
    fn default() -> Self {
        let contexts = ContextsOrWidth::Contexts(vec![None, Some(768), Some(1024)]);
        let types = |first: &str, rest: &str| -> Vec<String> {
            let rest = std::iter::repeat_n(rest, 3);
            std::iter::once(first)
                .chain(rest)
                .map(String::from)
                .collect()
        };
        let mut up = types("UpBlock2D", "CrossAttnUpBlock2D");
        up.reverse();
        Self {
            in_channels: 8,
            out_channels: 8,
            block_out_channels: vec![128, 256, 384, 640],
            down_block_types: types("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types: up,
            layers_per_block: PerLevel::All(2),
            transformer_layers_per_block: PerLevel::All(1),
            cross_attention_dim: PerLevel::Each(vec![contexts; 4]),
            attention_head_dim: PerLevel::All(8),
            num_attention_heads: None,
            norm_num_groups: 32,
            norm_eps: 1e-5,
            flip_sin_to_cos: true,
            freq_shift: 0.0,
            use_linear_projection: false,
            sample_size: 256,
            act_fn: "silu".into(),
            resnet_time_scale_shift: "default".into(),
            mean_token_dim: None,
            patch_size: None,
            frequency_embedding: None,
            beat_embedding: None,
        }
    }
}

/// What one level is made of.
#[derive(Debug, Clone)]
pub(super) struct Level {
    pub channels: usize,
    pub resnets: usize,
    pub heads: usize,
    /// Transformers behind every resnet; empty for a level without attention.
    pub contexts: Contexts,
    /// Blocks inside a transformer.
    pub blocks: usize,
}

impl UnetConfig {
    /// The side of a patch; 1 where there are none.
    pub fn patch(&self) -> usize {
        self.patch_size.unwrap_or(1)
    }

    /// Rows of a latent in a beat, where the network knows beats.
    pub fn beat(&self) -> Option<usize> {
        self.beat_embedding.map(|rows| rows * self.patch())
    }

    /// Width of the time embedding.
    pub(super) fn time_width(&self) -> usize {
        4 * self.block_out_channels.first().copied().unwrap_or(0)
    }

    /// The levels, shallowest first. An error says which key cannot be used.
    pub(super) fn levels(&self) -> Result<Vec<Level>> {
        self.check()?;
        let missing = |key: &str| {
            Error::format(
                format!("the UNet's config.json has no usable {key} for every level"),
                "use the config.json that belongs to the checkpoint",
            )
        };
        // For AudioLDM 2 a flat list under cross_attention_dim holds the transformers of all levels.
        let shared: Option<Contexts> = match &self.cross_attention_dim {
            PerLevel::Each(list) => list
                .iter()
                .map(|entry| match entry {
                    ContextsOrWidth::Width(width) => Some(*width),
                    ContextsOrWidth::Contexts(_) => None,
                })
                .collect(),
            PerLevel::All(entry) => Some(entry.contexts()),
        };
        let count = self.block_out_channels.len();
        let heads = self
            .num_attention_heads
            .as_ref()
            .unwrap_or(&self.attention_head_dim);
        let mut levels = Vec::with_capacity(count);
        for (i, &channels) in self.block_out_channels.iter().enumerate() {
            let attends = self.down_block_types[i].starts_with("CrossAttn");
            let attends_up = self.up_block_types[count - 1 - i].starts_with("CrossAttn");
            if attends != attends_up {
                return Err(missing("pair of down_block_types and up_block_types"));
            }
            let contexts = match (&shared, self.cross_attention_dim.at(i)) {
                (Some(contexts), _) => contexts.clone(),
                (None, Some(entry)) => entry.contexts(),
                (None, None) => return Err(missing("cross_attention_dim")),
            };
            let heads = *heads.at(i).ok_or_else(|| missing("attention_head_dim"))?;
            let divides = |n: usize| n > 0 && channels.is_multiple_of(n);
            if !divides(heads) || !divides(self.norm_num_groups) {
                return Err(missing("attention_head_dim and norm_num_groups"));
            }
            levels.push(Level {
                channels,
                resnets: *self
                    .layers_per_block
                    .at(i)
                    .ok_or_else(|| missing("layers_per_block"))?,
                heads,
                contexts: if attends { contexts } else { Vec::new() },
                blocks: *self
                    .transformer_layers_per_block
                    .at(i)
                    .ok_or_else(|| missing("transformer_layers_per_block"))?,
            });
        }
        Ok(levels)
    }

    /// The widths of Language-of-Audio tokens that the network takes, which should all be one.
    pub fn audio_widths(&self) -> Result<Vec<usize>> {
        // The first two transformers behind a resnet read them.
        let widths = self.context_widths(0..2)?;
        Ok(widths.into_iter().chain(self.mean_token_dim).collect())
    }

    /// The widths of a prompt's states that the network takes, which should all be one; none without a text stream.
    pub fn text_widths(&self) -> Result<Vec<usize>> {
        self.context_widths(2..usize::MAX)
    }

    /// What the transformers of these numbers behind a resnet read, on all levels.
    fn context_widths(&self, transformers: std::ops::Range<usize>) -> Result<Vec<usize>> {
        let levels = self.levels()?;
        let middle = self.mid_contexts(&levels);
        let contexts = levels.iter().map(|level| &level.contexts).chain([&middle]);
        let widths = contexts.flat_map(|contexts| {
            let numbered = contexts.iter().enumerate();
            let read = numbered.filter(|(number, _)| transformers.contains(number));
            read.filter_map(|(_, width)| *width)
        });
        Ok(widths.collect())
    }

    /// The transformers of the middle block: those of the deepest level, attending or not.
    pub(super) fn mid_contexts(&self, levels: &[Level]) -> Contexts {
        let deepest = levels.len() - 1;
        match &self.cross_attention_dim {
            PerLevel::All(entry) => entry.contexts(),
            PerLevel::Each(list) => match list.get(deepest) {
                Some(ContextsOrWidth::Contexts(contexts)) => contexts.clone(),
                _ => levels[deepest].contexts.clone(),
            },
        }
    }

    fn check(&self) -> Result<()> {
        let count = self.block_out_channels.len();
        let refuse = |what: String| {
            Err(Error::unsupported(
                format!("a UNet with {what}"),
                "use an AudioLDM 2 checkpoint",
            ))
        };
        if count == 0 || self.down_block_types.len() != count || self.up_block_types.len() != count
        {
            return refuse(format!("{count} levels but other counts of block types"));
        }
        let known = [
            "DownBlock2D",
            "CrossAttnDownBlock2D",
            "UpBlock2D",
            "CrossAttnUpBlock2D",
        ];
        let contexts = |entry: &ContextsOrWidth| entry.contexts().len();
        let most = match &self.cross_attention_dim {
            PerLevel::Each(list) => list.iter().map(contexts).max().unwrap_or(0),
            PerLevel::All(entry) => contexts(entry),
        };
        let network = "the UNet";
        check_sizes(
            network,
            &[
                ("levels", count, 8),
                ("transformers behind a resnet", most, 16),
                ("in_channels", self.in_channels, MAX_WIDTH),
                (
                    "mean_token_dim",
                    self.mean_token_dim.unwrap_or(1),
                    MAX_WIDTH,
                ),
                ("norm_num_groups", self.norm_num_groups, MAX_WIDTH),
                ("patch_size", self.patch(), 16),
            ],
        )?;
        for (level, &channels) in self.block_out_channels.iter().enumerate() {
            let at = |list: &PerLevel<usize>| list.at(level).copied().unwrap_or(1);
            check_sizes(
                network,
                &[
                    ("block_out_channels", channels, MAX_WIDTH),
                    ("layers_per_block", at(&self.layers_per_block), 64),
                    (
                        "transformer_layers_per_block",
                        at(&self.transformer_layers_per_block),
                        64,
                    ),
                ],
            )?;
        }
        if self.out_channels != self.in_channels || !self.block_out_channels[0].is_multiple_of(2) {
            return refuse("other channels out than in, or an odd number of first channels".into());
        }
        let types = self.down_block_types.iter().chain(&self.up_block_types);
        for kind in types {
            if !known.contains(&kind.as_str()) {
                return refuse(format!("blocks of type {kind}"));
            }
        }
        if !matches!(self.act_fn.as_str(), "silu" | "swish") {
            return refuse(format!("activation {}", self.act_fn));
        }
        if self.resnet_time_scale_shift != "default" {
            return refuse(format!(
                "resnet_time_scale_shift {}",
                self.resnet_time_scale_shift
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_published_forms_of_cross_attention_dim() {
        for text in [
            r#"{"cross_attention_dim": [[null,768,1024],[null,768,1024],[null,768,1024],[null,768,1024]]}"#,
            r#"{"cross_attention_dim": [null,768,1024]}"#,
        ] {
            let config: UnetConfig = serde_json::from_str(text).unwrap();
            let levels = config.levels().unwrap();
            assert!(levels[0].contexts.is_empty());
            assert_eq!(levels[3].contexts, vec![None, Some(768), Some(1024)]);
            assert_eq!(levels[3].heads, 8);
        }
    }

    #[test]
    fn refuses_what_it_cannot_compute() {
        let config = UnetConfig {
            act_fn: "relu".into(),
            ..Default::default()
        };
        assert!(config.levels().is_err());
    }
}
