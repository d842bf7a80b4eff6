//! The dialects that published checkpoints are written in.
//!
//! Each function takes a stored name and shape, and gives the names that our networks use.

use std::collections::HashMap;

use super::View;

/// Names as they are.
pub fn plain(name: &str, _shape: &[usize]) -> Vec<(String, View)> {
    renamed(name, name.to_string())
}

/// `GPT2LMHeadModel` puts `transformer.` in front.
pub fn gpt2(name: &str, _shape: &[usize]) -> Vec<(String, View)> {
    renamed(name, name.trim_start_matches("transformer.").to_string())
}

/// The token table has two names for one tensor; a file may hold either or both.
pub fn t5(name: &str, _shape: &[usize]) -> Vec<(String, View)> {
    let ours = match name {
        "encoder.embed_tokens.weight" => "shared.weight",
        other => other,
    };
    renamed(name, ours.to_string())
}

/// Old files call the projections of attention `query`, `key`, `value` and `proj_attn`.
pub fn vae(name: &str, _shape: &[usize]) -> Vec<(String, View)> {
    let ours = name
        .replace(".query.", ".to_q.")
        .replace(".key.", ".to_k.")
        .replace(".value.", ".to_v.")
        .replace(".proj_attn.", ".to_out.0.");
    renamed(name, ours)
}

/// `transformers`' names, or OpenAI's and OpenCLIP's, whose attention is packed and whose projections
/// are stored transposed.
pub fn clip(name: &str, shape: &[usize]) -> Vec<(String, View)> {
    let vision = name.strip_prefix("visual.");
    let (tower, openai) = match vision {
        Some(rest) => ("vision_model", rest),
        None => ("text_model", name),
    };
    let model = |rest: &str| format!("{tower}.{rest}");
    let projection = match (vision, openai) {
        (Some(_), "proj") => Some("visual_projection.weight"),
        (None, "text_projection") => Some("text_projection.weight"),
        _ => None,
    };
    if let Some(ours) = projection {
        return vec![(ours.into(), View::Transposed(name.to_string()))];
    }
    let simple = match openai {
        "class_embedding" => Some(model("embeddings.class_embedding")),
        "conv1.weight" => Some(model("embeddings.patch_embedding.weight")),
        "token_embedding.weight" => Some(model("embeddings.token_embedding.weight")),
        "positional_embedding" => Some(model("embeddings.position_embedding.weight")),
        _ => None,
    };
    if let Some(ours) = simple {
        return renamed(name, ours);
    }
    for (theirs, ours) in [
        ("ln_pre.", "pre_layrnorm."),
        ("ln_post.", "post_layernorm."),
        ("ln_final.", "final_layer_norm."),
    ] {
        if let Some(rest) = openai.strip_prefix(theirs) {
            return renamed(name, model(&format!("{ours}{rest}")));
        }
    }
    let Some((index, rest)) = openai
        .strip_prefix("transformer.resblocks.")
        .and_then(|rest| rest.split_once('.'))
    else {
        return match vision {
            Some(_) => Vec::new(),
            None => renamed(name, name.to_string()),
        };
    };
    let layer = |rest: &str| model(&format!("encoder.layers.{index}.{rest}"));
    if let Some(kind) = rest.strip_prefix("attn.in_proj_") {
        let rows = shape.first().map_or(0, |n| n / 3);
        return ["q", "k", "v"]
            .iter()
            .enumerate()
            .map(|(i, part)| {
                let view = View::Rows {
                    name: name.to_string(),
                    start: i * rows,
                    rows,
                };
                (layer(&format!("self_attn.{part}_proj.{kind}")), view)
            })
            .collect();
    }
    for (theirs, ours) in [
        ("ln_1.", "layer_norm1."),
        ("ln_2.", "layer_norm2."),
        ("attn.out_proj.", "self_attn.out_proj."),
        ("mlp.c_fc.", "mlp.fc1."),
        ("mlp.c_proj.", "mlp.fc2."),
    ] {
        if let Some(rest) = rest.strip_prefix(theirs) {
            return renamed(name, layer(&format!("{ours}{rest}")));
        }
    }
    Vec::new()
}

/// Checkpoints for tasks put `bert.` in front; old files call what LayerNorm multiplies by and adds `gamma` and `beta`.
pub fn bert(name: &str, _shape: &[usize]) -> Vec<(String, View)> {
    let ours = name.strip_prefix("bert.").unwrap_or(name);
    let ours = ours
        .replace("LayerNorm.gamma", "LayerNorm.weight")
        .replace("LayerNorm.beta", "LayerNorm.bias");
    renamed(name, ours)
}

/// The original HiFi-GAN calls its upsamplers `ups`.
pub fn hifigan(name: &str, _shape: &[usize]) -> Vec<(String, View)> {
    let ours = match name.strip_prefix("ups.") {
        Some(rest) => format!("upsampler.{rest}"),
        None => name.to_string(),
    };
    renamed(name, ours)
}

/// Joins the two halves of weight norm (`weight_g` and `weight_v`, or newer names) into `weight`.
pub(super) fn fold_weight_norm(views: &mut HashMap<String, View>) {
    let halves = [
        ("weight_g", "weight_v"),
        (
            "parametrizations.weight.original0",
            "parametrizations.weight.original1",
        ),
    ];
    let names: Vec<String> = views.keys().cloned().collect();
    for (g, v) in halves {
        for name in &names {
            let Some(prefix) = name.strip_suffix(g) else {
                continue;
            };
            if let (Some(View::Whole(g)), Some(View::Whole(v))) =
                (views.get(name), views.get(&format!("{prefix}{v}")))
            {
                let (g, v) = (g.clone(), v.clone());
                views.insert(format!("{prefix}weight"), View::WeightNorm { g, v });
            }
        }
    }
}

/// Tensors that a published checkpoint of this kind holds beside the network that is read here.
pub fn is_known_extra(network: &str, name: &str) -> bool {
    let begins: &[&str] = match network {
        "aligner" => &[],
        "imagebind" => &[
            "modality_preprocessors.text.",
            "modality_preprocessors.depth.",
            "modality_preprocessors.thermal.",
            "modality_preprocessors.imu.",
            "modality_trunks.text.",
            "modality_trunks.depth.",
            "modality_trunks.thermal.",
            "modality_trunks.imu.",
            "modality_heads.text.",
            "modality_heads.depth.",
            "modality_heads.thermal.",
            "modality_heads.imu.",
            "modality_postprocessors.",
        ],
        "clip" => &[
            "text_model.",
            "text_projection",
            "logit_scale",
            "logit_bias",
            "transformer.",
            "token_embedding.",
            "positional_embedding",
            "ln_final.",
            "attn_mask",
        ],
        // Both of them are read.
        "clip-towers" => &["logit_scale", "logit_bias", "attn_mask"],
        "language_model" => &["lm_head.", "wte.", "transformer.wte."],
        // The encoder is for training only.
        "vae" => &["encoder.", "quant_conv."],
        "text_encoder" => &["audio_model.", "audio_projection.", "logit_scale"],
        "text_encoder_2" => &["decoder.", "lm_head."],
        // For spectrograms that are standardised first.
        "vocoder" => &["mean", "scale"],
        _ => &[],
    };
    let ends: &[&str] = match network {
        // Masks that older versions of the library saved.
        "language_model" => &[".attn.bias", ".attn.masked_bias"],
        _ => &[".position_ids", ".token_type_ids"],
    };
    begins.iter().any(|begin| name.starts_with(begin)) || ends.iter().any(|end| name.ends_with(end))
}

fn renamed(stored: &str, ours: String) -> Vec<(String, View)> {
    vec![(ours, View::Whole(stored.to_string()))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openai_clip_becomes_transformers() {
        let name = "visual.transformer.resblocks.3.attn.in_proj_weight";
        let views = clip(name, &[2304, 768]);
        assert_eq!(views.len(), 3);
        assert_eq!(
            views[1],
            (
                "vision_model.encoder.layers.3.self_attn.k_proj.weight".into(),
                View::Rows {
                    name: name.into(),
                    start: 768,
                    rows: 768
                }
            )
        );
        for (theirs, ours) in [
            ("visual.ln_pre.bias", "vision_model.pre_layrnorm.bias"),
            ("ln_final.weight", "text_model.final_layer_norm.weight"),
            (
                "transformer.resblocks.7.mlp.c_fc.bias",
                "text_model.encoder.layers.7.mlp.fc1.bias",
            ),
        ] {
            assert_eq!(clip(theirs, &[768])[0].0, ours);
        }
        let projection = (
            "text_projection.weight".to_string(),
            View::Transposed("text_projection".into()),
        );
        assert_eq!(clip("text_projection", &[1024, 512]), [projection]);
    }

    #[test]
    fn weight_norm_is_folded_in_both_dialects() {
        for (g, v) in [
            ("a.weight_g", "a.weight_v"),
            (
                "a.parametrizations.weight.original0",
                "a.parametrizations.weight.original1",
            ),
        ] {
            let mut views: HashMap<_, _> = plain(g, &[]).into_iter().chain(plain(v, &[])).collect();
            fold_weight_norm(&mut views);
            let expected = View::WeightNorm {
                g: g.into(),
                v: v.into(),
            };
            assert_eq!(views.get("a.weight"), Some(&expected));
        }
    }
}
