"""Converts full-size checkpoints, makes music from a picture, and prints what that costs.

    python measure_full_size.py --program art2mus --folder DIR --picture FILE [--seconds 10] [--steps 2] [--system NAME]

`DIR/checkpoints` is what `full_size.py --out DIR/checkpoints` (or `full_size_art2music.py`) wrote; the bundle and the music go
beside it. Exits with an error when something is wrong with them. Needs only Python itself;
`pkg-scripts/full-size` calls it.
"""

import argparse
import array
import json
import math
import os
import re
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

SAMPLERS = ("ddim", "dpmpp")
COMMENT = "The quiet lake makes me feel calm."
# Tensors go through the converter one at a time: it may never hold much of 8.8 GB.
CONVERT_LIMIT = 4e9


class Run:
    """A finished command: its output, its time, and how much memory it had at most."""

    def __init__(self, *command):
        """Runs `command`; ends this program when it fails."""
        self.own_memory = None
        start = time.time()
        with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True) as process:
            watch = threading.Thread(target=self._watch, args=(process.pid,))
            watch.start()
            self.output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            watch.join()
        self.seconds = time.time() - start
        self.memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        if process.returncode != 0:
            sys.exit(f"error: {command[1]} failed with status {process.returncode}")

    def _watch(self, pid):
        """Memory that belongs to the process alone, without the pages of mapped files (Linux)."""
        try:
            while True:
                found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
                self.own_memory = max(self.own_memory or 0, int(found[1]) * 1024)
                time.sleep(0.02)
        except (OSError, TypeError):  # it ended
            pass

    def peak(self):
        """The memory in words."""
        own = f", {self.own_memory / 1e9:.2f} GB without mapped files" if self.own_memory else ""
        return f"{self.seconds:.0f} s, at most {self.memory / 1e9:.2f} GB of memory{own}"


def last_line(run: Run) -> dict:
    """The result that a command with --json prints last."""
    return json.loads(run.output.strip().splitlines()[-1])


def samples_of(path: Path, wanted: int) -> array.array:
    """The samples of a mono WAV file of 32-bit floats, `wanted` of them a second."""
    data = path.read_bytes()
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        sys.exit(f"error: {path} is no WAV file")
    chunks, at = {}, 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        chunks[kind] = data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    form, channels, rate = struct.unpack_from("<HHI", chunks[b"fmt "])
    if (form, channels, rate) != (3, 1, wanted):
        sys.exit(f"error: {path} has format {form}, {channels} channels, {rate} Hz")
    samples = array.array("f")
    samples.frombytes(chunks[b"data"])
    return samples


def check_sound(path: Path, seconds: float, rate: int) -> array.array:
    """Complete, finite, audible."""
    samples = samples_of(path, rate)
    expected = int(seconds * rate)
    if len(samples) != expected:
        sys.exit(f"error: {path} has {len(samples)} samples instead of {expected}")
    if not all(math.isfinite(sample) for sample in samples):
        sys.exit(f"error: {path} has samples that are no numbers")
    loudness = math.sqrt(sum(sample * sample for sample in samples) / len(samples))
    if loudness < 1e-3:
        sys.exit(f"error: {path} is silent (RMS {loudness:.1e})")
    print(f"{path.name}: {len(samples)} finite samples, RMS {loudness:.3f}")
    return samples


def print_checkpoints(folder: Path) -> None:
    """Sizes of the weight files."""
    suffixes = (".safetensors", ".pt", ".pth", ".bin")
    named = lambda path: path.suffix in suffixes or path.name.startswith("generator")  # noqa: E731
    files = sorted(path for path in folder.rglob("*") if named(path))
    print(f"{'checkpoint':<28} {'MB':>8}")
    for path in files:
        name = path.parent.name if path.parent.parent.name == "audioldm2" else path.name
        print(f"{name:<28} {path.stat().st_size / 1e6:8.1f}")
    print(f"{'together':<28} {sum(path.stat().st_size for path in files) / 1e6:8.1f}\n")


def convert(program: str, folder: Path, arguments) -> None:
    """Makes `folder/bundle`."""
    checkpoints = folder / "checkpoints"
    if arguments.system == "art2music":
        parts = [
            "--system", "art2music", "--clip", checkpoints / "open_clip", "--fusion", checkpoints / "fusion.pt",
            "--decoder", checkpoints / "decoder.pt", "--vocoder", checkpoints / "hifigan",
        ]  # fmt: skip
    else:
        parts = [
            "--audioldm2", checkpoints / "audioldm2", "--imagebind", checkpoints / "imagebind_huge.pth",
            "--aligner", checkpoints / "aligner-4.pt", "--steps", arguments.steps,
        ]  # fmt: skip
    run = Run(
        program, "convert", *parts, "--dtype", "f16", "--untrained", "--name", "Full size, random", "--json",
        "--seconds", arguments.seconds, "--output", folder / "bundle",
    )  # fmt: skip
    result = last_line(run)
    print(f"convert: {run.peak()}; {result['bytes'] / 1e6:.1f} MB in {result['shards']} shards")
    if (run.own_memory or 0) > CONVERT_LIMIT:
        sys.exit(f"error: convert had more than {CONVERT_LIMIT / 1e9:.0f} GB of memory")


def generate(program: str, folder: Path, arguments, name: str, settings: list, stages: dict) -> array.array:
    """Makes music with some settings and prints the cost of every stage."""
    wav = folder / f"{name}.wav"
    run = Run(
        program, "generate", arguments.picture, "--bundle", folder / "bundle", "--output", wav,
        "--seconds", arguments.seconds, *settings, "--device", "cpu", "--float", "--json",
    )  # fmt: skip
    print(f"\ngenerate, {name}: {run.peak()}")
    print(f"{'stage':<10} {'parameters':>12} {'MB':>8} {'load s':>7} {'run s':>7} {'GFLOP':>8} {'GFLOP/s':>8}")
    for timing in last_line(run)["timings"]:
        stage = stages[timing["stage"]]
        load, took = timing["load_ms"] / 1e3, timing["run_ms"] / 1e3
        work = stage["flops"] / 1e9
        print(
            f"{stage['name']:<10} {stage['parameters']:>12,d} {stage['bytes'] / 1e6:8.1f} "
            f"{load:7.1f} {took:7.1f} {work:8.1f} {work / took:8.1f}"
        )
        if stage["name"] == "denoise":
            step = took / arguments.steps
            print(f"{'':<10} one step: {step:.1f} s, so 200 steps would be {200 * step / 60:.0f} minutes")
    return check_sound(wav, arguments.seconds, 22050 if arguments.system == "art2music" else 16000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--system", choices=["art-to-mus", "art2music"], default="art-to-mus")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    program, folder = arguments.program, arguments.folder
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f} before: times are upper bounds where others work, too\n")
    print_checkpoints(folder / "checkpoints")
    convert(program, folder, arguments)
    inspected = last_line(Run(program, "inspect", folder / "bundle", "--json"))
    stages = {stage["name"]: stage for stage in inspected["stages"]}
    for stage in stages.values():
        error = f"relative error at most {stage['worstError']:.1e}"
        print(f"  {stage['name']:<10} {stage['tensors']:>5} tensors, {stage['bytes'] / 1e6:7.1f} MB, {error}")
    print(f"verify: {Run(program, 'verify', folder / 'bundle').peak()}")
    if arguments.system == "art2music":
        settings = {"commented": ["--comment", COMMENT], "uncommented": []}
    else:
        common = ["--steps", arguments.steps, "--seed", 1, "--scheduler"]
        settings = {scheduler: [*common, scheduler] for scheduler in SAMPLERS}
    first, second = (generate(program, folder, arguments, name, own, stages) for name, own in settings.items())
    if first == second:
        sys.exit("error: both pieces are the same")


if __name__ == "__main__":
    main()
