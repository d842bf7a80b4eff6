"""Listens to folders of WAV files with programs that are not art2mus's: basic-pitch for notes, musicnn for timbre, and
plain signal processing.

    python judge.py FOLDER... [--reference FOLDER] [--data FOLDER] [--json]

Prints a table with a row for each folder: means over its files with standard errors. With --reference also the Fréchet
distance of musicnn's embeddings to that folder's; compare sets of one size, and print held-out renders and noise
beside what was generated. Files whose names are NAME@SEED.wav also give how far pieces of two names with one seed are
apart, and those of two seeds with one name. Files of more than twenty seconds also give how far their first and last
ten seconds are apart. With --over, how often a folder's pieces are more major than those of another, of all pairs.
"""

import argparse
import itertools
import json
from pathlib import Path

import librosa
import numpy as np
import onnxruntime
import soundfile
from scipy.linalg import sqrtm
from scipy.ndimage import maximum_filter1d

from musicnn import Musicnn

# Krumhansl and Kessler, 1982.
MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
SCALE = np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1])


def fit(classes, profile):
    """The best correlation of pitch classes with a profile on any tonic."""
    if classes.std() == 0:
        return 0.0
    return max(np.corrcoef(classes, np.roll(profile, tonic))[0, 1] for tonic in range(12))


def best_key(classes):
    return max(fit(classes, MAJOR), fit(classes, MINOR))


def pitch_classes(samples, rate):
    return librosa.feature.chroma_cqt(y=samples, sr=rate).mean(1)


class BasicPitch:
    """Notes: Bittner et al., "A lightweight instrument-agnostic model for polyphonic note transcription", 2022."""

    RATE, WINDOW, HOP, OVERLAP = 22_050, 43_844, 256, 30

    def __init__(self, package):
        model = Path(package) / "saved_models/icassp_2022/nmp.onnx"
        self.session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])

    def __call__(self, samples, rate):
        """(pitch, first frame, end) of each note; 86 frames a second."""
        samples = librosa.resample(samples, orig_sr=rate, target_sr=self.RATE)
        half = self.OVERLAP // 2
        samples = np.concatenate([np.zeros(half * self.HOP, np.float32), samples])
        (source,) = (given.name for given in self.session.get_inputs())
        outputs = ["StatefulPartitionedCall:1", "StatefulPartitionedCall:2"]
        parts = []
        for at in range(0, len(samples), self.WINDOW - self.OVERLAP * self.HOP):
            window = samples[at : at + self.WINDOW]
            window = np.pad(window, (0, self.WINDOW - len(window)))[None, :, None]
            made = self.session.run(outputs, {source: window.astype(np.float32)})
            parts.append([part[0][half:-half] for part in made])
        sounding, beginning = (np.concatenate(part) for part in zip(*parts))
        notes = []
        for pitch in range(88):
            begins = beginning[:, pitch]
            for first in np.where((begins >= 0.5) & (begins == maximum_filter1d(begins, 5)))[0]:
                end = first + 1
                while end < len(sounding) and sounding[end, pitch] > 0.3:
                    end += 1
                if end - first >= 6:
                    notes.append((pitch + 21, int(first), int(end)))
        return notes


def diatonic(notes, rng):
    """The share of notes in the best diatonic scale, less that of as many random notes."""
    if not notes:
        return 0.0
    share = lambda classes: max((classes * np.roll(SCALE, tonic)).sum() for tonic in range(12)) / classes.sum()
    random = [share(np.bincount(rng.integers(0, 12, len(notes)), minlength=12)) for _ in range(50)]
    return share(np.bincount([pitch % 12 for pitch, *_ in notes], minlength=12)) - np.mean(random)


def jitter(samples):
    """The median move of the six strongest partials from frame to frame, in cents."""
    spectrum = np.abs(librosa.stft(samples, n_fft=4096, hop_length=512))

    def peaks(frame):
        found = []
        for at in np.argsort(frame[20:1200])[-6:] + 20:
            if frame[at] >= frame[at - 1] and frame[at] >= frame[at + 1]:
                below, here, above = np.log(frame[at - 1 : at + 2] + 1e-9)
                found.append(at + 0.5 * (below - above) / (below - 2 * here + above + 1e-12))
        return np.array(found)

    moves = []
    for now, later in itertools.pairwise(map(peaks, spectrum.T)):
        for peak in now if len(later) else []:
            cents = abs(1200 * np.log2(later[np.argmin(abs(later - peak))] / peak))
            if cents < 50:
                moves.append(cents)
    return np.median(moves) if moves else np.nan


def bandwidth(samples, rate):
    """Below which 95 % of the power lie, in Hz."""
    power = (np.abs(librosa.stft(samples, n_fft=2048)) ** 2).sum(1)
    return np.searchsorted(np.cumsum(power), 0.95 * power.sum()) * rate / 2048


def regularity(envelope, rate, hop):
    """The highest autocorrelation of the onset envelope at lags of 0.15 to 1.5 s."""
    envelope = envelope - envelope.mean()
    correlation = np.correlate(envelope, envelope, "full")[len(envelope) - 1 :]
    low, high = (int(lag * rate / hop) for lag in (0.15, 1.5))
    return (correlation[low:high] / (correlation[0] + 1e-9)).max()


def repeated_bars(notes, frames=86 * 4):
    """Whether four seconds come twice note by note: the share of notes that sound again at a fixed distance."""
    places = {(pitch, first // 4) for pitch, first, _ in notes}
    if len(places) < 8:
        return 0.0
    shares = []
    for lag in range(frames // 4, 2 * frames // 4 + 1):
        early = [(pitch, at) for pitch, at in places if (pitch, at + lag) in places]
        possible = [1 for _, at in places if at + lag <= max(at for _, at in places)]
        shares.append(len(early) / max(len(possible), 1))
    return max(shares)


def ends(samples, rate, tagger):
    """How far the first and the last ten seconds are apart."""
    first, last = samples[: 10 * rate], samples[-10 * rate :]
    embeddings = [tagger(end, rate)[0] for end in (first, last)]
    classes = [pitch_classes(end, rate) for end in (first, last)]
    levels = [10 * np.log10((end**2).mean() + 1e-12) for end in (first, last)]
    return {
        "ends: distance": np.linalg.norm(embeddings[0] - embeddings[1]),
        "ends: pitch classes": np.corrcoef(*classes)[0, 1],
        "ends: best key": best_key(classes[1]) - best_key(classes[0]),
        "ends: dB": abs(levels[1] - levels[0]),
    }


class Judges:
    def __init__(self, data):
        self.notes = BasicPitch(data / "basic_pitch")
        self.tagger = Musicnn(data / "musicnn/MTT_musicnn")

    def listen(self, path):
        """The figures of a file, and what later comparisons need."""
        samples, rate = soundfile.read(path, dtype="float32")
        samples = samples if samples.ndim == 1 else samples.mean(1)
        rng = np.random.default_rng(0)
        classes, notes = pitch_classes(samples, rate), self.notes(samples, rate)
        envelope = librosa.onset.onset_strength(y=samples, sr=rate, hop_length=256)
        onsets = librosa.onset.onset_detect(onset_envelope=envelope, sr=rate, hop_length=256)
        seconds = len(samples) / rate
        embedding, _ = self.tagger(samples, rate)
        figures = {
            "best key": best_key(classes),
            "permuted": np.mean([best_key(rng.permutation(classes)) for _ in range(20)]),
            "majorness": fit(classes, MAJOR) - fit(classes, MINOR),
            "diatonic": diatonic(notes, rng),
            "notes/s": len(notes) / seconds,
            "onsets/s": len(onsets) / seconds,
            "jitter": jitter(samples),
            "bandwidth": bandwidth(samples, rate),
            "regularity": regularity(envelope, rate, 256),
            "dBFS": 20 * np.log10(np.sqrt((samples**2).mean()) + 1e-9),
            "repeated": repeated_bars(notes),
        }
        if seconds > 20:
            figures |= ends(samples, rate, self.tagger)
        return figures, embedding, envelope


def frechet(first, second):
    """The Fréchet distance of two sets of vectors."""
    (a, b), (mean_a, mean_b) = (first, second), (first.mean(0), second.mean(0))
    covariances = [np.cov(vectors, rowvar=False) for vectors in (a, b)]
    root = sqrtm(covariances[0] @ covariances[1])
    return ((mean_a - mean_b) ** 2).sum() + np.trace(sum(covariances) - 2 * root.real)


def compare(files, embeddings, envelopes):
    """Distances and rhythms of pieces that share a seed, and of pieces that share a name."""
    parts = [path.stem.rsplit("@", 1) for path in files]
    if any(len(part) != 2 for part in parts):
        return {}
    found = {}
    for label, same, other in (("two pictures", 1, 0), ("two seeds", 0, 1)):
        pairs = [
            (i, j)
            for i, j in itertools.combinations(range(len(files)), 2)
            if parts[i][same] == parts[j][same] and parts[i][other] != parts[j][other]
        ]
        if pairs:
            found[f"{label}: distance"] = [np.linalg.norm(embeddings[i] - embeddings[j]) for i, j in pairs]
            length = min(map(len, envelopes))
            found[f"{label}: onsets"] = [
                np.corrcoef(envelopes[i][:length], envelopes[j][:length])[0, 1] for i, j in pairs
            ]
    return found


def estimate(values):
    values = np.array([value for value in values if np.isfinite(value)])
    return [float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))] if len(values) > 1 else None


def area(values, others):
    """How often one of `values` exceeds one of `others`: the area under the curve of receiver operating characteristics."""
    above = np.subtract.outer(values, others)
    return ((above > 0) + 0.5 * (above == 0)).mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--over", type=Path, help="such as pieces of cool pictures beside those of warm ones")
    parser.add_argument("--data", type=Path, default=Path(__file__).parent / "data", help="the unpacked packages")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    judges = Judges(arguments.data)

    def all_of(folder):
        files = sorted(folder.glob("*.wav"))
        figures, embeddings, envelopes = zip(*map(judges.listen, files))
        return files, figures, np.array(embeddings), envelopes

    reference = all_of(arguments.reference)[2] if arguments.reference else None
    others = [one["majorness"] for one in all_of(arguments.over)[1]] if arguments.over else None
    for folder in arguments.folders:
        files, figures, embeddings, envelopes = all_of(folder)
        names = dict.fromkeys(name for one in figures for name in one)
        row = {name: estimate([one.get(name, np.nan) for one in figures]) for name in names}
        row |= {name: estimate(values) for name, values in compare(files, embeddings, envelopes).items()}
        if others is not None:
            row["more major"] = [float(area([one["majorness"] for one in figures], others)), 0.0]
        if reference is not None:
            row["Fréchet"] = [float(frechet(embeddings, reference)), 0.0]
        if arguments.json:
            print(json.dumps({"folder": str(folder), "files": len(files), **row}, ensure_ascii=False), flush=True)
            continue
        print(f"{folder}, {len(files)} files")
        for name, value in row.items():
            if value:
                print(f"  {name:24} {value[0]:9.3f} +- {value[1]:.3f}")


if __name__ == "__main__":
    main()
