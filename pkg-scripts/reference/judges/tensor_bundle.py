"""Reads a TensorFlow checkpoint of version 2 (a "tensor bundle") with numpy alone.

The index is a LevelDB table whose values are BundleEntryProto messages (tensorflow/core/protobuf/tensor_bundle.proto):
shape, offset and size in the data file.
"""

import struct
from pathlib import Path

import numpy as np

FLOAT32 = 1
FOOTER_BYTES = 48
TRAILER_BYTES = 4


def varint(data, at):
    """A number in base 128, and where the next byte is."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def block(data, offset, size):
    """Keys and values of a block; a key repeats the beginning of the one before."""
    block = data[offset : offset + size]
    (restarts,) = struct.unpack("<I", block[-TRAILER_BYTES:])
    end = len(block) - TRAILER_BYTES - 4 * restarts
    at, key = 0, b""
    while at < end:
        shared, at = varint(block, at)
        own, at = varint(block, at)
        length, at = varint(block, at)
        key = key[:shared] + block[at : at + own]
        at += own
        yield key, block[at : at + length]
        at += length


def message(data):
    """The fields of a protocol buffer by number, each a list."""
    at, fields = 0, {}
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 2:
            length, at = varint(data, at)
            value = data[at : at + length]
            at += length
        elif kind == 5:
            value = data[at : at + 4]
            at += 4
        else:
            raise ValueError(f"a field of kind {kind} in the checkpoint's index")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def load(prefix):
    """All 32-bit tensors by name; `prefix` is the path without `.index`."""
    index = Path(f"{prefix}.index").read_bytes()
    data = Path(f"{prefix}.data-00000-of-00001").read_bytes()
    footer = index[-FOOTER_BYTES:]
    at = 0
    for _ in range(2):
        _, at = varint(footer, at)
    offset, at = varint(footer, at)
    size, at = varint(footer, at)
    tensors = {}
    for _, handle in block(index, offset, size):
        offset, at = varint(handle, 0)
        size, _ = varint(handle, at)
        for key, value in block(index, offset, size):
            entry = message(value)
            if not key or entry.get(1, [0])[0] != FLOAT32:
                continue
            dims = message(entry[2][0]).get(2, []) if 2 in entry else []
            shape = [message(dim).get(1, [0])[0] for dim in dims]
            begin, count = entry.get(4, [0])[0], entry.get(5, [0])[0]
            tensors[key.decode()] = np.frombuffer(data[begin : begin + count], "<f4").reshape(shape)
    return tensors
