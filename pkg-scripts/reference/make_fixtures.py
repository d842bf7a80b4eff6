"""Writes tests/fixtures: tiny checkpoints, inputs and reference traces. See README.md.

    python make_fixtures.py [--out DIR] [--check]
"""

import argparse
import os
import shutil
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["TRANSFORMERS_VERBOSITY"] = os.environ["DIFFUSERS_VERBOSITY"] = "error"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")

import torch  # noqa: E402

import art2music  # noqa: E402
import checkpoints  # noqa: E402
import inputs  # noqa: E402
import samplers  # noqa: E402
import scores  # noqa: E402
import traces  # noqa: E402
import traces_text_audio  # noqa: E402
import torch_files  # noqa: E402
from common import write_sums  # noqa: E402

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures"
FOLDERS = ("art2music-tiny", "audioldm2-tiny", "bert-tiny", "clip-tiny", "pictures")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FIXTURES)
    parser.add_argument("--check", action="store_true", help="also run checks.py on the result")
    arguments = parser.parse_args()
    out = arguments.out
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(0)  # default initialisations are all overwritten; this is for good measure

    out.mkdir(parents=True, exist_ok=True)
    for folder in FOLDERS:
        shutil.rmtree(out / folder, ignore_errors=True)
    inputs.write_pictures(out)
    torch_files.write(out / "torch")
    checkpoints.audioldm2(out / "audioldm2-tiny")
    checkpoints.clip(out / "clip-tiny", out / "clip-tiny-openai.safetensors")
    checkpoints.imagebind_file(out / "imagebind-tiny.pth")
    checkpoints.aligners(out)

    model = traces.AudioLDM2(out / "audioldm2-tiny")
    traces.trace_imagebind(model, out)
    traces.trace_clip(model, out)
    traces.trace_aligners(out)
    traces_text_audio.trace_text(model, out)
    traces_text_audio.trace_audio(model, out)
    traces_text_audio.trace_imagebind_text(out)
    art2music.write(out)
    samplers.write(out)
    scores.write(out)
    for path in out.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    write_sums(out)
    if arguments.check:
        import checks

        checks.main(out)


if __name__ == "__main__":
    main()
