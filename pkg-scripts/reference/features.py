"""Pictures to pixels, waves to filterbanks and mels: numpy restatements, float64 inside."""

from fractions import Fraction

import numpy as np
from PIL import Image

MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
STD = np.array([0.26862954, 0.26130258, 0.27577711])


# --- pictures ---------------------------------------------------------------------------------


def _cubic(x):
    """Keys' cubic, a = -0.5."""
    a, x = -0.5, np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _resize_width(pixels, m):
    """uint8 [h, n, 3] -> uint8 [h, m, 3] with Pillow's fixed-point antialiased bicubic."""
    n = pixels.shape[1]
    if n == m:
        return pixels
    scale = n / m
    fs = max(scale, 1.0)
    out = np.empty((pixels.shape[0], m, 3), np.uint8)
    for i in range(m):
        c = (i + 0.5) * scale
        lo = max(int(c - 2 * fs + 0.5), 0)
        hi = min(int(c + 2 * fs + 0.5), n)
        k = _cubic((np.arange(lo, hi) - c + 0.5) / fs)
        k = k / k.sum()
        fixed = np.trunc(k * (1 << 22) + np.where(k < 0, -0.5, 0.5)).astype(np.int64)
        total = (pixels[:, lo:hi].astype(np.int64) * fixed[None, :, None]).sum(1) + (1 << 21)
        out[:, i] = np.clip(total >> 22, 0, 255)
    return out


def image_u8(image: Image.Image) -> np.ndarray:
    """uint8 [224, 224, 3]: RGB, shorter side to 224 (width pass first), centre crop."""
    rgb = np.asarray(image.convert("RGB"))
    h, w = rgb.shape[:2]
    if w <= h:
        size = (224, int(224 * h / w))
    else:
        size = (int(224 * w / h), 224)
    rgb = _resize_width(rgb, size[0])
    rgb = _resize_width(rgb.transpose(1, 0, 2), size[1]).transpose(1, 0, 2)
    left, top = round((size[0] - 224) / 2), round((size[1] - 224) / 2)  # half to even
    return rgb[top : top + 224, left : left + 224]


def image_pixels(image: Image.Image) -> np.ndarray:
    """float32 [1, 3, 224, 224], normalised as for ImageBind and CLIP."""
    x = (image_u8(image).astype(np.float64) / 255.0 - MEAN) / STD
    return x.transpose(2, 0, 1)[None].astype(np.float32)


# --- ImageBind audio --------------------------------------------------------------------------


def imagebind_clips(samples: int, rate: int = 16000) -> list[tuple[int, int]]:
    """Sample bounds of the three 2-second clips."""
    duration = Fraction(samples, rate)
    if duration < 2:
        return [(0, samples)] * 3
    room = duration - 2
    starts = [room * i / 3 for i in range(3)]
    return [(int(s * rate), int((s + 2) * rate)) for s in starts]


def kaldi_fbank(clip: np.ndarray, bins: int = 128) -> np.ndarray:
    """Kaldi log filterbank at 16 kHz: [samples] -> [frames, bins]."""
    clip = clip.astype(np.float64)
    frames = 1 + (len(clip) - 400) // 160
    x = np.stack([clip[i * 160 : i * 160 + 400] for i in range(frames)])
    x = x - x.mean(1, keepdims=True)
    x = x - 0.97 * np.concatenate([x[:, :1], x[:, :-1]], 1)
    x = x * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399))
    power = np.abs(np.fft.rfft(x, 512)) ** 2

    def mel(f):
        return 1127.0 * np.log(1 + f / 700.0)

    lo, hi = mel(20.0), mel(8000.0)
    edges = lo + np.arange(bins + 2) * (hi - lo) / (bins + 1)
    left, centre, right = (e[:, None] for e in (edges[:-2], edges[1:-1], edges[2:]))
    m = mel(31.25 * np.arange(256))[None]
    weights = np.maximum(0, np.minimum((m - left) / (centre - left), (right - m) / (right - centre)))
    energy = power[:, :256] @ weights.T
    return np.log(np.maximum(energy, 1.1920929e-7))


def imagebind_audio_input(wave: np.ndarray) -> np.ndarray:
    """[samples] at 16 kHz -> float32 [1, 3, 1, 128, 204]."""
    clips = []
    for lo, hi in imagebind_clips(len(wave)):
        clip = wave[lo:hi].astype(np.float64)
        fbank = kaldi_fbank(clip - clip.mean()).T
        image = np.zeros((128, 204))
        n = min(204, fbank.shape[1])
        image[:, :n] = fbank[:, :n]
        clips.append((image + 4.268) / 9.138)
    return np.stack(clips)[None, :, None].astype(np.float32)


# --- training mel -----------------------------------------------------------------------------


def slaney_matrix(bins: int = 64, n_fft: int = 1024, rate: int = 16000) -> np.ndarray:
    """Slaney mel matrix with area normalisation, 0 to rate/2: [bins, n_fft/2 + 1]."""
    step, corner = 200.0 / 3.0, 1000.0
    log_step = np.log(6.4) / 27.0
    top_mel = 15 + np.log(rate / 2 / corner) / log_step
    mels = np.linspace(0, top_mel, bins + 2)
    edges = np.where(mels < 15, mels * step, corner * np.exp(log_step * (mels - 15)))
    f = np.arange(n_fft // 2 + 1) * rate / n_fft
    left, centre, right = (e[:, None] for e in (edges[:-2], edges[1:-1], edges[2:]))
    tri = np.maximum(0, np.minimum((f - left) / (centre - left), (right - f) / (right - centre)))
    return tri * (2.0 / (right - left))


def log_mel(wave: np.ndarray, frames: int) -> np.ndarray:
    """Steps 6 to 8 of the training mel: [samples] -> float32 [1, 1, frames, 64]."""
    x = np.pad(wave.astype(np.float64), 512, mode="reflect")
    count = 1 + (len(x) - 1024) // 160
    x = np.stack([x[i * 160 : i * 160 + 1024] for i in range(count)])
    x = x * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024))
    mel = np.abs(np.fft.rfft(x, 1024)) @ slaney_matrix().T
    return np.log(np.maximum(mel, 1e-5))[:frames][None, None].astype(np.float32)


def normalised_log_mel(wave: np.ndarray, frames: int) -> np.ndarray:
    """Steps 2 and 4 to 8: both peak normalisations, cut or padded to `frames * 160` samples."""
    w = wave.astype(np.float64)
    w = w - w.mean()
    w = w / (np.abs(w).max() + 1e-8) * 0.5
    w = np.concatenate([w, np.zeros(max(0, frames * 160 - len(w)))])[: frames * 160]
    w = np.clip(np.nan_to_num(0.5 * w / np.abs(w).max()), -1, 1)
    return log_mel(w, frames)
