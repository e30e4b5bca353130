"""A token-classification model from disk as a recognizer: what a site taught with its own records finds what the rules miss.

The folder holds `model.onnx` (int64 `input_ids` and `attention_mask`, both (batch, tokens), to float `logits` (batch, tokens, labels)), `tokenizer.json`
(the library `tokenizers`) and `model.json`: `labels` in BIO or IOBES (`O`, `B-PERSON`, ...; Ramshaw and Marcus 1995), `max_tokens` of a window with its
special tokens, and optionally `kinds` (a label's name to a kind of `skerry kinds`, `""` for one that is no personal data) and `lean` (what the
probability of each label but `O` is multiplied with: above 1 it trades precision for recall) and `format`: `onnx-int8` for weights of 8 bits, dynamically
quantised, whose texts run one by one.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import device
from appliance.engine.on_onnx import saturates
from appliance.engine.onnx_file import open_session
from appliance.errors import InputError
from appliance.privacy.kinds import KINDS
from appliance.privacy.recognizers.recognizer import Hit
from appliance.reasons import reason
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

__all__ = ["RULE", "Tagger", "load"]

RULE = "tagger"
_FILES = ("model.json", "model.onnx", "tokenizer.json")
# The names that CoNLL-2003, OntoNotes 5 and CLUENER2020 give what we call otherwise; what they name beside is nobody's.
_KINDS = {
    "PER": "PERSON",
    "NAME": "PERSON",
    "ORG": "ORGANIZATION",
    "COMPANY": "ORGANIZATION",
    "GOVERNMENT": "ORGANIZATION",
    "LOC": "LOCATION",
    "GPE": "LOCATION",
    "FAC": "LOCATION",
    "SCENE": "LOCATION",
    "NORP": "NATIONALITY",
}
_TOKENS_AT_ONCE = 4096
_WORD = re.compile(r"[A-Za-z0-9\u00c0-\u024f]+")
_HALF = re.compile("[\ud800-\udfff]")  # half a character, which no tokenizer takes


@dataclass(frozen=True)
class Tagger:
    """A model that was read and found sound. `sha256` is that of its files (64 hex digits); `tags` has (begins, kind) for each label."""

    name: str
    sha256: str
    tags: tuple[tuple[bool, str], ...]
    lean: float
    alone: bool
    tokenizer: Any
    session: Any

    def find_all(self, texts: Sequence[str]) -> list[list[Hit]]:
        """Return what the model finds in each text; the score is the mean probability of a span's tokens, at least .4 and at most .9."""
        windows = [
            _Window(index, encoding.ids, encoding.offsets, encoding.special_tokens_mask)
            for index, text in enumerate(texts)
            for whole in [self.tokenizer.encode(_HALF.sub("\ufffd", text))]
            for encoding in (whole, *whole.overflowing)
        ]
        found: list[dict[tuple[int, int], _Seen]] = [{} for _text in texts]
        for window, chances in self._run(windows):
            _merge(found[window.text], window, chances)
        return [list(self._hits(text, seen)) for text, seen in zip(texts, found, strict=True)]

    def _run(self, windows: list[_Window]) -> Iterator[tuple[_Window, np.ndarray]]:
        """Yield each window with its probabilities (tokens, labels). Windows of one length share a batch: padding could change the answers."""
        import numpy as np

        for length, group in groupby(sorted(windows, key=lambda each: len(each.ids)), key=lambda each: len(each.ids)):
            alike = list(group)
            size = 1 if self.alone else max(1, _TOKENS_AT_ONCE // max(1, length))
            for first in range(0, len(alike) if length else 0, size):
                batch = alike[first : first + size]
                ids = np.array([each.ids for each in batch], np.int64)  # (batch, tokens)
                feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
                logits = self.session.run(["logits"], feed)[0]  # (batch, tokens, labels)
                chances = np.exp(logits - logits.max(axis=2, keepdims=True))
                yield from zip(batch, chances / chances.sum(axis=2, keepdims=True), strict=True)

    def _hits(self, text: str, seen: dict[tuple[int, int], _Seen]) -> Iterator[Hit]:
        """Read the tags of a text's tokens into hits: a run of one kind is one, until a tag begins another. Words are never cut."""
        start, end, kind, chances = 0, 0, "", [0.0]
        for place in sorted(seen):
            begins, now, chance = self._tag(seen[place].chances)
            if kind and (now != kind or begins):
                yield _hit(text, start, end, kind, chances)
            if now and (now != kind or begins):
                start, chances = place[0], []
            end, kind = place[1], now
            chances.append(chance)
        if kind:
            yield _hit(text, start, end, kind, chances)

    def _tag(self, chances: np.ndarray) -> tuple[bool, str, float]:
        weighted = [
            chance * (self.lean if kind else 1.0) for chance, (_begins, kind) in zip(chances, self.tags, strict=True)
        ]
        best = max(range(len(weighted)), key=weighted.__getitem__)
        return *self.tags[best], float(chances[best])


@dataclass(frozen=True, slots=True)
class _Window:
    text: int
    ids: list[int]
    offsets: list[tuple[int, int]]
    special: list[int]


@dataclass(frozen=True, slots=True)
class _Seen:
    """How far a token stands from its window's edge, and the probabilities of its labels there."""

    margin: int
    chances: np.ndarray


def _merge(found: dict[tuple[int, int], _Seen], window: _Window, chances: np.ndarray) -> None:
    """Take over the tokens of a window; where windows overlap, the one that sees more on both sides of a token is believed."""
    last = len(window.ids) - 1
    for position, (place, special) in enumerate(zip(window.offsets, window.special, strict=True)):
        margin = min(position, last - position)
        if not special and place[0] < place[1] and (place not in found or found[place].margin < margin):
            found[place] = _Seen(margin, chances[position])


def _hit(text: str, start: int, end: int, kind: str, chances: list[float]) -> Hit:
    for word in _WORD.finditer(text, max(0, start - 50), end + 50):
        if word.start() < end and start < word.end():
            start, end = min(start, word.start()), max(end, word.end())
    return Hit(start, end, kind, min(0.9, max(0.4, sum(chances) / len(chances))))


@cache
def load(folder: Path) -> Tagger:
    """Load the tagger in `folder`. Raises `InputError` for what is missing, damaged or does not fit, `MissingPartError` without ONNX Runtime."""
    content = {name: _bytes(folder / name) for name in _FILES}
    try:
        about = json.loads(content["model.json"])
        labels = [str(label) for label in about["labels"]]
        tokens, lean = int(about["max_tokens"]), float(about.get("lean", 1.0))
        kinds = {str(name): str(kind) for name, kind in about.get("kinds", {}).items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            _("`{file}` is no description of a tagger: it needs `labels` and `max_tokens`", file=folder / "model.json")
        ) from error
    int8 = about.get("format") == "onnx-int8"
    exact = int8 and saturates(platform.machine(), device.cpu()[1])
    tagger = Tagger(
        folder.name,
        hashlib.sha256(b"".join(hashlib.sha256(content[name]).digest() for name in _FILES)).hexdigest(),
        tuple(_tag_of(label, kinds, folder) for label in labels),
        lean,
        int8,  # whose answers depend on who shares the batch
        _tokenizer(content["tokenizer.json"], tokens, folder),
        open_session(content["model.onnx"], folder / "model.onnx", exact),
    )
    _try(tagger, folder)
    return tagger


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(_("cannot read `{path}`: {error}", path=path, error=reason(error))) from error


def _tag_of(label: str, kinds: dict[str, str], folder: Path) -> tuple[bool, str]:
    """Return whether a label begins a span, and its kind; no kind for `O` and what is mapped to nothing."""
    prefix, dash, name = label.partition("-")
    begins, name = (prefix in "BSU", name) if dash and prefix in ("B", "I", "E", "S", "L", "U") else (False, label)
    kind = "" if label == "O" else kinds.get(name, _KINDS.get(name.upper(), name.upper()))
    if kind and kind not in {each.name for each in KINDS}:
        raise InputError(
            _(
                "the tagger in `{folder}` finds `{label}`, which is no kind; name its kind under `kinds` in its `model.json` (see `skerry kinds`)",
                folder=folder,
                label=name,
            )
        )
    return begins, kind


def _tokenizer(content: bytes, tokens: int, folder: Path) -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_buffer(content)
        tokenizer.no_padding()
        tokenizer.enable_truncation(tokens, stride=tokens // 4)  # windows overlap by a quarter
    except Exception as error:  # tokenizers raises bare `Exception`
        raise InputError(
            _("cannot read `{path}`; a tokenizer is a `tokenizers` JSON file", path=folder / "tokenizer.json")
        ) from error
    return tokenizer


def _try(tagger: Tagger, folder: Path) -> None:
    """Run the tagger on a word: a network that gives anything but one number a label for each token fails now, not on a record."""
    try:
        tagger.find_all(["one"])
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise InputError(
            _(
                "the tagger in `{folder}` does not give one number for each of its {count} labels and each token; export it again",
                folder=folder,
                count=len(tagger.tags),
            )
        ) from error
