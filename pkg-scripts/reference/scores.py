"""What scores are computed with: VGGish with few channels, the Fréchet distance, the divergence of spectra, BERT.

    python scores.py [FOLDER]     writes FOLDER/vggish-tiny.pth, bert-tiny/ and trace-scores.safetensors

Runs alone, with torch, numpy and safetensors. VGGish's front end and librosa's decibels are written out here in numpy, from
their published definitions; the Fréchet distance takes the roots of the eigenvalues of the product of both covariances, in
double precision, which is what the trace of its matrix root is.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from common import liven, normal, rng, save_trace, write_sums

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures"
CHANNELS, WIDTHS = (4, 6, 8, 8, 10, 10), (24, 20, 12)


# --- VGGish -----------------------------------------------------------------------------------


class Vggish(nn.Module):
    """The layers of torchvggish, with their numbers."""

    def __init__(self):
        super().__init__()
        layers, inputs = [], 1
        for channels, pooled in zip(CHANNELS, (True, True, False, True, False, True)):
            layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU(inplace=True)]
            if pooled:
                layers.append(nn.MaxPool2d(2, 2))
            inputs = channels
        self.features = nn.Sequential(*layers)
        first, second, last = WIDTHS
        self.embeddings = nn.Sequential(
            nn.Linear(inputs * 6 * 4, first), nn.ReLU(True), nn.Linear(first, second), nn.ReLU(True),
            nn.Linear(second, last), nn.ReLU(True),
        )

    def forward(self, x):
        x = self.features(x)
        x = x.permute(0, 2, 3, 1).reshape(len(x), -1)
        # Published scores leave the last ReLU out.
        return self.embeddings[:-1](x)


def log_mel(wave: np.ndarray) -> np.ndarray:
    """[frames, 64] of a wave at 16 kHz: magnitudes, HTK mel, ln(x + 0.01)."""
    frames = 1 + (len(wave) - 400) // 160
    window = 0.5 - 0.5 * np.cos(2 * np.pi / 400 * np.arange(400))
    framed = np.stack([wave[160 * t : 160 * t + 400] * window for t in range(frames)])
    magnitude = np.abs(np.fft.rfft(framed, 512))
    mel = lambda hz: 1127.0 * np.log(1.0 + hz / 700.0)
    bins = mel(np.linspace(0.0, 8000.0, 257))
    edges = np.linspace(mel(125.0), mel(7500.0), 66)
    matrix = np.empty((257, 64))
    for band in range(64):
        low, middle, high = edges[band : band + 3]
        matrix[:, band] = np.maximum(0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    matrix[0] = 0
    return np.log(magnitude @ matrix + 0.01)


def patches(wave: np.ndarray) -> np.ndarray:
    features = log_mel(wave)
    count = len(features) // 96
    return features[: 96 * count].reshape(count, 96, 64)


# --- distances --------------------------------------------------------------------------------


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    means = a.mean(0) - b.mean(0)
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    roots = np.sqrt(np.linalg.eigvals(s @ t).astype(complex)).real.sum()
    return float(means @ means + np.trace(s) + np.trace(t) - 2 * roots)


def divergence(truth: np.ndarray, made: np.ndarray) -> float:
    def distribution(wave):
        wave = np.pad(wave.astype(np.float64), 1024)
        window = 0.5 - 0.5 * np.cos(2 * np.pi / 2048 * np.arange(2048))
        frames = np.stack([wave[at : at + 2048] * window for at in range(0, len(wave) - 2047, 512)])
        power = np.abs(np.fft.rfft(frames)) ** 2
        # librosa.amplitude_to_db(power, ref=np.max)
        level = 10 * np.log10(np.maximum(1e-10, power**2)) - 10 * np.log10(max(1e-10, power.max() ** 2))
        level = np.maximum(level, level.max() - 80.0).sum(0)
        return level / level.sum()

    p, q = distribution(truth), distribution(made)
    return float((p * np.log(p / q)).sum())


# --- BERT -------------------------------------------------------------------------------------

BERT = {
    "vocab_size": 64, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 40,
    "max_position_embeddings": 20, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu",
    "model_type": "bert", "pad_token_id": 0,
}
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a calm quiet lake with blue water and slow piano music the ##s ##ly ##ing play , . ' ##er " \
    "dark light bright road in of un ##known e ##x ##y"


class BertLayer(nn.Module):
    def __init__(self, width, heads, inner, eps):
        super().__init__()
        own = lambda **parts: nn.ModuleDict(parts)
        self.heads = heads
        self.attention = own(
            self=own(query=nn.Linear(width, width), key=nn.Linear(width, width), value=nn.Linear(width, width)),
            output=own(dense=nn.Linear(width, width), LayerNorm=nn.LayerNorm(width, eps=eps)),
        )
        self.intermediate = own(dense=nn.Linear(width, inner))
        self.output = own(dense=nn.Linear(inner, width), LayerNorm=nn.LayerNorm(width, eps=eps))

    def forward(self, x):
        split = lambda y: y.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        q, k, v = (split(self.attention["self"][name](x)) for name in ("query", "key", "value"))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = self.attention["output"]["LayerNorm"](x + self.attention["output"]["dense"](y))
        y = self.output["dense"](F.gelu(self.intermediate["dense"](x)))
        return self.output["LayerNorm"](x + y)


class Bert(nn.Module):
    def __init__(self):
        super().__init__()
        width, eps = BERT["hidden_size"], BERT["layer_norm_eps"]
        self.embeddings = nn.ModuleDict({
            "word_embeddings": nn.Embedding(BERT["vocab_size"], width),
            "position_embeddings": nn.Embedding(BERT["max_position_embeddings"], width),
            "token_type_embeddings": nn.Embedding(BERT["type_vocab_size"], width),
            "LayerNorm": nn.LayerNorm(width, eps=eps),
        })
        layer = lambda: BertLayer(width, BERT["num_attention_heads"], BERT["intermediate_size"], eps)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(layer() for _ in range(BERT["num_hidden_layers"]))})

    def forward(self, ids):
        e = self.embeddings
        x = e["word_embeddings"](ids) + e["position_embeddings"].weight[: ids.shape[1]] + e["token_type_embeddings"].weight[0]
        states = [e["LayerNorm"](x)]
        for layer in self.encoder["layer"]:
            states.append(layer(states[-1]))
        return states


def greedy_f1(candidate: torch.Tensor, reference: torch.Tensor) -> float:
    """BERT-Score without idf: [CLS] and [SEP], the outermost tokens, may be matched but have no weight of their own."""
    a, b = F.normalize(candidate, dim=-1), F.normalize(reference, dim=-1)
    similarity = a @ b.T
    precision, recall = similarity.max(1).values[1:-1].mean(), similarity.max(0).values[1:-1].mean()
    return float(2 * precision * recall / (precision + recall))


# --- everything -------------------------------------------------------------------------------


def write(out: Path) -> None:
    vggish = Vggish()
    liven(vggish, "vggish")
    torch.save(vggish.state_dict(), out / "vggish-tiny.pth")

    time = np.arange(int(2.6 * 16000)) / 16000
    wave = 0.4 * np.sin(2 * np.pi * 220 * time * (1 + 0.2 * time)) + 0.1 * rng("scores/noise").standard_normal(len(time))
    wave = wave.astype(np.float32)
    other = (0.3 * np.sign(np.sin(2 * np.pi * 331 * time[:9000]))).astype(np.float32)
    other += 0.02 * rng("scores/other").standard_normal(len(other)).astype(np.float32)
    features = patches(wave.astype(np.float64)).astype(np.float32)
    with torch.no_grad():
        embeddings = vggish(torch.from_numpy(features)[:, None])

    sets = {"many.a": (60, 8), "many.b": (50, 8), "few.a": (4, 8), "few.b": (3, 8), "flat.a": (40, 8)}
    sets = {name: normal(f"scores/{name}", *shape).numpy() for name, shape in sets.items()}
    sets["many.b"] = 1.4 * sets["many.b"] + 0.3
    # More vectors than numbers, in a plane.
    sets["flat.a"][:, 2:] = sets["flat.a"][:, :2] @ normal("scores/plane", 2, 6).numpy()
    distances = {
        f"{a} {b}": frechet(sets[a], sets[b])
        for a, b in [("many.a", "many.b"), ("few.a", "few.b"), ("few.a", "many.b"), ("flat.a", "many.b"), ("flat.a", "flat.a")]
    }

    bert = Bert()
    liven(bert, "bert")
    (out / "bert-tiny").mkdir(exist_ok=True)
    save_file({f"bert.{name}": value.contiguous() for name, value in bert.state_dict().items()},
              out / "bert-tiny" / "model.safetensors")
    (out / "bert-tiny" / "config.json").write_text(json.dumps(BERT, indent=1) + "\n")
    words = WORDS.split()
    words += [f"[unused{i}]" for i in range(BERT["vocab_size"] - len(words))]
    (out / "bert-tiny" / "vocab.txt").write_text("\n".join(words) + "\n")
    ids = {"first": [2, 5, 7, 8, 9, 10, 11, 3], "second": [2, 16, 14, 18, 23, 15, 3]}
    traces = {}
    with torch.no_grad():
        for name, of in ids.items():
            for layer, state in enumerate(bert(torch.tensor([of]))):
                traces[f"bert.{name}.{layer}"] = state
    f1 = [greedy_f1(traces[f"bert.first.{layer}"][0], traces[f"bert.second.{layer}"][0]) for layer in range(4)]

    save_trace(
        out / "trace-scores.safetensors",
        {
            "vggish.wave": torch.from_numpy(wave), "vggish.patches": torch.from_numpy(features),
            "vggish.embeddings": embeddings, "divergence.other": torch.from_numpy(other),
            **{f"frechet.{name}": torch.from_numpy(value) for name, value in sets.items()}, **traces,
        },
        frechet=distances, divergence=divergence(wave, other), ids=ids, f1=f1,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FIXTURES)
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    write(folder)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    write_sums(folder)


if __name__ == "__main__":
    main()
