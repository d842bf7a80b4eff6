"""The tagger musicnn (Pons and Serra, "musicnn: Pre-trained convolutional neural networks for music audio tagging",
2019), in numpy, with the weights of its package.

A patch of 187 frames of 96 log-mel bands at 16 kHz goes through filters that are tall (timbre) and long (rhythm), three
convolutions over time with residuals, maximum and mean over time, and two dense layers.
"""

import librosa
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import tensor_bundle

RATE, SIZE, HOP, BANDS, PATCH = 16_000, 512, 256, 96, 187
EPSILON = 1e-3


class Musicnn:
    """The network; `folder` is `musicnn/MTT_musicnn` of the package."""

    def __init__(self, folder):
        # The checkpoint has no name before its suffixes.
        self.tensors = tensor_bundle.load(f"{folder}/")

    def tensor(self, layer, number, name):
        return self.tensors[f"{layer}_{number}/{name}" if number else f"{layer}/{name}"]

    def normalise(self, x, number):
        moved = x - self.tensor("batch_normalization", number, "moving_mean")
        deviation = np.sqrt(self.tensor("batch_normalization", number, "moving_variance") + EPSILON)
        scale = self.tensor("batch_normalization", number, "gamma")
        return moved / deviation * scale + self.tensor("batch_normalization", number, "beta")

    def convolve(self, x, number):
        """`x [time, bands]` to `[time, bands left, filters]`, without padding, with ReLU."""
        kernel = self.tensor("conv2d", number, "kernel")[:, :, 0, :]
        high, wide, filters = kernel.shape
        windows = sliding_window_view(x, (high, wide))
        flat = windows.reshape(*windows.shape[:2], high * wide)
        made = flat @ kernel.reshape(high * wide, filters) + self.tensor("conv2d", number, "bias")
        return np.maximum(made, 0)

    def layer(self, x, number, pads):
        """Convolution over time with `pads` frames of zeros at either end, normalised, the highest band."""
        padded = np.pad(x, (pads, (0, 0)))
        return self.normalise(self.convolve(padded, number), number + 1).max(1)

    def embed(self, patch):
        """`patch [187, 96]` to the 200 numbers before the labels, and the labels' probabilities."""
        x = self.normalise(patch[..., None], 0)[..., 0]
        same = [(length // 2 - 1 + length % 2, length // 2) for length in (128, 64, 32)]
        front = [self.layer(x, number, (3, 3)) for number in (0, 1)]
        front += [self.layer(x, number + 2, pads) for number, pads in enumerate(same)]
        front = np.concatenate(front, 1)
        first = self.layer(front, 5, (3, 3))
        second = self.layer(first, 6, (3, 3)) + first
        third = self.layer(second, 7, (3, 3)) + second
        features = np.concatenate([front, first, second, third], 1)
        # A feature's maximum and mean stand side by side.
        pooled = np.stack([features.max(0), features.mean(0)], 1).ravel()
        pooled = self.normalise(pooled, 9)
        hidden = np.maximum(pooled @ self.tensors["dense/kernel"] + self.tensors["dense/bias"], 0)
        logits = self.normalise(hidden, 10) @ self.tensors["dense_1/kernel"]
        return hidden, 1 / (1 + np.exp(-logits - self.tensors["dense_1/bias"]))

    def __call__(self, samples, rate):
        """The mean of 200 numbers and of 50 probabilities over patches of 3 seconds."""
        samples = librosa.resample(samples, orig_sr=rate, target_sr=RATE)
        mel = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=SIZE, hop_length=HOP, n_mels=BANDS)
        log = np.log10(10_000 * mel.T + 1).astype(np.float32)
        if len(log) < PATCH:
            log = np.pad(log, ((0, PATCH - len(log)), (0, 0)))
        patches = [self.embed(log[at : at + PATCH]) for at in range(0, len(log) - PATCH + 1, PATCH)]
        return [np.mean(part, 0) for part in zip(*patches)]
