"""Tiny checkpoints in the published formats, with lively random weights.

`audioldm2(folder)` makes the diffusers folder; `clip`, `imagebind_file` and `aligners` the rest.
"""

import json
from pathlib import Path

import torch
from diffusers import AudioLDM2ProjectionModel, AudioLDM2UNet2DConditionModel, AutoencoderKL, DDIMScheduler
from safetensors.torch import save_file
from transformers import (
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    GPT2Config,
    GPT2Model,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
    T5Config,
    T5EncoderModel,
)

import imagebind
import tiny_tokenizers
from common import liven, normal

MODEL_INDEX = {
    "_class_name": "AudioLDM2Pipeline",
    "_diffusers_version": "0.35.2",
    "feature_extractor": ["transformers", "ClapFeatureExtractor"],
    "language_model": ["transformers", "GPT2Model"],
    "projection_model": ["audioldm2", "AudioLDM2ProjectionModel"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "ClapModel"],
    "text_encoder_2": ["transformers", "T5EncoderModel"],
    "tokenizer": ["transformers", "RobertaTokenizerFast"],
    "tokenizer_2": ["transformers", "T5TokenizerFast"],
    "unet": ["audioldm2", "AudioLDM2UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "vocoder": ["transformers", "SpeechT5HifiGan"],
}

EMBEDDING, CLIP_EMBEDDING, LANGUAGE = 32, 16, 24


def scheduler() -> DDIMScheduler:
    """The published noise schedule."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.0015,
        beta_end=0.0195,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="epsilon",
        timestep_spacing="leading",
    )


def unet_config(channels, groups, heads, context) -> dict:
    """UNet arguments; `context` is the `[null, GPT-2, T5]` triple of every level."""
    cross = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
    return dict(
        sample_size=256,
        in_channels=8,
        out_channels=8,
        block_out_channels=channels,
        down_block_types=("DownBlock2D", cross[0], cross[0], cross[0]),
        up_block_types=(cross[1], cross[1], cross[1], "UpBlock2D"),
        layers_per_block=2,
        norm_num_groups=groups,
        attention_head_dim=heads,
        cross_attention_dim=[list(context)] * len(channels),
    )


def vae_config(channels, groups, scaling_factor) -> dict:
    """VAE arguments."""
    return dict(
        in_channels=1,
        out_channels=1,
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        layers_per_block=2,
        latent_channels=8,
        norm_num_groups=groups,
        sample_size=1024,
        scaling_factor=scaling_factor,
    )


# Random weights that make a sound at any width; the library's own would make silence.
VOCODER_RULES = {
    r"conv_pre\.weight": 0.4,
    r"upsampler": 1.3,
    r"resblocks": 0.7,
    r"conv_post\.weight": 0.4,
    r"bias": 0.1,
    r"conv_post\.bias": 0.02,
}


def vocoder_config(channels) -> dict:
    """Vocoder arguments."""
    return dict(
        model_in_dim=64,
        sampling_rate=16000,
        upsample_initial_channel=channels,
        upsample_rates=[5, 4, 2, 2, 2],
        upsample_kernel_sizes=[16, 16, 8, 4, 4],
        resblock_kernel_sizes=[3, 7, 11],
        resblock_dilation_sizes=[[1, 3, 5]] * 3,
        leaky_relu_slope=0.1,
        normalize_before=False,
    )


def _tiny_clap(vocabulary: int) -> ClapModel:
    text = dict(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=514,
    )
    audio = dict(  # only there to be ignored by a loader
        window_size=4,
        spec_size=32,
        patch_embeds_hidden_size=8,
        hidden_size=16,
        depths=[1, 1],
        num_attention_heads=[2, 2],
        num_classes=5,
        enable_fusion=False,
    )
    model = ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=16))
    liven(model, "clap", {r"(query|key)\.weight": 1.5, r"logit_scale": 0.1, r"pooler": 0.8, r"attention\.output\.dense\.weight": 2.5})
    return model


def audioldm2(folder: Path) -> None:
    """Writes the whole diffusers folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model_index.json").write_text(json.dumps(MODEL_INDEX, indent=2) + "\n")
    roberta_size = tiny_tokenizers.roberta(folder / "tokenizer")
    t5_size = tiny_tokenizers.t5(folder / "tokenizer_2")
    scheduler().save_pretrained(folder / "scheduler")
    ClapFeatureExtractor().save_pretrained(folder / "feature_extractor")

    unet = AudioLDM2UNet2DConditionModel(**unet_config((8, 16, 16, 24), 4, 2, (None, LANGUAGE, 32)))
    # attn2 of the conditioned transformers is loud, so that pictures and prompts are visible.
    rules = {r"to_[qk]\.weight": 1.5, r"attn2\.to_out\.0\.weight": 2.0, r"time_emb_proj": 0.7, r"conv_out\.weight": 0.9}
    liven(unet, "unet", rules)
    unet.save_pretrained(folder / "unet")

    vae = AutoencoderKL(**vae_config((8, 16, 16), 4, 0.4127385129374518))
    rules = {r"to_[qk]\.weight": 1.5, r"decoder\.conv_out\.weight": 4.0, "=decoder\\.conv_out\\.bias": -5.0}
    liven(vae, "vae", rules)
    vae.save_pretrained(folder / "vae")

    projection = AudioLDM2ProjectionModel(16, 32, LANGUAGE)
    liven(projection, "projection", {r"_embed": 0.7, r"projection\.weight": 3.0})
    projection.save_pretrained(folder / "projection_model")

    language = GPT2Model(
        GPT2Config(
            vocab_size=48,
            n_positions=64,
            n_embd=LANGUAGE,
            n_layer=2,
            n_head=4,
            bos_token_id=47,
            eos_token_id=47,
            max_new_tokens=8,
        )
    )
    liven(language, "gpt2", {r"c_attn\.weight": 1.5, r"wpe": 0.4})
    language.save_pretrained(folder / "language_model", safe_serialization=False)

    _tiny_clap(roberta_size).save_pretrained(folder / "text_encoder")

    t5 = T5EncoderModel(
        T5Config(
            vocab_size=t5_size + 6,  # the published table is larger than its tokenizer, too
            d_model=32,
            d_kv=8,
            num_heads=4,
            d_ff=48,
            num_layers=2,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
        )
    )
    # No 1/sqrt(d) in T5's attention: queries are small.
    liven(t5, "t5", {r"\.q\.weight": 0.6, r"relative_attention_bias": 0.7, r"wo\.weight": 1.5})
    t5.save_pretrained(folder / "text_encoder_2")

    vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(**vocoder_config(32)))
    liven(vocoder, "vocoder", VOCODER_RULES)
    vocoder.save_pretrained(folder / "vocoder", safe_serialization=False)


def imagebind_file(path: Path) -> None:
    """imagebind-tiny.pth: the three trunks and a few tensors of modalities to skip."""
    weights = imagebind.state_dict(imagebind.TINY, "imagebind")
    for name, shape in (
        ("modality_preprocessors.depth.cls_token", (1, 1, 24)),
        ("modality_preprocessors.depth.rgbt_stem.proj.weight", (24, 1, 16, 16)),
        ("modality_trunks.thermal.blocks.0.norm_1.weight", (24,)),
        ("modality_trunks.imu.blocks.0.attn.bias_k", (1, 1, 16)),
        ("modality_heads.imu.2.weight", (32, 16)),
        ("modality_postprocessors.imu.1.log_logit_scale", ()),
    ):
        weights[name] = normal(f"imagebind/{name}", *shape)
    torch.save(weights, path)


def clip(folder: Path, openai_path: Path) -> None:
    """clip-tiny/ in the form of transformers, and the same weights under OpenAI's names."""
    config = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        patch_size=32,
        image_size=224,
        projection_dim=CLIP_EMBEDDING,
        hidden_act="quick_gelu",
    )
    model = CLIPVisionModelWithProjection(config)
    liven(model, "clip", {r"[qk]_proj\.weight": 1.5})
    model.save_pretrained(folder)
    save_file(openai_names(model.state_dict()), openai_path, metadata={"format": "pt"})


def openai_names(hf: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """CLIP vision weights from transformers' names to OpenAI's."""
    v = "vision_model"
    out = {
        "visual.class_embedding": hf[f"{v}.embeddings.class_embedding"],
        "visual.conv1.weight": hf[f"{v}.embeddings.patch_embedding.weight"],
        "visual.positional_embedding": hf[f"{v}.embeddings.position_embedding.weight"],
        "visual.proj": hf["visual_projection.weight"].T.contiguous(),
    }
    layers = 1 + max(int(name.split(".")[3]) for name in hf if name.startswith(f"{v}.encoder.layers."))
    pairs = {f"{v}.pre_layrnorm": "visual.ln_pre", f"{v}.post_layernorm": "visual.ln_post"}
    for i in range(layers):
        a, b = f"{v}.encoder.layers.{i}", f"visual.transformer.resblocks.{i}"
        pairs |= {
            f"{a}.layer_norm1": f"{b}.ln_1",
            f"{a}.layer_norm2": f"{b}.ln_2",
            f"{a}.self_attn.out_proj": f"{b}.attn.out_proj",
            f"{a}.mlp.fc1": f"{b}.mlp.c_fc",
            f"{a}.mlp.fc2": f"{b}.mlp.c_proj",
        }
        for kind in ("weight", "bias"):
            out[f"{b}.attn.in_proj_{kind}"] = torch.cat([hf[f"{a}.self_attn.{x}_proj.{kind}"] for x in "qkv"])
    for a, b in pairs.items():
        for kind in ("weight", "bias"):
            out[f"{b}.{kind}"] = hf[f"{a}.{kind}"]
    return {name: tensor.clone() for name, tensor in out.items()}


def aligner(name: str, d_in: int, hidden: int, tokens: int, width: int, upscale_from: int = 0):
    """The two-layer form: `upscaler` (optional), `projection1`, tanh, `projection2`."""

    def linear(prefix, i, o, gain):
        return {
            f"{prefix}.weight": normal(f"{name}/{prefix}.weight", o, i, std=gain * i**-0.5),
            f"{prefix}.bias": normal(f"{name}/{prefix}.bias", o, std=0.3),
        }

    out = {}
    if upscale_from:
        out |= linear("upscaler", upscale_from, d_in, 3.0)
    # A unit vector has entries of about 1/sqrt(d): a gain of sqrt(d) makes tanh bend.
    out |= linear("projection1", d_in, hidden, d_in**0.5)
    return out | linear("projection2", hidden, tokens * width, 1.5)


def aligners(folder: Path) -> None:
    """All forms of aligner files."""
    torch.save(aligner("aligner-2024-4", EMBEDDING, 48, 4, LANGUAGE), folder / "aligner-2024-4.pt")
    one = aligner("aligner-2024-1", EMBEDDING, 48, 1, LANGUAGE)
    torch.save({f"module.{k}": v for k, v in one.items()}, folder / "aligner-2024-1.pt")
    six = aligner("aligner-2026-clip-6", EMBEDDING, 48, 6, LANGUAGE, upscale_from=CLIP_EMBEDDING)
    save_file(six, folder / "aligner-2026-clip-6.safetensors")
    save_file(aligner("aligner-2026-16", EMBEDDING, 48, 16, LANGUAGE), folder / "aligner-2026-16.safetensors")
    linear = {
        "projection.weight": normal("aligner-linear-8/w", 8 * LANGUAGE, EMBEDDING, std=1.5),
        "projection.bias": normal("aligner-linear-8/b", 8 * LANGUAGE, std=0.3),
    }
    save_file(linear, folder / "aligner-linear-8.safetensors")
