"""State dicts that are more than contiguous floats in a zip archive, and what is in them."""

import io
import zipfile
from collections import OrderedDict

import torch
from safetensors.torch import save_file


def views():
    """Every way in which a tensor can lie in a storage that it does not fill in order."""
    base = torch.arange(48, dtype=torch.float32) / 7 - 3
    cube = base[:24].reshape(2, 3, 4).clone()
    matrix = base.reshape(6, 8).clone()
    tensors = OrderedDict(
        transposed=matrix.t(),
        part=matrix[2:5, 1::3],
        column=matrix[:, 3],
        permuted=cube.permute(2, 0, 1),
        expanded=base[5:8].clone().reshape(3, 1).expand(3, 4),
        diagonal=torch.diagonal(matrix),
        scalar=base[11].clone(),
        half=matrix.to(torch.float16).t(),
        bfloat=matrix.to(torch.bfloat16)[1:, 2:],
        double=(matrix.to(torch.float64) / 3).t(),
        parameter=torch.nn.Parameter(cube.transpose(0, 2)),
    )
    tensors["shared.a"], tensors["shared.b"] = matrix, matrix[3:]
    return tensors


def write(folder):
    folder.mkdir(parents=True, exist_ok=True)
    tensors = views()
    expected = {name: tensor.detach().to(torch.float32).contiguous().clone() for name, tensor in tensors.items()}
    save_file(expected, folder / "views.safetensors")
    torch.save(tensors, folder / "views.pt")
    torch.save(tensors, folder / "views-legacy.pt", _use_new_zipfile_serialization=False)
    big_endian(folder / "views.pt", folder / "views-big-endian.pt")
    deflated(folder / "views.pt", folder / "views-deflated.pt")
    wrapped = {"epoch": 3, "model": {f"module._orig_mod.{name}": tensor for name, tensor in tensors.items()}, "lr": 0.1}
    torch.save(wrapped, folder / "views-wrapped.ckpt")


def rewrite(source, target, change, method):
    """The same archive with its files changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", method) as new:
        for info in old.infolist():
            new.writestr(zipfile.ZipInfo(info.filename), change(info.filename, old.read(info)), method)


def deflated(source, target):
    rewrite(source, target, lambda _, content: content, zipfile.ZIP_DEFLATED)


def big_endian(source, target):
    """As a big-endian machine would have written it."""
    sizes = {}
    tensors = torch.load(source, weights_only=True)
    with zipfile.ZipFile(source) as archive:
        prefix = archive.namelist()[0].split("/")[0]

        class Reader(torch.serialization.pickle.Unpickler):
            def persistent_load(self, saved):
                storage = saved[1]
                sizes[saved[2]] = storage(0).element_size()
                return storage(saved[4])

        Reader(io.BytesIO(archive.read(f"{prefix}/data.pkl"))).load()

    def change(name, content):
        if name.endswith("/byteorder"):
            return b"big"
        key = name.rsplit("/", 1)[-1]
        if "/data/" not in name or sizes.get(key, 1) == 1:
            return content
        size = sizes[key]
        return b"".join(content[at : at + size][::-1] for at in range(0, len(content), size))

    rewrite(source, target, change, zipfile.ZIP_STORED)
    assert len(tensors) > 0
