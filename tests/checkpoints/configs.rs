//! Configurations with other keys than those of the published checkpoints.

use super::Workshop;
use serde_json::json;
use std::fs;

/// Every key that would change what is computed is refused by its name, in whichever part it stands.
#[test]
fn keys_of_every_part_are_applied_or_refused() {
    let cases = [
        ("unet/config.json", "time_embedding_type", json!("fourier")),
        ("unet/config.json", "mid_block_type", json!(null)),
        ("unet/config.json", "conv_in_kernel", json!(1)),
        ("unet/config.json", "dual_cross_attention", json!(true)),
        ("unet/config.json", "act_fn", json!("mish")),
        (
            "unet/config.json",
            "resnet_time_scale_shift",
            json!("scale_shift"),
        ),
        (
            "unet/config.json",
            "only_cross_attention",
            json!([true, false]),
        ),
        ("unet/config.json", "num_class_embeds", json!(4)),
        ("vae/config.json", "mid_block_add_attention", json!(false)),
        ("vae/config.json", "use_post_quant_conv", json!(false)),
        ("vae/config.json", "latents_std", json!(vec![2.0; 8])),
        (
            "vae/config.json",
            "up_block_types",
            json!(["UpDecoderBlock2D", "AttnUpDecoderBlock2D"]),
        ),
        (
            "language_model/config.json",
            "scale_attn_weights",
            json!(false),
        ),
        (
            "language_model/config.json",
            "add_cross_attention",
            json!(true),
        ),
        (
            "language_model/config.json",
            "activation_function",
            json!("mish"),
        ),
        ("text_encoder_2/config.json", "is_gated_act", json!(false)),
        (
            "text_encoder_2/config.json",
            "feed_forward_proj",
            json!("gated-silu"),
        ),
        (
            "projection_model/config.json",
            "use_learned_position_embedding",
            json!(true),
        ),
        (
            "scheduler/scheduler_config.json",
            "beta_schedule",
            json!("laplace"),
        ),
        (
            "scheduler/scheduler_config.json",
            "prediction_type",
            json!("sample"),
        ),
        (
            "scheduler/scheduler_config.json",
            "timestep_spacing",
            json!("random"),
        ),
    ];
    for (file, key, value) in cases {
        let workshop = Workshop::new();
        workshop.configure(file, key, value.clone());
        let error = match workshop.convert(&["--strict"]) {
            Ok(_) => panic!("{key} {value} of {file} changes nothing"),
            Err(error) => error,
        };
        let value = value.as_str().unwrap_or(key);
        assert!(
            error.contains(key) || error.contains(value),
            "{key}: {error}"
        );
        assert!(!workshop.path("bundle").exists());
    }
}

/// As in Python, the last of two equal keys counts.
#[test]
fn the_last_of_two_equal_keys_counts() {
    for (first, last, refused) in [("silu", "relu", true), ("relu", "silu", false)] {
        let workshop = Workshop::new();
        let path = workshop.path("audioldm2").join("vae/config.json");
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace(r#""act_fn": "silu","#, "");
        let body = text
            .trim()
            .trim_start_matches('{')
            .trim_end_matches('}')
            .trim();
        assert!(!body.contains("act_fn"));
        let twice = format!(r#"{{"act_fn": "{first}", {body}, "act_fn": "{last}"}}"#);
        fs::write(&path, twice).unwrap();
        match workshop.convert(&[]) {
            Ok(_) => assert!(!refused),
            Err(error) => assert!(refused && error.contains(r#"act_fn "relu""#), "{error}"),
        }
    }
}

/// A mark that says how the text is encoded, numbers that JSON has no words for, in any part; other encodings are told.
#[test]
fn configurations_are_read_in_every_part_as_python_writes_them() {
    let workshop = Workshop::new();
    for (file, mark) in [
        ("vae/config.json", true),
        ("vocoder/config.json", true),
        ("scheduler/scheduler_config.json", true),
        ("text_encoder/config.json", false),
        ("model_index.json", true),
    ] {
        let path = workshop.path("audioldm2").join(file);
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replacen(
            '{',
            r#"{"temperature": Infinity, "top_p": NaN, "top_k": -Infinity,"#,
            1,
        );
        let mark = if mark { "\u{feff}" } else { "" };
        fs::write(&path, format!("{mark}{text}")).unwrap();
    }
    workshop.convert(&[]).unwrap();
    // Where a number is read, these are none.
    let path = workshop.path("audioldm2").join("vae/config.json");
    let text = fs::read_to_string(&path).unwrap();
    let at = text.find("\"scaling_factor\": ").unwrap() + "\"scaling_factor\": ".len();
    let end = at + text[at..].find([',', '\n', '}']).unwrap();
    fs::write(&path, format!("{}Infinity{}", &text[..at], &text[end..])).unwrap();
    let other = Workshop::new();
    fs::copy(&path, other.path("audioldm2").join("vae/config.json")).unwrap();
    let error = other.convert(&[]).unwrap_err();
    assert!(error.contains("vae/config.json cannot be used"), "{error}");
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(
        other.path("audioldm2").join("vae/config.json"),
        [&[0xff, 0xfe], &wide[..]].concat(),
    )
    .unwrap();
    let error = other.convert(&[]).unwrap_err();
    assert!(
        error.contains("vae/config.json is no JSON object"),
        "{error}"
    );
}
