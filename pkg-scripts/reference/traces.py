"""Runs the reference over the tiny checkpoints and writes what every stage produced.

Everything is read back from the files of tests/fixtures, so a trace is what a correct reader of
those files must compute. Batch order under guidance: negative row first.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import (
    AudioLDM2ProjectionModel,
    AudioLDM2UNet2DConditionModel,
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
)
from PIL import Image
from safetensors.torch import load_file
from transformers import (
    ClapModel,
    CLIPVisionModelWithProjection,
    GPT2Model,
    RobertaTokenizerFast,
    SpeechT5HifiGan,
    T5EncoderModel,
    T5TokenizerFast,
)

import features
import inputs
from common import NEGATIVE_PROMPT, SUPPORT_PROMPT, Taps, indexed, normal, save_trace
from imagebind import ImageBind

GUIDANCE = 3.5
SECONDS = 0.5


class AudioLDM2:
    """The frozen networks of one diffusers folder."""

    def __init__(self, folder: Path):
        def load(cls, name):
            return cls.from_pretrained(folder / name).eval()

        self.unet = load(AudioLDM2UNet2DConditionModel, "unet")
        self.vae = load(AutoencoderKL, "vae")
        self.projection = load(AudioLDM2ProjectionModel, "projection_model")
        self.gpt2 = GPT2Model.from_pretrained(folder / "language_model", attn_implementation="eager").eval()
        self.clap = load(ClapModel, "text_encoder")
        self.t5 = load(T5EncoderModel, "text_encoder_2")
        self.vocoder = load(SpeechT5HifiGan, "vocoder")
        self.scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
        self.roberta_tokenizer = RobertaTokenizerFast.from_pretrained(folder / "tokenizer")
        self.t5_tokenizer = T5TokenizerFast.from_pretrained(folder / "tokenizer_2")

    def clap_text(self, text):
        """-> ids [1, L], unit embedding as one token [1, 1, d]."""
        ids = self.roberta_tokenizer(text, truncation=True, max_length=512, return_tensors="pt")
        return ids.input_ids, self.clap.get_text_features(**ids)[:, None]

    def t5_text(self, text, length=None):
        """-> ids [1, L], mask [1, L], states [1, L, d]; padded or cut to `length`."""
        pad = dict(padding="max_length", max_length=length) if length else dict(max_length=128)
        tokens = self.t5_tokenizer(text, truncation=True, return_tensors="pt", **pad)
        return tokens.input_ids, tokens.attention_mask, self.t5(**tokens).last_hidden_state

    def project(self, clap, t5, t5_mask):
        """-> GPT-2 prefix [1, 5 + L, D] and its mask."""
        ones = torch.ones(clap.shape[:2], dtype=torch.long)
        out = self.projection(
            hidden_states=clap, hidden_states_1=t5, attention_mask=ones, attention_mask_1=t5_mask
        )
        return out.hidden_states, out.attention_mask

    def generate(self, prefix, mask):
        """-> the eight vectors [B, 8, D] that GPT-2 appends to the prefix (no cache)."""
        new = self.gpt2.config.max_new_tokens
        for _ in range(new):
            states = self.gpt2(inputs_embeds=prefix, attention_mask=mask, use_cache=False).last_hidden_state
            prefix = torch.cat([prefix, states[:, -1:]], dim=1)
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        return prefix[:, -new:]

    def text_tokens(self, text, t5_length=None):
        """The text path: CLAP and T5 -> projection model -> eight vectors."""
        _, clap = self.clap_text(text)
        _, mask, t5 = self.t5_text(text, t5_length)
        return self.generate(*self.project(clap, t5, mask))

    def noise(self, latents, t, cond):
        """-> the two halves of the UNet's prediction, [1, 8, h, 16] each."""
        out = self.unet(
            torch.cat([latents, latents]),
            t,
            encoder_hidden_states=cond["cond.gpt2"],
            encoder_hidden_states_1=cond["cond.t5"],
            encoder_attention_mask_1=cond["cond.t5_mask"],
        ).sample
        return out.chunk(2)

    def denoise(self, scheduler, steps, latents, cond, guidance=GUIDANCE):
        """-> latents after every step, and (uncond, cond, guided) of the first call."""
        scheduler.set_timesteps(steps)
        after, first = [], None
        for t in scheduler.timesteps:
            uncond, text = self.noise(latents, t, cond)
            guided = uncond + guidance * (text - uncond)
            first = first or (uncond, text, guided)
            latents = scheduler.step(guided, t, latents).prev_sample
            after.append(latents)
        return after, first

    def vocode(self, mel):
        """[1, 1, T, 64] -> [1, 160 T + 32]."""
        return self.vocoder(mel.squeeze(1))


def align(weights, embedding, width=24):
    """Any aligner form: [1, d] -> [1, N, width]."""
    weights = {name.removeprefix("module."): tensor for name, tensor in weights.items()}

    def linear(x, name):
        return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    if "upscaler.weight" in weights:
        embedding = linear(embedding, "upscaler")
    if "projection.weight" in weights:
        out = linear(embedding, "projection")
    else:
        out = linear(torch.tanh(linear(embedding, "projection1")), "projection2")
    return out.unflatten(-1, (-1, width))


def load_aligner(folder: Path, name: str):
    """Reads `<name>.pt` or `<name>.safetensors`."""
    path = folder / f"{name}.pt"
    return torch.load(path) if path.exists() else load_file(folder / f"{name}.safetensors")


def latent_rows(seconds: float) -> int:
    """Rows of the latent for a duration."""
    frames = int(seconds / 0.01)
    return -(-frames // 4)


def conditions(model: AudioLDM2, image_tokens) -> dict[str, torch.Tensor]:
    """Both streams of the UNet from aligned image tokens [1, N, D]."""
    _, mask_pos, t5_pos = model.t5_text(SUPPORT_PROMPT)
    length = t5_pos.shape[1]
    _, mask_neg, t5_neg = model.t5_text(NEGATIVE_PROMPT, length)
    image = model.generate(image_tokens, torch.ones(image_tokens.shape[:2], dtype=torch.long))
    negative = model.text_tokens(NEGATIVE_PROMPT, t5_length=1)  # the authors' quirk
    return {
        "gpt2.image.tokens": image,
        "cond.gpt2": torch.cat([negative, image]),
        "cond.gpt2.stock": model.text_tokens(NEGATIVE_PROMPT, t5_length=length),
        "cond.t5": torch.cat([t5_neg, t5_pos]),
        "cond.t5_mask": torch.cat([mask_neg, mask_pos]).float(),
    }


@torch.no_grad()
def flow(model: AudioLDM2, out: dict, image_tokens, latents, ddim_steps: int, dpm_steps: int = 0) -> None:
    """From aligned tokens to the waveform; adds every tensor to `out`."""
    out["aligner.tokens"] = image_tokens
    cond = conditions(model, image_tokens)
    out |= cond
    out["latents.initial"] = latents

    unet = model.unet
    modules = {"unet.time_embedding": unet.time_embedding, "unet.conv_in": unet.conv_in}
    modules |= {"unet.mid_block": unet.mid_block}
    modules |= indexed("unet.down_blocks", unet.down_blocks) | indexed("unet.up_blocks", unet.up_blocks)
    with Taps(modules) as taps:
        after, first = model.denoise(model.scheduler, ddim_steps, latents, cond)
    out |= taps
    for kind, tensor in zip(("uncond", "cond", "guided"), first):
        out[f"noise.first.{kind}"] = tensor
    out["ddim.timesteps"] = model.scheduler.timesteps
    out |= {f"ddim.latents.{k}": z for k, z in enumerate(after)}
    if dpm_steps:
        dpm = DPMSolverMultistepScheduler.from_config(model.scheduler.config)
        steps, _ = model.denoise(dpm, dpm_steps, latents, cond)
        out["dpm.timesteps"] = dpm.timesteps
        out |= {f"dpm.latents.{k}": z for k, z in enumerate(steps)}

    decoder = model.vae.decoder
    modules = {"vae.decoder.mid_block": decoder.mid_block} | indexed("vae.decoder.up_blocks", decoder.up_blocks)
    with Taps(modules) as taps:
        mel = model.vae.decode(after[-1] / model.vae.config.scaling_factor).sample
    out |= taps
    out["vae.decoded_mel"] = mel

    stages = hifigan_stages(model.vocoder, mel.squeeze(1))
    out |= {f"hifigan.stages.{i}": x for i, x in enumerate(stages)}
    out["waveform"] = model.vocode(mel)[:, : int(SECONDS * inputs.RATE)]


def hifigan_stages(vocoder, mel):
    """Each stage after the mean over its residual blocks, [1, c, n]; checked against the model."""
    kernels = vocoder.num_kernels
    x = vocoder.conv_pre(mel.transpose(1, 2))
    stages = []
    for i, up in enumerate(vocoder.upsampler):
        x = up(F.leaky_relu(x, vocoder.config.leaky_relu_slope))
        x = sum(block(x) for block in vocoder.resblocks[i * kernels : (i + 1) * kernels]) / kernels
        stages.append(x)
    wave = torch.tanh(vocoder.conv_post(F.leaky_relu(x))).squeeze(1)
    torch.testing.assert_close(wave, vocoder(mel), rtol=1e-5, atol=1e-6)
    return stages


@torch.no_grad()
def trace_imagebind(model: AudioLDM2, folder: Path) -> dict[str, torch.Tensor]:
    """picture.png -> ImageBind -> aligner-2024-4 -> music."""
    pixels = torch.from_numpy(features.image_pixels(Image.open(folder / "picture.png")))
    bind = ImageBind(torch.load(folder / "imagebind-tiny.pth"))
    out = {"image.pixels": pixels, "image.embedding": bind.vision(pixels)}
    out |= bind.taps
    tokens = align(load_aligner(folder, "aligner-2024-4"), out["image.embedding"])
    latents = normal("trace-imagebind/latents", 1, 8, latent_rows(SECONDS), 16)
    flow(model, out, tokens, latents, ddim_steps=3, dpm_steps=4)
    save_trace(folder / "trace-imagebind.safetensors", out, **settings("aligner-2024-4", 3, dpm_steps=4))
    return out


@torch.no_grad()
def trace_clip(model: AudioLDM2, folder: Path) -> dict[str, torch.Tensor]:
    """picture.png -> CLIP -> aligner-2026-clip-6 -> music."""
    pixels = torch.from_numpy(features.image_pixels(Image.open(folder / "picture.png")))
    clip = CLIPVisionModelWithProjection.from_pretrained(folder / "clip-tiny").eval()
    vision = clip.vision_model
    modules = {"clip.embeddings": vision.pre_layrnorm} | indexed("clip.blocks", vision.encoder.layers)
    with Taps(modules) as taps:
        embedding = F.normalize(clip(pixels).image_embeds, dim=-1)
    run: dict[str, torch.Tensor] = {}
    tokens = align(load_aligner(folder, "aligner-2026-clip-6"), embedding)
    latents = normal("trace-clip/latents", 1, 8, latent_rows(SECONDS), 16)
    flow(model, run, tokens, latents, ddim_steps=2)
    keep = ("aligner.tokens", "gpt2.image.tokens", "cond.gpt2", "latents.initial", "ddim.", "noise.first.", "waveform")
    out = {"image.embedding": embedding} | taps
    out |= {k: v for k, v in run.items() if k.startswith(keep) and k != "cond.gpt2.stock"}
    save_trace(folder / "trace-clip.safetensors", out, **settings("aligner-2026-clip-6", 2))
    return out


def settings(aligner: str, ddim_steps: int, **more) -> dict:
    """What a trace was made with."""
    return dict(
        aligner=aligner,
        prompt=SUPPORT_PROMPT,
        negative=NEGATIVE_PROMPT,
        seconds=SECONDS,
        guidance=GUIDANCE,
        ddim_steps=ddim_steps,
        **more,
    )


@torch.no_grad()
def trace_aligners(folder: Path) -> dict[str, torch.Tensor]:
    """One unit vector through every aligner."""
    out = {"embedding": F.normalize(normal("trace-aligners/e", 1, 32), dim=-1)}
    out["embedding.clip"] = F.normalize(normal("trace-aligners/clip", 1, 16), dim=-1)
    for name in ("aligner-2024-4", "aligner-2024-1", "aligner-2026-16", "aligner-linear-8"):
        out[name] = align(load_aligner(folder, name), out["embedding"])
    out["aligner-2026-clip-6"] = align(load_aligner(folder, "aligner-2026-clip-6"), out["embedding.clip"])
    save_trace(folder / "trace-aligners.safetensors", out)
    return out
