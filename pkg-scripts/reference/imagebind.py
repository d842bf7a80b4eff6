"""ImageBind's vision, audio and text trunks in plain tensor operations over a state dict.

Tensor names are those of `imagebind_huge.pth`; the head counts (16, 12, 16) are not in the file
and never change. `HUGE` and `TINY` are the sizes for which `state_dict` makes random weights.
Shapes: B pictures, C clips, D width, T tokens.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from common import normal

HEADS = {"vision": 16, "audio": 12, "text": 16}


@dataclass(frozen=True)
class Sizes:
    """Widths and depths of the three trunks and of the shared embedding."""

    vision: tuple[int, int]
    audio: tuple[int, int]
    text: tuple[int, int]
    vocabulary: int
    embedding: int


HUGE = Sizes(vision=(1280, 32), audio=(768, 12), text=(1024, 24), vocabulary=49408, embedding=1024)
TINY = Sizes(vision=(64, 2), audio=(48, 2), text=(64, 2), vocabulary=300, embedding=32)


def shapes(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Every tensor of the three trunks with its shape, in the order of the model."""
    out: dict[str, tuple[int, ...]] = {}

    def norm(name, d):
        out[f"{name}.weight"] = (d,)
        out[f"{name}.bias"] = (d,)

    def linear(name, d_in, d_out):
        out[f"{name}.weight"] = (d_out, d_in)
        out[f"{name}.bias"] = (d_out,)

    def blocks(modality, d, depth, bias_kv=False):
        for i in range(depth):
            p = f"modality_trunks.{modality}.blocks.{i}"
            out[f"{p}.attn.in_proj_weight"] = (3 * d, d)
            out[f"{p}.attn.in_proj_bias"] = (3 * d,)
            if bias_kv:
                out[f"{p}.attn.bias_k"] = (1, 1, d)
                out[f"{p}.attn.bias_v"] = (1, 1, d)
            linear(f"{p}.attn.out_proj", d, d)
            norm(f"{p}.norm_1", d)
            linear(f"{p}.mlp.fc1", d, 4 * d)
            linear(f"{p}.mlp.fc2", 4 * d, d)
            norm(f"{p}.norm_2", d)

    d, depth = sizes.vision
    out["modality_preprocessors.vision.cls_token"] = (1, 1, d)
    out["modality_preprocessors.vision.rgbt_stem.proj.1.weight"] = (d, 3, 2, 14, 14)
    out["modality_preprocessors.vision.pos_embedding_helper.pos_embed"] = (1, 257, d)
    norm("modality_trunks.vision.pre_transformer_layer.0", d)
    blocks("vision", d, depth)
    norm("modality_heads.vision.0", d)
    out["modality_heads.vision.2.weight"] = (sizes.embedding, d)

    d, depth = sizes.text
    out["modality_preprocessors.text.pos_embed"] = (1, 77, d)
    out["modality_preprocessors.text.mask"] = (77, 77)
    out["modality_preprocessors.text.token_embedding.weight"] = (sizes.vocabulary, d)
    blocks("text", d, depth)
    norm("modality_heads.text.proj.0", d)
    out["modality_heads.text.proj.1.weight"] = (sizes.embedding, d)
    out["modality_postprocessors.text.1.log_logit_scale"] = ()

    d, depth = sizes.audio
    out["modality_preprocessors.audio.cls_token"] = (1, 1, d)
    out["modality_preprocessors.audio.rgbt_stem.proj.weight"] = (d, 1, 16, 16)
    norm("modality_preprocessors.audio.rgbt_stem.norm_layer", d)
    out["modality_preprocessors.audio.pos_embedding_helper.pos_embed"] = (1, 229, d)
    blocks("audio", d, depth, bias_kv=True)
    norm("modality_heads.audio.0", d)
    out["modality_heads.audio.2.weight"] = (sizes.embedding, d)
    out["modality_postprocessors.audio.1.log_logit_scale"] = ()
    return out


def value(name: str, shape: tuple[int, ...], draw) -> torch.Tensor:
    """Random value of one tensor; `draw(name, *shape, std=, mean=)` supplies the numbers."""
    if name.endswith("text.mask"):
        return torch.full(shape, float("-inf")).triu_(1)
    if name.endswith("text.1.log_logit_scale"):
        return torch.tensor(math.log(1 / 0.07))
    if name.endswith("audio.1.log_logit_scale"):
        return torch.tensor(math.log(20.0))
    if "norm" in name or ".pre_transformer_layer." in name or name.split(".")[-2] == "0":
        if len(shape) == 1:  # norms, those of the heads included
            return draw(name, *shape, std=0.2, mean=1.0 if name.endswith("weight") else 0.0)
    if name.endswith("in_proj_weight"):
        d = shape[1]
        weight = draw(name, *shape, std=d**-0.5)
        weight[: 2 * d] *= 2.0  # queries and keys: attention must not be uniform
        return weight
    if name.endswith("bias"):
        return draw(name, *shape, std=0.2)
    if "proj" in name or "mlp" in name or "heads" in name:
        fan_in = math.prod(shape[1:])
        gain = 2.0 if "stem" in name or "out_proj" in name else 1.0  # what is seen, and where
        return draw(name, *shape, std=gain * fan_in**-0.5)
    return draw(name, *shape, std=0.5)


def state_dict(sizes: Sizes, component: str) -> dict[str, torch.Tensor]:
    """Random weights under the real names, reproducible by `component`."""

    def draw(name, *shape, std, mean=0.0):
        return normal(f"{component}/{name}", *shape, std=std, mean=mean)

    return {name: value(name, shape, draw) for name, shape in shapes(sizes).items()}


class ImageBind:
    """Runs the trunks of a state dict; `taps` collects inner values by trace name."""

    def __init__(self, weights: dict[str, torch.Tensor]):
        self.w = weights
        self.taps: dict[str, torch.Tensor] = {}

    def _norm(self, x, name, eps=1e-6):
        return F.layer_norm(x, x.shape[-1:], self.w[f"{name}.weight"], self.w[f"{name}.bias"], eps)

    def _linear(self, x, name):
        return F.linear(x, self.w[f"{name}.weight"], self.w.get(f"{name}.bias"))

    def _attention(self, x, name, heads, mask):
        """[B, T, D] -> [B, T, D]; `bias_k`, `bias_v` add one key and value where present."""
        b, t, d = x.shape
        packed = F.linear(x, self.w[f"{name}.in_proj_weight"], self.w[f"{name}.in_proj_bias"])
        q, k, v = packed.chunk(3, dim=-1)
        if f"{name}.bias_k" in self.w:
            k = torch.cat([k, self.w[f"{name}.bias_k"].expand(b, 1, d)], dim=1)
            v = torch.cat([v, self.w[f"{name}.bias_v"].expand(b, 1, d)], dim=1)
        q, k, v = (z.unflatten(-1, (heads, d // heads)).transpose(1, 2) for z in (q, k, v))
        scores = q @ k.transpose(-1, -2) / math.sqrt(d // heads)
        if mask is not None:
            scores = scores + mask
        out = scores.softmax(dim=-1) @ v
        return self._linear(out.transpose(1, 2).reshape(b, t, d), f"{name}.out_proj")

    def _trunk(self, x, modality, mask=None):
        """The pre-norm blocks; taps `imagebind.<modality>.blocks.<i>`."""
        i = 0
        while f"modality_trunks.{modality}.blocks.{i}.norm_1.weight" in self.w:
            p = f"modality_trunks.{modality}.blocks.{i}"
            x = x + self._attention(self._norm(x, f"{p}.norm_1"), f"{p}.attn", HEADS[modality], mask)
            h = F.gelu(self._linear(self._norm(x, f"{p}.norm_2"), f"{p}.mlp.fc1"))
            x = x + self._linear(h, f"{p}.mlp.fc2")
            self.taps[f"imagebind.{modality}.blocks.{i}"] = x
            i += 1
        return x

    def _add_class_and_position(self, x, modality):
        p = f"modality_preprocessors.{modality}"
        cls = self.w[f"{p}.cls_token"].expand(x.shape[0], -1, -1)
        return torch.cat([cls, x], dim=1) + self.w[f"{p}.pos_embedding_helper.pos_embed"]

    def _head(self, x, modality):
        """Takes token 0 of [B, T, D] to a unit vector [B, embedding]."""
        x = self._norm(x, f"modality_heads.{modality}.0")[:, 0]
        return F.normalize(self._linear(x, f"modality_heads.{modality}.2"), dim=-1, eps=1e-12)

    @torch.no_grad()
    def vision(self, pixels):
        """[B, 3, 224, 224] -> unit [B, embedding]."""
        video = pixels[:, :, None].repeat(1, 1, 2, 1, 1)
        stem = self.w["modality_preprocessors.vision.rgbt_stem.proj.1.weight"]
        x = F.conv3d(video, stem, stride=stem.shape[2:]).flatten(2).transpose(1, 2)
        x = self._add_class_and_position(x, "vision")
        self.taps["imagebind.vision.stem"] = x
        x = self._norm(x, "modality_trunks.vision.pre_transformer_layer.0")
        return self._head(self._trunk(x, "vision"), "vision")

    @torch.no_grad()
    def audio(self, clips):
        """[B, C, 1, 128, 204] -> [B, embedding]: mean over clips of 20 x unit vectors."""
        b, c = clips.shape[:2]
        p = "modality_preprocessors.audio.rgbt_stem"
        x = F.conv2d(clips.flatten(0, 1), self.w[f"{p}.proj.weight"], stride=10)
        x = self._norm(x.flatten(2).transpose(1, 2), f"{p}.norm_layer", eps=1e-5)
        x = self._trunk(self._add_class_and_position(x, "audio"), "audio")
        scale = self.w["modality_postprocessors.audio.1.log_logit_scale"].exp().clip(max=100)
        return (self._head(x, "audio") * scale).unflatten(0, (b, c)).mean(dim=1)

    @torch.no_grad()
    def text(self, ids):
        """[B, 77] -> [B, embedding]: unit vectors times the learned scale."""
        p = "modality_preprocessors.text"
        x = self.w[f"{p}.token_embedding.weight"][ids] + self.w[f"{p}.pos_embed"]
        mask = torch.full((x.shape[1], x.shape[1]), float("-inf")).triu(1)
        x = self._trunk(x, "text", mask)
        x = x[torch.arange(x.shape[0]), ids.argmax(dim=-1)]
        x = self._norm(x, "modality_heads.text.proj.0")
        x = F.normalize(self._linear(x, "modality_heads.text.proj.1"), dim=-1, eps=1e-12)
        return x * self.w["modality_postprocessors.text.1.log_logit_scale"].exp().clip(max=100)
