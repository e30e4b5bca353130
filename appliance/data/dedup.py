"""Exact duplicates: texts that are equal once case, width and white space do not count."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["KEY_BYTES", "Choice", "choose", "key", "normalise", "number"]

KEY_BYTES = 16


def normalise(text: str) -> str:
    """Return the text as duplicates are compared: NFKC, case folded, NFKC again, runs of white space one space.

    The second NFKC is Unicode's definition of a compatibility caseless match (The Unicode Standard, D146).
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(text.casefold().split())


def key(text: str, seed: int = 0) -> bytes:
    """Return 16 bytes that are the same for equal normalised texts: BLAKE2b (RFC 7693), salted with `seed`.

    So keys also put texts in an order that looks random, is another for each seed and never hangs on record ids.
    """
    return hashlib.blake2b(
        normalise(text).encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES, salt=seed.to_bytes(16, "little")
    ).digest()


def number(keys: bytes | bytearray) -> NDArray[np.int64]:
    """Number the keys (16 bytes each, one after the other) in their own order: equal keys get equal numbers, from 0.

    All-zero keys stand for "none" and get -1.
    """
    column = np.frombuffer(keys, dtype=f"S{KEY_BYTES}")  # numpy strips zero bytes at the end: exact at one length
    known = column != b""
    numbers = np.full(len(column), -1, dtype=np.int64)
    numbers[known] = np.unique(column[known], return_inverse=True)[1]
    return numbers


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows stay. `leaks` of the dropped stood in another given split than the row that stays.

    `conflicts` counts the texts that came with two labels or more.
    """

    keep: NDArray[np.bool_]
    duplicates: int
    leaks: int
    conflicts: int


def choose(texts: NDArray[Any], given: NDArray[Any], labels: NDArray[Any], drop_duplicates: bool = True) -> Choice:
    """Keep one row of each text. All are (rows,): `texts` numbers the text, `given` the split and `labels` the label, or -1.

    Of copies in several given splits the one furthest from training stays (test, then validation, then train), so no
    text stands both in train and in test; these are dropped even when duplicates may stay. Among equals the label that
    most copies bear wins, then the first row.
    """
    rank = np.where(given < 0, 3, 2 - given)  # test 0, validation 1, train 2, none 3
    best = np.full(texts.max(initial=-1) + 1, 3)
    np.minimum.at(best, texts, rank)
    leaks = (rank < 3) & (rank > best[texts])
    keep = ~leaks
    votes, conflicts = _votes(texts, labels)
    if drop_duplicates:
        order = np.lexsort((np.arange(len(texts)), -votes, rank, texts))
        first = np.ones(len(order), dtype=bool)
        first[1:] = texts[order][1:] != texts[order][:-1]
        keep = np.zeros(len(texts), dtype=bool)
        keep[order[first]] = True
    return Choice(keep, int((~keep).sum()), int(leaks.sum()), conflicts)


def _votes(texts: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[np.int64], int]:
    """Return for every row how many rows of its text bear its label (0 without one), and how many texts bear several."""
    pairs = texts.astype(np.int64) * (labels.max(initial=0) + 2) + labels + 1
    distinct, inverse, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    votes = np.where(labels < 0, 0, counts[inverse])
    labelled = distinct[distinct % (labels.max(initial=0) + 2) > 0] // (labels.max(initial=0) + 2)
    conflicts = int((np.unique(labelled, return_counts=True)[1] > 1).sum())
    return votes, conflicts
