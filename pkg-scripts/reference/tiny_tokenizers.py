"""Tiny tokenizers in the forms of the published ones: RoBERTa (byte-level BPE), T5 (Unigram)."""

import contextlib
import io
import json
import tempfile
from pathlib import Path

import sentencepiece
from tokenizers import ByteLevelBPETokenizer
from transformers import RobertaTokenizerFast, T5TokenizerFast

from common import NEGATIVE_PROMPT, SUPPORT_PROMPT

SENTENCES = [
    SUPPORT_PROMPT,
    NEGATIVE_PROMPT,
    "A quiet harbour at dusk, painted in blue and gold.",
    "Slow strings and a warm piano follow the light over the water.",
    "Techno music with a strong, upbeat tempo and high melodic riffs",
    "The portrait of a woman in red, looking out of the frame.",
    "Baroque dance for lute and viola, with a walking bass.",
    "Sunflowers in a vase; thick strokes, yellow on yellow.",
    "An abstract field of squares, circles and lines from 1923.",
    "Low hum, distant bells, the sound of rain on a metal roof.",
    "Horses running through the night while drums keep the rhythm.",
    "It's a landscape that we don't often see: mountains, mist and a river.",
    "Solo guitar, recorded in a small room; average quality.",
    "This artwork represents the content of a dream, this music its form.",
]
SENTINELS = 10
PIECES = 160
# The published model compiles all of NFKC (240 kB); these few rules make the same kind of map.
RULES = {"\uff21": "A", "\uff4d": "m", "\ufb01": "fi", "\u2026": "...", "\u00a0": " ", "\u3000": " ", "\u2122": "TM"}


def roberta(folder: Path) -> int:
    """Writes tokenizer/; returns the vocabulary size. <s> 0, <pad> 1, </s> 2, <unk> 3, <mask> last."""
    trainer = ByteLevelBPETokenizer(add_prefix_space=False)
    trainer.train_from_iterator(
        SENTENCES, vocab_size=400, min_frequency=2, special_tokens=["<s>", "<pad>", "</s>", "<unk>"]
    )
    with tempfile.TemporaryDirectory() as temporary:
        trainer.save_model(temporary)
        vocab_path = Path(temporary) / "vocab.json"
        vocab = json.loads(vocab_path.read_text())
        vocab["<mask>"] = len(vocab)
        vocab_path.write_text(json.dumps(vocab, ensure_ascii=False))
        tokenizer = RobertaTokenizerFast(
            str(vocab_path), f"{temporary}/merges.txt", add_prefix_space=False, model_max_length=512
        )
    tokenizer.save_pretrained(folder)
    return len(vocab)


def t5(folder: Path) -> int:
    """Writes tokenizer_2/; returns the vocabulary size. <pad> 0, </s> 1, <unk> 2, sentinels last."""
    model = io.BytesIO()
    # The sentences in lower case and every word alone, so that pieces longer than letters pay off.
    corpus = SENTENCES + [s.lower() for s in SENTENCES] + [w for s in SENTENCES for w in s.split()]
    with tempfile.TemporaryDirectory() as temporary:
        code = lambda text: " ".join(f"{ord(c):X}" for c in text)
        with contextlib.chdir(temporary):  # the model remembers the path of its rules
            Path("rules.tsv").write_text("".join(f"{code(a)}\t{code(b)}\n" for a, b in RULES.items()))
            _train_unigram(corpus, "rules.tsv", model)
        path = Path(temporary) / "spiece.model"
        path.write_bytes(model.getvalue())
        tokenizer = T5TokenizerFast(vocab_file=str(path), extra_ids=SENTINELS, model_max_length=128)
        tokenizer.save_pretrained(folder)
    # The published tokenizer.json is of 2022 and speaks this older dialect.
    path = folder / "tokenizer.json"
    data = json.loads(path.read_text())
    data["normalizer"] = data["normalizer"]["normalizers"][0]  # Precompiled, alone
    data["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "WhitespaceSplit"},
            {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True},
        ],
    }
    path.write_text(json.dumps(data, ensure_ascii=False, indent=2))
    return len(T5TokenizerFast.from_pretrained(folder))


def _train_unigram(corpus: list[str], rules: str, model: io.BytesIO) -> None:
    """Trains with T5's ids; `rules` is the file of the normalisation table."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus),
        model_writer=model,
        model_type="unigram",
        vocab_size=PIECES,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
        normalization_rule_tsv=rules,
    )
