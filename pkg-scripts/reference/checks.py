"""Checks of the fixtures against the libraries' own pipelines and against common sense.

`python make_fixtures.py --check` runs them. torchaudio is used where it is installed.
"""

import json
import os
from pathlib import Path

import numpy as np
import torch
from diffusers import AudioLDM2Pipeline
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import GPT2LMHeadModel, T5Tokenizer

import features
from common import NEGATIVE_PROMPT, SUPPORT_PROMPT
from imagebind import ImageBind
from traces import GUIDANCE, SECONDS, AudioLDM2
from traces_text_audio import PROMPTS


def distance(a, b) -> float:
    """|a - b| / |b| of two tensors."""
    return float((a - b).norm() / b.norm())


def say(what: str, value: float, low: float = 0.0, high: float = float("inf")) -> None:
    """Prints one figure and fails when it is outside its bounds."""
    print(f"{what:64s} {value:.3g}")
    if not low <= value <= high:
        raise SystemExit(f"{what}: {value} is not within {low} and {high}")


@torch.no_grad()
def stock_pipeline(folder: Path) -> None:
    """The library's own pipeline must load the folder and agree with the traces."""
    tiny = folder / "audioldm2-tiny"
    # GPT2Model can no longer generate in transformers >= 4.50; the class with a head still can.
    language = GPT2LMHeadModel.from_pretrained(tiny / "language_model")
    pipe = AudioLDM2Pipeline.from_pretrained(tiny, language_model=language)
    pipe.set_progress_bar_config(disable=True)
    text = load_file(folder / "trace-text.safetensors")
    for p, prompt in enumerate(PROMPTS):
        t5, _, tokens = pipe.encode_prompt(prompt, "cpu", 1, False, max_new_tokens=8)
        say(f"pipeline, prompt {p}: T5", distance(text[f"t5.output.{p}"], t5), high=1e-5)
        say(f"pipeline, prompt {p}: GPT-2 (cached)", distance(text[f"gpt2.text.tokens.{p}"], tokens), high=1e-4)
    both, mask, tokens = pipe.encode_prompt(list(PROMPTS), "cpu", 1, False, max_new_tokens=8)
    real = text["t5.padded.mask"][0].bool()
    say("pipeline, padded: T5", distance(text["t5.padded.output"][0], both[0]), high=1e-5)
    say("pipeline, padded: T5 mask", float((text["t5.padded.mask"][0] - mask[0]).abs().max()), high=0)
    say("pipeline, padded: GPT-2", distance(text["gpt2.padded.tokens"][0], tokens[0]), high=1e-4)
    say("padding does not change T5", distance(text["t5.padded.output"][0][real], text["t5.output.0"][0]), high=1e-5)
    say("padding changes GPT-2's positions", distance(text["gpt2.padded.tokens"], text["gpt2.text.tokens.0"]), low=1e-2)

    trace = load_file(folder / "trace-imagebind.safetensors")
    t5, mask, tokens = pipe.encode_prompt(
        SUPPORT_PROMPT, "cpu", 1, True, negative_prompt=NEGATIVE_PROMPT, max_new_tokens=8
    )
    say("pipeline, guided: T5 rows", distance(trace["cond.t5"], t5), high=1e-5)
    say("pipeline, guided: mask", float((trace["cond.t5_mask"] - mask).abs().max()), high=0)
    say("pipeline, guided: negative GPT-2", distance(trace["cond.gpt2.stock"], tokens[:1]), high=1e-4)
    wave = pipe(
        prompt_embeds=trace["cond.t5"][1:],
        negative_prompt_embeds=trace["cond.t5"][:1],
        attention_mask=trace["cond.t5_mask"][1:],
        negative_attention_mask=trace["cond.t5_mask"][:1],
        generated_prompt_embeds=trace["cond.gpt2"][1:],
        negative_generated_prompt_embeds=trace["cond.gpt2"][:1],
        latents=trace["latents.initial"].clone(),
        num_inference_steps=3,
        guidance_scale=GUIDANCE,
        audio_length_in_s=SECONDS,
        output_type="pt",
    ).audios
    wave = torch.as_tensor(np.asarray(wave))
    say("pipeline, whole: waveform", distance(trace["waveform"], wave), high=1e-5)


@torch.no_grad()
def sense(folder: Path) -> None:
    """Traces depend on what they should depend on."""
    a = load_file(folder / "trace-imagebind.safetensors")
    b = load_file(folder / "trace-clip.safetensors")
    text = load_file(folder / "trace-text.safetensors")
    say("cond against uncond", distance(a["noise.first.cond"], a["noise.first.uncond"]), low=0.2)
    say("negative tokens, quirk against stock", distance(a["cond.gpt2"][:1], a["cond.gpt2.stock"]), low=0.05)
    say("image tokens, ImageBind against CLIP", distance(a["gpt2.image.tokens"], b["gpt2.image.tokens"]), low=0.2)
    say("CLAP, prompt 0 against 1", distance(text["clap.text.0"], text["clap.text.1"]), low=0.05)
    wave = a["waveform"]
    say("waveform mean", float(wave.mean()), low=-0.2, high=0.2)
    say("waveform deviation", float(wave.std()), low=0.1, high=0.6)
    say("waveform peak", float(wave.abs().max()), high=0.99)
    ac = lambda w: w - w.mean()
    say("waveform, ImageBind against CLIP", distance(ac(wave), ac(b["waveform"])), low=0.2)

    model = AudioLDM2(folder / "audioldm2-tiny")
    bind = ImageBind(torch.load(folder / "imagebind-tiny.pth"))
    other = bind.vision(torch.from_numpy(features.image_pixels(Image.open(folder / "pictures" / "exif-upright.png"))))
    say("cosine of two pictures", float((other * a["image.embedding"]).sum()), high=0.95)
    masked = dict(a, **{"cond.t5": a["cond.t5"].flip(0), "cond.t5_mask": a["cond.t5_mask"].flip(0)})
    prompt, _ = model.noise(a["latents.initial"], 667, masked)
    say("noise with the other prompt", distance(prompt, a["noise.first.uncond"]), low=0.05)
    later, _ = model.noise(a["latents.initial"], 334, a)
    say("noise at another time", distance(later, a["noise.first.uncond"]), low=0.02)
    without_mask = dict(a, **{"cond.t5_mask": torch.ones_like(a["cond.t5_mask"])})
    unmasked, _ = model.noise(a["latents.initial"], 667, without_mask)
    say("noise without the T5 mask", distance(unmasked, a["noise.first.uncond"]), low=0.01)
    say("latents, DDIM against DPM", distance(a["ddim.latents.2"], a["dpm.latents.3"]), low=0.1)

    total = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    say("bytes of all fixtures", total, high=9.5e6)
    for path in sorted(folder.glob("trace-*.safetensors")):
        with safe_open(path, "pt") as file:
            json.loads(file.metadata()["settings"])
            assert all(torch.isfinite(file.get_tensor(k)).all() for k in file.keys()), path


def tokenizers(folder: Path) -> None:
    """tokenizer.json against spiece.model; the ids the published tokenizers fix."""
    model = AudioLDM2(folder / "audioldm2-tiny")
    fast = model.t5_tokenizer
    slow = T5Tokenizer.from_pretrained(folder / "audioldm2-tiny" / "tokenizer_2")
    for text in (SUPPORT_PROMPT, "  It's  rain\u2026 \uff21 \ufb01eld <extra_id_0> \u00e9\u00a0!", ""):
        assert fast(text).input_ids == slow(text).input_ids, (text, fast(text).input_ids, slow(text).input_ids)
        assert fast(text, truncation=True, max_length=1).input_ids == [1]
    r = model.roberta_tokenizer
    assert r.convert_tokens_to_ids(["<s>", "<pad>", "</s>", "<unk>"]) == [0, 1, 2, 3]
    assert r.mask_token_id == len(r) - 1
    assert r.decode(r(SUPPORT_PROMPT).input_ids, skip_special_tokens=True) == SUPPORT_PROMPT
    print("tokenizers agree")


def kaldi(folder: Path) -> None:
    """The filterbanks against torchaudio, if it is there."""
    try:
        import torchaudio
    except ImportError:
        print("torchaudio is not installed: filterbanks not compared")
        return
    wave = load_file(folder / "trace-audio.safetensors")["wave"][:32000]
    wave = wave - wave.mean()
    theirs = torchaudio.compliance.kaldi.fbank(
        wave[None],
        htk_compat=True,
        sample_frequency=16000,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=128,
        dither=0.0,
        frame_length=25,
        frame_shift=10,
    )
    say("fbank against torchaudio, largest difference", float(np.abs(features.kaldi_fbank(wave.numpy()) - theirs.numpy()).max()), high=2e-3)
    slaney = torchaudio.functional.melscale_fbanks(513, 0, 8000, 64, 16000, norm="slaney", mel_scale="slaney")
    say("Slaney matrix against torchaudio", float(np.abs(features.slaney_matrix() - slaney.numpy().T).max()), high=1e-6)


def main(folder: Path) -> None:
    """All checks."""
    stock_pipeline(folder)
    sense(folder)
    tokenizers(folder)
    kaldi(folder)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main(Path(__file__).resolve().parents[2] / "tests" / "fixtures")
