"""The test inputs: a picture, pictures that a decoder must cope with, and a musical wave."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from common import rng

RATE = 16000


def painting(width: int, height: int, name: str, strokes: int = 260) -> Image.Image:
    """A colourful synthetic painting: sky, sun, hills and flat brush strokes, RGB."""
    r = rng(name)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    u, v = x / width, y / height
    levels = np.floor(v * 12) / 12
    top, low = np.array([36.0, 58, 130]), np.array([240.0, 150, 80])
    rgb = top + (low - top) * levels[..., None]
    sun = (u - 0.7) ** 2 + (v - 0.32) ** 2 * (height / width) ** 2 < 0.012
    rgb[sun] = (250, 222, 110)
    hills = ((0.62, 0.06, 7.0, (70, 96, 64)), (0.75, 0.08, 4.3, (122, 60, 70)), (0.88, 0.05, 9.1, (24, 34, 48)))
    for base, swing, frequency, colour in hills:
        rgb[v > base + swing * np.sin(frequency * u + base * 20)] = colour
    for _ in range(strokes):
        cx, cy, angle = r.random() * width, r.random() * height, r.random() * np.pi
        long, wide = width * (0.02 + 0.06 * r.random()), height * (0.005 + 0.012 * r.random())
        dx, dy = x - cx, y - cy
        a, b = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        spot = (np.abs(a) < long) & (np.abs(b) < wide)
        jitter = np.rint(r.normal(0, 40, 3))
        rgb[spot] = rgb[int(min(cy, height - 1)), int(min(cx, width - 1))] + jitter
    return Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8))


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _enormous_png(path: Path, side: int = 30000) -> None:
    """A valid grey 1-bit PNG of side x side zeros: 112 MB of rows, a fraction of that on disk."""
    row = bytes(1 + (side + 7) // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", header) + _png_chunk(b"IDAT", data) + _png_chunk(b"IEND", b"")
    )


def _ycck(source: Path, target: Path) -> None:
    """The inks of `source` as luminance, chrominance and black, which Photoshop writes and Pillow only reads."""
    inks = np.asarray(Image.open(source)).astype(float)
    # What is stored are the inks that are not there, so that JFIF's red, green and blue are the inks.
    mixed = inks[..., :3] @ np.array([[0.299, -0.168736, 0.5], [0.587, -0.331264, -0.418688], [0.114, 0.5, -0.081312]])
    stored = np.dstack([mixed + [0, 128, 128], 255 - inks[..., 3]]).round().clip(0, 255).astype(np.uint8)
    Image.fromarray(255 - stored, "CMYK").save(target, quality=85)
    jpeg = bytearray(target.read_bytes())
    jpeg[jpeg.index(b"Adobe") + 11] = 2
    target.write_bytes(jpeg)


def write_pictures(folder: Path) -> None:
    """picture.png and pictures/*."""
    folder.mkdir(parents=True, exist_ok=True)
    painting(300, 260, "picture").save(folder / "picture.png", optimize=True)

    out = folder / "pictures"
    out.mkdir(exist_ok=True)
    small = painting(48, 36, "small", strokes=30)
    alpha = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (36, 1))
    rgba = np.dstack([np.asarray(small), alpha])
    Image.fromarray(rgba, "RGBA").save(out / "alpha.png", optimize=True)
    small.convert("L").save(out / "gray.png", optimize=True)
    small.convert("CMYK").save(out / "cmyk.jpg", quality=85)
    _ycck(out / "cmyk.jpg", out / "ycck.jpg")

    # Orientation 6: the camera was turned, the viewer must rotate by 90 degrees clockwise.
    upright = painting(36, 48, "upright", strokes=10)
    stored = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.save(out / "exif-rotated.jpg", quality=95, subsampling=0, exif=exif)
    upright.save(out / "exif-upright.png", optimize=True)

    frames = [painting(32, 32, f"gif {i}", strokes=10) for i in range(3)]
    frames[0].save(out / "animated.gif", save_all=True, append_images=frames[1:], duration=80, loop=0)
    Image.new("RGB", (1, 1), (200, 40, 90)).save(out / "one-pixel.png")
    small.save(out / "whole.jpg", quality=85)
    whole = (out / "whole.jpg").read_bytes()
    (out / "whole.jpg").unlink()
    (out / "truncated.jpg").write_bytes(whole[: len(whole) * 3 // 5])
    (out / "not-an-image.png").write_text("This is a text file that calls itself a picture.\n")
    _enormous_png(out / "enormous.png")


def musical_wave(seconds: float = 2.6) -> np.ndarray:
    """A phrase of decaying notes over a slow bass with soft noise, float32 [samples], |w| < 1."""
    n = int(round(seconds * RATE))
    t = np.arange(n) / RATE
    wave = 0.12 * np.sin(2 * np.pi * 110 * t + 0.4 * np.sin(2 * np.pi * 5 * t))
    for i, midi in enumerate((57, 60, 64, 69, 67, 64, 72, 71, 62)):
        start = i * 0.29
        f = 440.0 * 2 ** ((midi - 69) / 12)
        s = np.clip(t - start, 0, None)
        env = np.where(t >= start, np.minimum(s / 0.01, 1) * np.exp(-4.5 * s), 0)
        for k, level in enumerate((1, 0.5, 0.3, 0.16, 0.1), start=1):
            wave += 0.16 * level * env**(0.7 + 0.3 * k) * np.sin(2 * np.pi * k * f * t + 0.3 * k)
    wave += 0.004 * rng("wave").standard_normal(n) + 0.01
    return (wave / np.abs(wave).max() * 0.83).astype(np.float32)
