"""Seeds, weights and files shared by every module of the reference.

Every random number is drawn from a generator seeded by a *name*, so that a tensor's values do not
depend on the order in which things are made.
"""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

SUPPORT_PROMPT = "Music representing the content of this artwork"
NEGATIVE_PROMPT = "Low quality"


def rng(name: str) -> np.random.Generator:
    """A generator that depends on `name` alone."""
    digest = hashlib.sha256(f"art2mus reference 1/{name}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))


def normal(name: str, *shape: int, std: float = 1.0, mean: float = 0.0) -> torch.Tensor:
    """float32 normal values, reproducible by `name`."""
    values = rng(name).standard_normal(shape) * std + mean
    return torch.from_numpy(np.asarray(values, dtype=np.float32)).reshape(shape)


def _fan_in(module: torch.nn.Module, weight: torch.Tensor) -> float:
    """How many inputs feed one output, given the module's own weight layout."""
    if isinstance(module, torch.nn.ConvTranspose1d):  # [in, out, k]
        return weight.shape[0] * weight.shape[2] / module.stride[0]
    if type(module).__name__ == "Conv1D":  # GPT-2: [in, out]
        return weight.shape[0]
    return weight[0].numel()  # [out, in, ...]


@torch.no_grad()
def liven(model: torch.nn.Module, component: str, rules: dict[str, float] | None = None) -> None:
    """Replaces every weight, bias, norm and embedding by lively random values.

    Linear and convolution weights have standard deviation `gain / sqrt(fan in)`; norms scatter
    around 1 and 0; biases around 0. `rules` maps a regular expression on the tensor's name to a
    gain that replaces the default (1 for weights, 0.2 for biases, 0.5 for bare tensors). A rule
    that starts with `=` sets the *mean* instead.
    """
    gains = {k: v for k, v in (rules or {}).items() if not k.startswith("=")}
    means = {k[1:]: v for k, v in (rules or {}).items() if k.startswith("=")}

    def lookup(table: dict[str, float], name: str, default: float) -> float:
        found = [v for k, v in table.items() if re.search(k, name)]
        return found[-1] if found else default

    for prefix, module in model.named_modules():
        is_norm = "norm" in type(module).__name__.lower()
        is_embedding = isinstance(module, torch.nn.Embedding)
        for leaf, tensor in module.named_parameters(recurse=False):
            name = f"{prefix}.{leaf}" if prefix else leaf
            mean = 0.0
            if is_norm:
                std = lookup(gains, name, 0.2)
                mean = 1.0 if leaf == "weight" else 0.0
            elif leaf == "bias" or tensor.ndim == 1:
                std = lookup(gains, name, 0.2)
            elif is_embedding:
                std = lookup(gains, name, 0.7)
            elif leaf == "weight":
                std = lookup(gains, name, 1.0) / _fan_in(module, tensor) ** 0.5
            else:
                std = lookup(gains, name, 0.5)
            mean = lookup(means, name, mean)
            tensor.copy_(normal(f"{component}/{name}", *tensor.shape, std=std, mean=mean))
    model.eval()


def save_trace(path: Path, tensors: dict[str, torch.Tensor], **settings) -> None:
    """Writes a trace: float32 tensors, and its settings as JSON in the metadata key `settings`."""
    out = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().to(torch.float32).contiguous().clone()
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{path.name}: {name} is not finite")
        out[name] = tensor
    save_file(out, path, metadata={"settings": json.dumps(settings, sort_keys=True)})


class Taps(dict):
    """Collects outputs of modules while a block of code runs.

    `with Taps({"unet.conv_in": unet.conv_in}) as taps: ...`: afterwards `taps["unet.conv_in"]` is
    the *first* output that the module produced. A module that returns a tuple gives its first
    element.
    """

    def __init__(self, modules: dict[str, torch.nn.Module]):
        super().__init__()
        self.modules = modules
        self.handles = []

    def _hook(self, name):
        def hook(_module, _inputs, output):
            first = output[0] if isinstance(output, tuple) else output
            self.setdefault(name, first.detach().clone())

        return hook

    def __enter__(self):
        for name, module in self.modules.items():
            self.handles.append(module.register_forward_hook(self._hook(name)))
        return self

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()


def indexed(prefix: str, modules) -> dict[str, torch.nn.Module]:
    """`{prefix.0: modules[0], ...}`."""
    return {f"{prefix}.{i}": module for i, module in enumerate(modules)}


def write_sums(folder: Path) -> None:
    """SHA256SUMS of everything below `folder`, in the format of `sha256sum -c`."""
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "SHA256SUMS":
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    (folder / "SHA256SUMS").write_text("".join(lines))
