"""Art2Music on tiny random checkpoints: OpenCLIP's two towers, gated residual fusion, the BiLSTM decoder, HiFi-GAN.

    python art2music.py [FOLDER]     writes FOLDER/art2music-tiny, FOLDER/trace-art2music.safetensors and
                                     FOLDER/art2music-training.safetensors

The networks are written out here with PyTorch's own layers, under the names of the published files: OpenCLIP and the
original HiFi-GAN are not needed.
"""

import argparse
import gzip
import json
import re
from collections import Counter
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

import features
from common import Taps, indexed, liven, normal, save_trace, write_sums

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures"
COMMENT = "The quiet lake makes me feel calm, and I'd hear a slow piano."
SECONDS, RATE, HOP, MELS = 0.5, 22050, 256, 16
EMBEDDING, CONTEXT, VOCABULARY = 24, 24, 640
# Any two numbers will do.
SCALE, MEAN = 1.5, -2.0


# --- OpenCLIP ---------------------------------------------------------------------------------


class Block(nn.Module):
    """A residual attention block, as OpenAI wrote it."""

    def __init__(self, width: int, heads: int, mlp: int):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, mlp), "c_proj": nn.Linear(mlp, width)})

    def forward(self, x, mask=None):
        h = self.ln_1(x)
        x = x + self.attn(h, h, h, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x))))


class Transformer(nn.Module):
    def __init__(self, width: int, heads: int, layers: int, mlp: int):
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads, mlp) for _ in range(layers))

    def forward(self, x, mask=None):
        for block in self.resblocks:
            x = block(x, mask)
        return x


class Vision(nn.Module):
    def __init__(self, width=40, heads=2, layers=2, mlp=72, patch=16, image=224):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty((image // patch) ** 2 + 1, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(width, heads, layers, mlp)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.empty(width, EMBEDDING))

    def forward(self, pixels):
        x = self.conv1(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], 1) + self.positional_embedding
        return self.ln_post(self.transformer(self.ln_pre(x))[:, 0]) @ self.proj


class OpenClip(nn.Module):
    def __init__(self, width=32, heads=2, layers=2, mlp=48):
        super().__init__()
        self.visual = Vision()
        self.transformer = Transformer(width, heads, layers, mlp)
        self.token_embedding = nn.Embedding(VOCABULARY, width)
        self.positional_embedding = nn.Parameter(torch.empty(CONTEXT, width))
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, EMBEDDING))
        self.logit_scale = nn.Parameter(torch.empty(1))

    def encode_text(self, ids):
        x = self.token_embedding(ids) + self.positional_embedding
        mask = torch.full((CONTEXT, CONTEXT), float("-inf")).triu(1)
        x = self.ln_final(self.transformer(x, mask))
        return x[torch.arange(len(x)), ids.argmax(-1)] @ self.text_projection


CLIP_CONFIG = {
    "model_cfg": {
        "embed_dim": EMBEDDING,
        "vision_cfg": {"image_size": 224, "layers": 2, "width": 40, "head_width": 20, "patch_size": 16},
        "text_cfg": {"context_length": CONTEXT, "vocab_size": VOCABULARY, "width": 32, "heads": 2, "layers": 2},
    }
}


# --- its tokenizer ----------------------------------------------------------------------------

CORPUS = """the painting makes me feel calm and happy because of the quiet lake and the soft light i feel sad and
lonely when i look at the dark sky the music is slow and gentle with a piano and strings the colours are bright and
full of life awe contentment amusement excitement fear sadness anger disgust something else"""
SPLIT = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|[^\s\w]+|_+")


def letters() -> list[str]:
    """The letters of the bytes in the order of their ids."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in shown]
    return [chr(b) for b in shown] + [chr(256 + i) for i in range(len(hidden))]


def byte_letters() -> dict[int, str]:
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return dict(zip([*shown, *(b for b in range(256) if b not in shown)], letters()))


def parts(word: str) -> tuple[str, ...]:
    table = byte_letters()
    written = [table[b] for b in word.encode()]
    return (*written[:-1], written[-1] + "</w>")


def merged(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out, at = [], 0
    while at < len(word):
        if word[at : at + 2] == pair:
            out.append(word[at] + word[at + 1])
            at += 2
        else:
            out.append(word[at])
            at += 1
    return tuple(out)


def learn_merges(count: int) -> list[tuple[str, str]]:
    words = Counter(parts(word) for word in CORPUS.split())
    merges = []
    while len(merges) < count:
        pairs = Counter()
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += times
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = Counter({merged(word, best): times for word, times in words.items()})
    return merges


def vocabulary(merges) -> list[str]:
    return [*letters(), *(x + "</w>" for x in letters()), *("".join(m) for m in merges), "<|startoftext|>", "<|endoftext|>"]


def encode(text: str, merges) -> list[int]:
    ids = {token: i for i, token in enumerate(vocabulary(merges))}
    ranks = {pair: i for i, pair in enumerate(merges)}
    out = [VOCABULARY - 2]
    for word in SPLIT.findall(text.lower()):
        word = parts(word)
        while known := [pair for pair in zip(word, word[1:]) if pair in ranks]:
            word = merged(word, min(known, key=ranks.get))
        out += [ids[token] for token in word]
    out = [*out, VOCABULARY - 1][:CONTEXT]
    out[-1] = VOCABULARY - 1
    return out


def tokenizer_json(merges) -> dict:
    """In the form of `CLIPTokenizerFast`."""
    start, end = VOCABULARY - 2, VOCABULARY - 1
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": start, "content": "<|startoftext|>", **special},
            {"id": end, "content": "<|endoftext|>", **special},
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "NFC"},
                {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
                {"type": "Lowercase"},
            ],
        },
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed", "invert": True},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            ],
        },
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": ["<|endoftext|>", end],
            "cls": ["<|startoftext|>", start],
            "trim_offsets": False,
            "add_prefix_space": False,
        },
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<|endoftext|>",
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "</w>",
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: i for i, token in enumerate(vocabulary(merges))},
            "merges": [" ".join(pair) for pair in merges],
        },
    }


# --- Art2Music --------------------------------------------------------------------------------


class Fusion(nn.Module):
    def __init__(self, hidden=16, out=20):
        super().__init__()
        self.linear = nn.Sequential(nn.Linear(2 * EMBEDDING, hidden), nn.ReLU(), nn.Linear(hidden, out))
        self.gate = nn.Sequential(nn.Linear(out, out), nn.Sigmoid())
        self.residual = nn.Linear(EMBEDDING, out)

    def forward(self, text, picture):
        out = self.linear(torch.cat([text, picture], -1))
        gate = self.gate(out)
        return gate * out + (1 - gate) * self.residual(text)


class Decoder(nn.Module):
    def __init__(self, features=20, width=20, hidden=12, layers=3, positions=60):
        super().__init__()
        self.feat_proj = nn.Linear(features, width)
        self.pos_emb = nn.Parameter(torch.empty(1, positions, width))
        self.lstm = nn.LSTM(width, hidden, layers, batch_first=True, bidirectional=True)
        self.out_proj = nn.Linear(2 * hidden, MELS)

    def forward(self, features, frames):
        x = self.feat_proj(features)[:, None].repeat(1, frames, 1) + self.pos_emb[:, :frames]
        return self.out_proj(self.lstm(x)[0])


HIFIGAN_CONFIG = {
    "resblock": "1",
    "num_gpus": 0,
    "batch_size": 16,
    "learning_rate": 0.0004,
    "adam_b1": 0.8,
    "adam_b2": 0.99,
    "lr_decay": 0.999,
    "seed": 1234,
    "upsample_rates": [8, 8, 2, 2],
    "upsample_kernel_sizes": [16, 16, 4, 4],
    "upsample_initial_channel": 16,
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    "segment_size": 8192,
    "num_mels": MELS,
    "num_freq": 1025,
    "n_fft": 1024,
    "hop_size": HOP,
    "win_size": 1024,
    "sampling_rate": RATE,
    "fmin": 0,
    "fmax": 8000,
    "fmax_for_loss": None,
    "num_workers": 4,
    "dist_config": {"dist_backend": "nccl", "dist_url": "tcp://localhost:54321", "world_size": 1},
}


class ResBlock(nn.Module):
    def __init__(self, channels: int, kernel: int, dilations):
        super().__init__()
        conv = lambda d: nn.Conv1d(channels, channels, kernel, 1, dilation=d, padding=d * (kernel - 1) // 2)  # noqa: E731
        self.convs1 = nn.ModuleList(conv(d) for d in dilations)
        self.convs2 = nn.ModuleList(conv(1) for _ in dilations)

    def forward(self, x):
        for one, two in zip(self.convs1, self.convs2):
            x = x + two(F.leaky_relu(one(F.leaky_relu(x, 0.1)), 0.1))
        return x


class Stage(nn.Module):
    """What a hook can listen to: one upsampling with the mean of its residual blocks."""

    def forward(self, x, up, blocks):
        x = up(F.leaky_relu(x, 0.1))
        return sum(block(x) for block in blocks) / len(blocks)


class Generator(nn.Module):
    """The original HiFi-GAN, before its weights are normalised."""

    def __init__(self, h=HIFIGAN_CONFIG):
        super().__init__()
        channels = h["upsample_initial_channel"]
        self.conv_pre = nn.Conv1d(h["num_mels"], channels, 7, 1, padding=3)
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        for rate, kernel in zip(h["upsample_rates"], h["upsample_kernel_sizes"]):
            self.ups.append(nn.ConvTranspose1d(channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2))
            channels //= 2
            for size, dilations in zip(h["resblock_kernel_sizes"], h["resblock_dilation_sizes"]):
                self.resblocks.append(ResBlock(channels, size, dilations))
        self.conv_post = nn.Conv1d(channels, 1, 7, 1, padding=3)
        self.stages = nn.ModuleList(Stage() for _ in self.ups)

    def forward(self, mel):
        x = self.conv_pre(mel.transpose(1, 2))
        for i, (stage, up) in enumerate(zip(self.stages, self.ups)):
            x = stage(x, up, self.resblocks[3 * i : 3 * i + 3])
        return torch.tanh(self.conv_post(F.leaky_relu(x))).squeeze(1)


def weight_normed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Every weight as length and direction, as `weight_norm` saves it; directions are of any length."""
    out = {}
    for name, tensor in state.items():
        if not name.endswith("weight"):
            out[name] = tensor
            continue
        length = tensor.flatten(1).norm(dim=1).reshape(-1, *[1] * (tensor.ndim - 1))
        out[f"{name}_g"] = length
        out[f"{name}_v"] = tensor * normal(f"art2music/{name}", *length.shape).abs().add(0.5)
    return out


# --- HiFi-GAN's discriminators ----------------------------------------------------------------

PERIODS = (2, 3, 5, 7, 11)
CHANNELS = 4


def wave(name: str, *shape: int) -> torch.Tensor:
    """Weights that need no file: a sine over the places of elements, of a phase that the name decides."""
    count = 1
    for size in shape:
        count *= size
    place = torch.arange(count, dtype=torch.float64) + sum(name.encode()) % 97
    if name.endswith("weight_g"):
        values = 1.2 + 0.3 * torch.sin(place)
    elif name.endswith("bias"):
        values = 0.1 * torch.sin(0.3 * place)
    else:
        values = torch.sin(0.7 * place)
    return values.float().reshape(shape)


def normed(name: str, outputs: int, inputs: int, kernel: int):
    """Weight and bias of a convolution in one dimension, the weight as length and direction."""
    direction = wave(f"{name}.weight_v", outputs, inputs, kernel)
    length = wave(f"{name}.weight_g", outputs, 1, 1)
    return length * direction / direction.flatten(1).norm(dim=1)[:, None, None], wave(f"{name}.bias", outputs)


def of_period(index: int, period: int, x: torch.Tensor) -> list[torch.Tensor]:
    """What all layers see, the score last: two-dimensional convolutions, as the authors have them."""
    if x.shape[1] % period:
        x = F.pad(x[:, None], (0, period - x.shape[1] % period), "reflect")[:, 0]
    x = x.reshape(len(x), 1, -1, period)
    sizes = [1, CHANNELS, 4 * CHANNELS, 16 * CHANNELS, 32 * CHANNELS, 32 * CHANNELS]
    seen = []
    for i, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        weight, bias = normed(f"periods.{index}.convs.{i}", outputs, inputs, 5)
        x = F.leaky_relu(F.conv2d(x, weight[..., None], bias, (3 if i < 4 else 1, 1), (2, 0)), 0.1)
        seen.append(x)
    weight, bias = normed(f"periods.{index}.conv_post", 1, sizes[-1], 3)
    return [*seen, F.conv2d(x, weight[..., None], bias, 1, (1, 0))]


def of_scale(index: int, x: torch.Tensor) -> list[torch.Tensor]:
    c = 4 * CHANNELS
    layers = [
        (1, c, 15, 1, 1), (c, c, 41, 2, 4), (c, 2 * c, 41, 2, 16), (2 * c, 4 * c, 41, 4, 16),
        (4 * c, 8 * c, 41, 4, 16), (8 * c, 8 * c, 41, 1, 16), (8 * c, 8 * c, 5, 1, 1),
    ]  # fmt: skip
    seen = []
    for i, (inputs, outputs, kernel, stride, groups) in enumerate(layers):
        weight, bias = normed(f"scales.{index}.convs.{i}", outputs, inputs // groups, kernel)
        x = F.leaky_relu(F.conv1d(x, weight, bias, stride, kernel // 2, 1, groups), 0.1)
        seen.append(x)
    weight, bias = normed(f"scales.{index}.conv_post", 1, 8 * c, 3)
    return [*seen, F.conv1d(x, weight, bias, 1, 1)]


def verdicts(x: torch.Tensor) -> list[list[torch.Tensor]]:
    found = [of_period(i, period, x) for i, period in enumerate(PERIODS)]
    x = x[:, None]
    for index in range(3):
        if index:
            x = F.avg_pool1d(x, 4, 2, padding=2)
        found.append(of_scale(index, x))
    return found


# --- files ------------------------------------------------------------------------------------


def networks():
    """All of them, the same in every run."""
    clip, fusion, decoder, vocoder = OpenClip(), Fusion(), Decoder(), Generator()
    liven(clip, "art2music/clip", {r"in_proj_weight": 1.5 / 6, r"proj$": 0.2, r"text_projection": 0.2})
    liven(fusion, "art2music/fusion")
    recurrent = {rf"weight_[ih]h_l{layer}": 0.35 for layer in range(3)}
    liven(decoder, "art2music/decoder", recurrent | {r"out_proj\.weight": 2.0})
    liven(vocoder, "art2music/hifigan", {
        r"conv_pre\.weight": 0.4, r"ups": 1.3, r"resblocks": 0.7, r"conv_post\.weight": 0.4, r"bias": 0.1,
    })
    return clip, fusion, decoder, vocoder


def write(out: Path) -> None:
    """The checkpoints and the trace."""
    torch.manual_seed(0)
    clip, fusion, decoder, vocoder = networks()
    merges = learn_merges(VOCABULARY - 514)
    folder = out / "art2music-tiny"
    (folder / "open_clip").mkdir(parents=True, exist_ok=True)
    (folder / "hifigan").mkdir(exist_ok=True)
    torch.save(clip.state_dict(), folder / "open_clip" / "open_clip_pytorch_model.bin")
    write_json(folder / "open_clip" / "open_clip_config.json", CLIP_CONFIG)
    write_json(folder / "open_clip" / "tokenizer.json", tokenizer_json(merges))
    lines = ['"bpe_simple_vocab_16e6.txt#version: 0.2', *(" ".join(pair) for pair in merges), "q q"]
    text = "\n".join(lines) + "\n"
    (folder / "bpe_simple_vocab.txt.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    torch.save(decoder.state_dict(), folder / "decoder.pt")
    torch.save(fusion.state_dict(), folder / "fusion.pt")
    torch.save({"generator": weight_normed(vocoder.state_dict())}, folder / "hifigan" / "generator_v1")
    write_json(folder / "hifigan" / "config.json", HIFIGAN_CONFIG)
    trace(out, clip, fusion, decoder, vocoder, merges)
    training(out, fusion, decoder)


def write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


@torch.no_grad()
def trace(out: Path, clip, fusion, decoder, vocoder, merges) -> None:
    """Every stage for picture.png and the comment."""
    pixels = torch.from_numpy(features.image_pixels(Image.open(out / "picture.png")))
    ids = encode(COMMENT, merges)
    frames = -(-int(SECONDS * RATE) // HOP)
    modules = {"clip.embeddings": clip.visual.ln_pre} | indexed("clip.blocks", clip.visual.transformer.resblocks)
    modules |= indexed("clip.text.blocks", clip.transformer.resblocks)
    modules |= {"fusion.gate": fusion.gate, "mel_decoder.lstm": decoder.lstm}
    modules |= indexed("hifigan.stages", vocoder.stages)
    with Taps(modules) as taps:
        picture = clip.visual(pixels)
        padded = torch.tensor([ids + [0] * (CONTEXT - len(ids))])
        text = clip.encode_text(padded)
        fused = fusion(text, picture)
        mel = decoder(fused, frames) * SCALE + MEAN
        waveform = vocoder(mel)[:, : int(SECONDS * RATE)]
    tensors = dict(taps)
    for i in range(len(clip.transformer.resblocks)):
        tensors[f"clip.text.blocks.{i}"] = tensors[f"clip.text.blocks.{i}"][:, : len(ids)]
    tensors |= {
        "image.embedding": picture,
        "text.ids": torch.tensor([ids]),
        "text.embedding": text,
        "fusion.features": fused,
        "mel_decoder.mel": mel,
        "waveform": waveform,
    }
    settings = {"comment": COMMENT, "seconds": SECONDS, "scale": SCALE, "mean": MEAN}
    save_trace(out / "trace-art2music.safetensors", tensors, **settings)


def training(out: Path, fusion, decoder) -> None:
    """Losses and gradients: of the fusion and the decoder, and of a vocoder that discriminators judge."""
    items, frames = 3, 30
    text, picture = normal("art2music/text", items, EMBEDDING), normal("art2music/picture", items, EMBEDDING)
    target = normal("art2music/target", items, frames, MELS, std=SCALE, mean=MEAN)
    weights = torch.linspace(1.0, 1.5, MELS)
    made = decoder(fusion(text, picture), frames)
    loss = (weights * (made - (target - MEAN) / SCALE)).abs().mean()
    fusion.zero_grad()
    decoder.zero_grad()
    loss.backward()
    tensors = {"text": text, "picture": picture, "target": target, "loss": loss.reshape(1)}
    for name, module in (("fusion", fusion), ("mel-decoder", decoder)):
        tensors |= {f"gradient.{name}.{key}": p.grad for key, p in module.named_parameters()}

    real = normal("art2music/real", 2, 2048, std=0.2)
    fake = (0.7 * real + normal("art2music/fake", 2, 2048, std=0.1)).requires_grad_()
    seen, own = verdicts(real), verdicts(fake)
    judged = sum(((a[-1] - 1) ** 2).mean() + (b[-1] ** 2).mean() for a, b in zip(seen, own))
    adversarial = sum(((b[-1] - 1) ** 2).mean() for b in own)
    matching = 2 * sum((x - y).abs().mean() for a, b in zip(seen, own) for x, y in zip(a, b))
    (adversarial + matching).backward()
    tensors |= {
        "sound.real": real,
        "sound.made": fake,
        "sound.discriminator": judged.reshape(1),
        "sound.adversarial": adversarial.reshape(1),
        "sound.matching": matching.reshape(1),
        "sound.gradient": fake.grad,
    }
    save_trace(out / "art2music-training.safetensors", tensors, scale=SCALE, mean=MEAN, channels=CHANNELS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FIXTURES)
    out = parser.parse_args().folder
    torch.set_num_threads(1)
    write(out)
    files = [out / "trace-art2music.safetensors", out / "art2music-training.safetensors"]
    for path in [*(out / "art2music-tiny").rglob("*"), *files]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    write_sums(out)


if __name__ == "__main__":
    main()
