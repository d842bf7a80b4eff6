"""Writes full-size checkpoints of Art2Music with random weights.

    python full_size_art2music.py --out DIR

About 4.1 GB, float32, in the published formats: `DIR/open_clip/` (both towers of OpenCLIP's ViT-H-14 with a vocabulary),
`DIR/fusion.pt`, `DIR/decoder.pt` and `DIR/hifigan/` (HiFi-GAN V1 with weight norm). The vocabulary is made up: as many
merges as the published one has, of letters in the order of the alphabet.
"""

import argparse
import itertools
import time
from pathlib import Path

import torch

import art2music
from common import liven

SEED = 2026
VOCABULARY = 49408
CLIP = {
    "model_cfg": {
        "embed_dim": 1024,
        "vision_cfg": {"image_size": 224, "layers": 32, "width": 1280, "head_width": 80, "patch_size": 14},
        "text_cfg": {"context_length": 77, "vocab_size": VOCABULARY, "width": 1024, "heads": 16, "layers": 24},
    }
}


def block(generator, width: int, mlp: int) -> dict[str, torch.Tensor]:
    """The tensors of a residual attention block, under OpenAI's names."""

    def draw(*shape, fan):
        return torch.empty(shape).normal_(0.0, fan**-0.5, generator=generator)

    return {
        "ln_1.weight": torch.ones(width),
        "ln_1.bias": torch.zeros(width),
        "attn.in_proj_weight": draw(3 * width, width, fan=width),
        "attn.in_proj_bias": torch.zeros(3 * width),
        "attn.out_proj.weight": draw(width, width, fan=width),
        "attn.out_proj.bias": torch.zeros(width),
        "ln_2.weight": torch.ones(width),
        "ln_2.bias": torch.zeros(width),
        "mlp.c_fc.weight": draw(mlp, width, fan=width),
        "mlp.c_fc.bias": torch.zeros(mlp),
        "mlp.c_proj.weight": draw(width, mlp, fan=mlp),
        "mlp.c_proj.bias": torch.zeros(width),
    }


def clip(folder: Path) -> None:
    """Both towers: 986 million parameters."""
    generator = torch.Generator().manual_seed(SEED)

    def draw(*shape, std):
        return torch.empty(shape).normal_(0.0, std, generator=generator)

    vision, text, out = 1280, 1024, 1024
    weights = {
        "visual.conv1.weight": draw(vision, 3, 14, 14, std=(3 * 14 * 14) ** -0.5),
        "visual.class_embedding": draw(vision, std=vision**-0.5),
        "visual.positional_embedding": draw(257, vision, std=vision**-0.5),
        "visual.ln_pre.weight": torch.ones(vision),
        "visual.ln_pre.bias": torch.zeros(vision),
        "visual.ln_post.weight": torch.ones(vision),
        "visual.ln_post.bias": torch.zeros(vision),
        "visual.proj": draw(vision, out, std=vision**-0.5),
        "token_embedding.weight": draw(VOCABULARY, text, std=0.02),
        "positional_embedding": draw(77, text, std=0.01),
        "ln_final.weight": torch.ones(text),
        "ln_final.bias": torch.zeros(text),
        "text_projection": draw(text, out, std=text**-0.5),
        "logit_scale": torch.tensor(4.6),
    }
    for start, layers, width, mlp in (("visual.", 32, vision, 5120), ("", 24, text, 4096)):
        for i in range(layers):
            for name, tensor in block(generator, width, mlp).items():
                weights[f"{start}transformer.resblocks.{i}.{name}"] = tensor
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(weights, folder / "open_clip_pytorch_model.bin")
    art2music.write_json(folder / "open_clip_config.json", CLIP)
    pairs = itertools.product(art2music.letters(), repeat=2)
    merges = [f"{a} {b}" for a, b in itertools.islice(pairs, VOCABULARY - 514)]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")


def music(out: Path) -> None:
    """Fusion, decoder and vocoder of the paper's sizes."""
    art2music.EMBEDDING, art2music.MELS = 1024, 80
    config = art2music.HIFIGAN_CONFIG | {"upsample_initial_channel": 512, "num_mels": 80}
    fusion = art2music.Fusion(hidden=512, out=512)
    decoder = art2music.Decoder(features=512, width=512, hidden=512, layers=4, positions=896)
    vocoder = art2music.Generator(config)
    liven(fusion, "art2music/fusion")
    liven(decoder, "art2music/decoder", {r"weight_[ih]h_l": 0.5, r"pos_emb": 1.0})
    liven(vocoder, "art2music/hifigan", {
        r"conv_pre\.weight": 0.4, r"ups": 1.3, r"resblocks": 0.7, r"conv_post\.weight": 0.4, r"bias": 0.1,
    })  # fmt: skip
    torch.save(fusion.state_dict(), out / "fusion.pt")
    torch.save(decoder.state_dict(), out / "decoder.pt")
    (out / "hifigan").mkdir(exist_ok=True)
    torch.save({"generator": art2music.weight_normed(vocoder.state_dict())}, out / "hifigan" / "generator_v1")
    art2music.write_json(out / "hifigan" / "config.json", config)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    for name, make in (("open_clip", lambda: clip(out / "open_clip")), ("music", lambda: music(out))):
        start = time.time()
        make()
        print(f"{name}: {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
