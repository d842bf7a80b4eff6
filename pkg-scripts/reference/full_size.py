"""Writes full-size checkpoints with the published configurations and random weights.

    python full_size.py --out DIR [--only unet vae ...] [--count]

About 8.8 GB, float32, in the published formats: `DIR/audioldm2/` (diffusers folder),
`DIR/imagebind_huge.pth` (vision, audio and text tensors), `DIR/aligner-4.pt` (1024 -> 1536 ->
4 x 768). `clip` (ViT-B/32, 0.35 GB, `DIR/clip-vit-b32/`) is made only when it is named. One
component is in memory at a time; the largest is ImageBind with 4.3 GB. `--count` builds nothing
and prints parameter counts. The tokenizers are the tiny ones: their ids are valid for the big
tables.
"""

import argparse
import gc
import json
import os
import shutil
import time
import warnings
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = os.environ["DIFFUSERS_VERBOSITY"] = "error"
os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")

import torch  # noqa: E402
from diffusers import AudioLDM2ProjectionModel, AudioLDM2UNet2DConditionModel, AutoencoderKL  # noqa: E402
from transformers import (  # noqa: E402
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

import checkpoints  # noqa: E402
import imagebind  # noqa: E402
from common import liven  # noqa: E402
from make_fixtures import FIXTURES  # noqa: E402

SEED = 2026


def unet():
    """346,943,496 parameters in 1,520 tensors."""
    return AudioLDM2UNet2DConditionModel(
        **checkpoints.unet_config((128, 256, 384, 640), 32, 8, (None, 768, 1024))
    )


def vae():
    """Encoder and decoder."""
    return AutoencoderKL(**checkpoints.vae_config((128, 256, 512), 32, 0.4110932946205139))


def projection_model():
    """CLAP 512 and T5 1024 to GPT-2's 768."""
    return AudioLDM2ProjectionModel(512, 1024, 768)


def language_model():
    """GPT-2 small."""
    return GPT2Model(GPT2Config(max_new_tokens=8))


def text_encoder():
    """CLAP: RoBERTa-base and the HTSAT-base audio tower."""
    audio = dict(
        patch_embeds_hidden_size=128, hidden_size=1024, depths=[2, 2, 12, 2], num_attention_heads=[4, 8, 16, 32]
    )
    return ClapModel(ClapConfig(text_config={}, audio_config=audio, projection_dim=512))


def text_encoder_2():
    """The encoder of FLAN-T5-large."""
    return T5EncoderModel(
        T5Config(
            vocab_size=32128,
            d_model=1024,
            d_kv=64,
            num_heads=16,
            d_ff=2816,
            num_layers=24,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
        )
    )


def vocoder():
    """HiFi-GAN, 1024 channels. The others keep their library's initialisation."""
    model = SpeechT5HifiGan(SpeechT5HifiGanConfig(**checkpoints.vocoder_config(1024)))
    if model.conv_pre.weight.device.type != "meta":
        liven(model, "vocoder", checkpoints.VOCODER_RULES)
    return model


def clip():
    """CLIP ViT-B/32, vision half."""
    return CLIPVisionModelWithProjection(CLIPVisionConfig(projection_dim=512))


MODELS = (unet, vae, projection_model, language_model, text_encoder, text_encoder_2, vocoder)
NAMES = [make.__name__ for make in MODELS] + ["extras", "imagebind", "aligner"]


def extras(folder: Path) -> None:
    """model_index.json, scheduler, tokenizers, feature extractor."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model_index.json").write_text(json.dumps(checkpoints.MODEL_INDEX, indent=2) + "\n")
    checkpoints.scheduler().save_pretrained(folder / "scheduler")
    ClapFeatureExtractor().save_pretrained(folder / "feature_extractor")
    for name in ("tokenizer", "tokenizer_2"):
        shutil.copytree(FIXTURES / "audioldm2-tiny" / name, folder / name, dirs_exist_ok=True)


def write_imagebind(path: Path) -> None:
    """Vision, audio and text tensors of ImageBind huge."""
    generator = torch.Generator().manual_seed(SEED)

    def draw(_name, *shape, std, mean=0.0):
        return torch.empty(shape).normal_(mean, std, generator=generator)

    weights = {
        name: imagebind.value(name, shape, draw) for name, shape in imagebind.shapes(imagebind.HUGE).items()
    }
    torch.save(weights, path)


def write_aligner(path: Path) -> None:
    """The public two-layer aligner with N = 4, initialised as torch's Linear."""
    one, two = torch.nn.Linear(1024, 1536), torch.nn.Linear(1536, 4 * 768)
    weights = {f"projection1.{k}": v for k, v in one.state_dict().items()}
    torch.save(weights | {f"projection2.{k}": v for k, v in two.state_dict().items()}, path)


def count() -> None:
    """Parameters and tensors of every component, built without memory."""
    for make in (*MODELS, clip):
        with torch.device("meta"):
            model = make()
        parameters = sum(p.numel() for p in model.parameters())
        print(f"{make.__name__:18s} {parameters:13,d} parameters in {len(model.state_dict()):5,d} tensors")
    for modality in ("vision", "audio", "text"):
        found = [s for name, s in imagebind.shapes(imagebind.HUGE).items() if f".{modality}." in name]
        total = sum(torch.Size(s).numel() for s in found)
        print(f"imagebind {modality:8s} {total:13,d} values     in {len(found):5,d} tensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", nargs="+", choices=[*NAMES, "clip"], default=NAMES)
    parser.add_argument("--count", action="store_true")
    arguments = parser.parse_args()
    if arguments.count:
        return count()
    if arguments.out is None:
        parser.error("--out is needed")
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    for name in arguments.only:
        start = time.time()
        torch.manual_seed(SEED)
        if name == "extras":
            extras(out / "audioldm2")
        elif name == "imagebind":
            write_imagebind(out / "imagebind_huge.pth")
        elif name == "aligner":
            write_aligner(out / "aligner-4.pt")
        elif name == "clip":
            clip().save_pretrained(out / "clip-vit-b32")
        else:
            model = globals()[name]()
            model.save_pretrained(out / "audioldm2" / name)
            del model
        gc.collect()
        print(f"{name}: {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
