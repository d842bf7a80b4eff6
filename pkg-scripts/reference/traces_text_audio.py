"""Traces of the text encoders, of ImageBind's other trunks, of the mels and of the VAE encoder."""

from pathlib import Path

import numpy as np
import torch

import features
import inputs
from common import Taps, indexed, rng, save_trace
from imagebind import ImageBind
from traces import AudioLDM2

PROMPTS = ("A warm piano at dusk", "Techno music with a strong, upbeat tempo; it's recorded in a small room")


@torch.no_grad()
def trace_text(model: AudioLDM2, folder: Path) -> dict[str, torch.Tensor]:
    """Stock text-to-audio conditions of two prompts, and prompt 0 padded to prompt 1's length."""
    out: dict[str, torch.Tensor] = {}
    for p, prompt in enumerate(PROMPTS):
        with Taps(indexed("clap.layers", model.clap.text_model.encoder.layer)) as taps:
            ids, clap = model.clap_text(prompt)
        out[f"roberta.ids.{p}"] = ids
        out |= {f"{name}.{p}": x for name, x in taps.items()}
        out[f"clap.text.{p}"] = clap
        with Taps(indexed("t5.layers", model.t5.encoder.block)) as taps:
            ids, mask, t5 = model.t5_text(prompt)
        out[f"t5.ids.{p}"] = ids
        out |= {f"{name}.{p}": x for name, x in taps.items()}
        out[f"t5.output.{p}"] = t5
        prefix, prefix_mask = model.project(clap, t5, mask)
        out[f"projection.output.{p}"], out[f"projection.mask.{p}"] = prefix, prefix_mask
        out[f"gpt2.text.tokens.{p}"] = model.generate(prefix, prefix_mask)

    length = out["t5.ids.1"].shape[1]
    ids, mask, t5 = model.t5_text(PROMPTS[0], length)
    prefix, prefix_mask = model.project(out["clap.text.0"], t5, mask)
    out |= {"t5.padded.ids": ids, "t5.padded.output": t5, "t5.padded.mask": mask}
    out |= {"projection.padded.output": prefix, "projection.padded.mask": prefix_mask}
    out["gpt2.padded.tokens"] = model.generate(prefix, prefix_mask)
    save_trace(folder / "trace-text.safetensors", out, prompts=PROMPTS)
    return out


@torch.no_grad()
def trace_audio(model: AudioLDM2, folder: Path) -> dict[str, torch.Tensor]:
    """ImageBind audio, training mels and the VAE encoder on a synthetic phrase."""
    wave = inputs.musical_wave()
    clips = torch.from_numpy(features.imagebind_audio_input(wave))
    bind = ImageBind(torch.load(folder / "imagebind-tiny.pth"))
    bind.audio(clips[:, :1])  # taps of the first clip alone
    out = {"wave": torch.from_numpy(wave), "audio.fbank": clips[:, 0]}
    out |= bind.taps
    out["audio.embedding"] = bind.audio(clips)

    excerpt = wave[8000 : 8000 + 20480]  # 1.28 s
    whole = int(len(wave) / inputs.RATE * 102.4)
    out["mel.wave"] = torch.from_numpy(excerpt.copy())
    out["mel.raw"] = torch.from_numpy(features.log_mel(excerpt, 128))
    out["mel.normalised"] = torch.from_numpy(features.normalised_log_mel(wave, whole))

    encoder = model.vae.encoder
    out["vae.input"] = out["mel.raw"][:, :, :52]
    modules = {"vae.encoder.mid_block": encoder.mid_block, "vae.moments": model.vae.quant_conv}
    with Taps(modules | indexed("vae.encoder.down_blocks", encoder.down_blocks)) as taps:
        model.vae.encode(out["vae.input"])
    out |= taps
    save_trace(folder / "trace-audio.safetensors", out, rate=inputs.RATE, mel_wave_start=8000)
    return out


@torch.no_grad()
def trace_imagebind_text(folder: Path) -> dict[str, torch.Tensor]:
    """ImageBind's text trunk on made-up ids: start 298, words, end 299 (the largest id), zeros."""
    words = rng("trace-imagebind-text").integers(1, 298, 11)
    ids = np.zeros((1, 77), np.int64)
    ids[0, : len(words) + 2] = [298, *words, 299]
    ids = torch.from_numpy(ids)
    bind = ImageBind(torch.load(folder / "imagebind-tiny.pth"))
    out = {"ids": ids, "text.embedding": bind.text(ids)}
    out |= bind.taps
    save_trace(folder / "trace-imagebind-text.safetensors", out)
    return out
