"""Run `ngrams` models with numpy alone: hashed n-grams -> rows of a table, added up -> a linear head. No tokenizer, no ONNX Runtime, no torch.

The model sees which pieces a text holds, not where: words, pairs of neighbouring words and stretches of a few characters. Each piece is hashed
to a row of a table of small integers (the hashing trick: Weinberger et al. 2009, arXiv 0902.2206); the rows of a text are added up, divided by the root of
their number and read by a linear head (bag of n-grams: Joulin et al. 2016, arXiv 1607.01759). Two pieces may fall on one row and then share it: with
65,536 rows that is common, training sees the same collisions as serving, and a row does not tell which pieces it stands for.

Every sum is one of whole numbers, so that a text gets the same answer bit for bit on each machine and in any company.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from appliance.base.safetensors_file import check_safetensors
from appliance.engine.plan import Plan, read_plan
from appliance.engine.texts import answers
from appliance.errors import InputError
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

    from appliance.schema import Prediction

    Array = np.ndarray[Any, Any]

__all__ = ["NgramsEngine", "Pieces", "load", "pack", "unpack"]

_WORD = re.compile(r"\w+|[^\w\s]")
_DTYPES = {"F32": "<f4", "I16": "<i2", "I8": "i1", "U8": "u1"}
_MOST_ROWS_LOG2 = 24
# Odd numbers near 2^32 / golden ratio, and of MurmurHash3's final mix (Appleby 2011, public domain): products by them spread over the high bits.
_SPREAD, _MIX = 0x9E3779B1, 0x85EBCA6B


@dataclass(frozen=True, slots=True)
class Pieces:
    """Which pieces of a text count, and over how many rows they are spread: `config.json` of an `ngrams` model.

    `shortest` to `longest` characters of the text with its words set apart by one space; `words` to that many neighbours; 2 ** `rows_log2` rows. What lies
    behind `max_characters` is not read.
    """

    shortest: int
    longest: int
    words: int
    rows_log2: int
    max_characters: int

    def __post_init__(self) -> None:
        if any(
            type(number) is not int
            for number in (self.shortest, self.longest, self.words, self.rows_log2, self.max_characters)
        ) or not (
            1 <= self.shortest <= self.longest <= 16
            and 0 <= self.words <= 4
            and 1 <= self.rows_log2 <= _MOST_ROWS_LOG2
            and self.max_characters >= 1
        ):
            raise ValueError("impossible pieces")

    @property
    def rows(self) -> int:
        """How many rows the table has."""
        return 1 << self.rows_log2

    def read(self, text: str) -> tuple[Array, bool]:
        """Return the rows of all pieces of a text, uint32 (pieces,), at least one, and whether the text was cut.

        Letters are taken by their NFKC form in lower case (unicode.org/reports/tr15). A stretch of characters is hashed as a polynomial of its code points
        (Karp and Rabin 1987), a word by its CRC-32 (ISO/IEC 8802-3). Raises `InputError` for lone surrogates (half a character, which no UTF-8 file can hold).
        """
        import numpy as np

        words = _WORD.findall(unicodedata.normalize("NFKC", text[: self.max_characters]).lower())
        plain = f" {' '.join(words)} "
        try:
            codes = np.frombuffer((plain + "\0" * (self.longest - 1)).encode("utf-32-le"), np.uint32)
            hashes = self._stretches(codes, len(plain)) + self._neighbours([crc32(word.encode()) for word in words])
        except UnicodeEncodeError as error:
            raise InputError(_("the text holds half a character (a lone surrogate); send valid UTF-8")) from error
        mixed = np.concatenate(hashes)
        mixed ^= mixed >> np.uint32(15)
        mixed *= np.uint32(_MIX)
        mixed >>= np.uint32(32 - self.rows_log2)
        return mixed, bool(text[self.max_characters :].strip())

    def _stretches(self, codes: Array, length: int) -> list[Array]:
        import numpy as np

        spread = np.uint32(_SPREAD)
        hashes, found = codes * spread, []
        for size in range(1, self.longest + 1):
            if size > 1:
                hashes = (hashes[:-1] + codes[size - 1 :]) * spread
            if size >= self.shortest:
                found.append(hashes[:length])
        return found

    def _neighbours(self, words: list[int]) -> list[Array]:
        import numpy as np

        first = np.array(words, np.uint32)
        hashes, found = first, []
        for size in range(1, self.words + 1):
            if size > 1:
                hashes = hashes[:-1] * np.uint32(_SPREAD) ^ first[size - 1 :]
            found.append(hashes)
        return found


class NgramsEngine:
    """Pieces, table and head; several threads may share it, since a call changes nothing.

    `table` int8 (rows, width), or uint8 (rows, width / 2) as `pack` makes it; `head` int16 (labels, width); `scale` and `bias` float32 (labels,).
    """

    def __init__(self, plan: Plan, pieces: Pieces, tensors: Mapping[str, Array]) -> None:
        import numpy as np

        self.plan, self.pieces = plan, pieces
        table = tensors["table"]
        self._table = unpack(table) if table.dtype == np.uint8 else table  # int8 (rows, width)
        self._head = tensors["head"].T.astype(np.float64)  # whole numbers (width, labels)
        self._scale, self._bias = tensors["scale"].astype(np.float64), tensors["bias"].astype(np.float64)  # (labels,)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the logits."""
        return self.plan.labels

    def logits(self, texts: Sequence[str]) -> Array:
        """Return float32 logits (texts, labels). Raises `InputError` for a text with lone surrogates."""
        return self._run(texts)[0]

    def predict(self, texts: Sequence[str], min_score: float = 0.0) -> list[Prediction]:
        """Answer each text; the label is None where the best probability lies below `min_score`.

        Raises `InputError` for a text with lone surrogates.
        """
        logits, truncated = self._run(texts)
        return answers(logits, truncated, self.labels, min_score)

    def _run(self, texts: Sequence[str]) -> tuple[Array, list[bool]]:
        import numpy as np

        bags = np.empty((len(texts), self._table.shape[1]))  # (texts, width)
        counts = np.empty((len(texts), 1))
        truncated = []
        for row, text in enumerate(texts):
            pieces, cut = self.pieces.read(text)
            # `einsum` adds up short rows three times as fast as `sum` does, on one thread
            bags[row] = np.einsum("ij->j", self._table.take(pieces, 0), dtype=np.int32, casting="safe")
            counts[row] = len(pieces)
            truncated.append(cut)
        # Products of whole numbers below 2^53: exact in float64, in any order.
        return ((bags @ self._head) * self._scale / np.sqrt(counts) + self._bias).astype(np.float32), truncated


def pack(table: Array) -> Array:
    """Put two whole numbers from -8 to 7 into a byte, the first into the lower half: int8 (rows, width) -> uint8 (rows, width / 2)."""
    import numpy as np

    nibbles = (table + 8).astype(np.uint8)
    packed: Array = nibbles[:, ::2] | nibbles[:, 1::2] << np.uint8(4)
    return packed


def unpack(packed: Array) -> Array:
    """Undo `pack`: uint8 (rows, width / 2) -> int8 (rows, width)."""
    import numpy as np

    table = np.empty((packed.shape[0], packed.shape[1] * 2), np.int8)
    table[:, ::2], table[:, 1::2] = packed & np.uint8(15), packed >> np.uint8(4)
    table -= np.int8(8)
    return table


def load(folder: Path, read: Callable[[Path], bytes] = Path.read_bytes) -> NgramsEngine:
    """Load an n-gram model folder: `model.json`, `config.json` (see `Pieces`) and `model.safetensors` (see `NgramsEngine`); each file is read by `read`.

    Raises `InputError` when a file is missing, is damaged or does not fit the others.
    """
    plan = read_plan(folder, read)
    path = folder / "config.json"
    try:
        pieces = Pieces(**json.loads(read(path)))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(_("cannot read `{path}`; name the folder of an n-gram model", path=path)) from error
    path = folder / "model.safetensors"
    check_safetensors(path)
    tensors = _read_tensors(read(path))
    if {name: (tensor.dtype.name, tensor.shape) for name, tensor in tensors.items()} not in _wanted(
        pieces.rows, len(plan.labels), tensors
    ):
        raise InputError(
            _("cannot load `{path}`: damaged, or not the weights that `config.json` and the labels describe", path=path)
        )
    return NgramsEngine(plan, pieces, tensors)


def _wanted(rows: int, labels: int, tensors: Mapping[str, Array]) -> list[dict[str, tuple[str, tuple[int, ...]]]]:
    """List the types and shapes that fit together, given the width of the head: with a table of one byte a number, or of half a byte."""
    width = tensors["head"].shape[-1] if "head" in tensors and tensors["head"].shape else 0
    rest = {"head": ("int16", (labels, width)), "scale": ("float32", (labels,)), "bias": ("float32", (labels,))}
    tables = [("int8", (rows, width))] + ([("uint8", (rows, width // 2))] if width % 2 == 0 else [])
    return [rest | {"table": table} for table in tables]


def _read_tensors(content: bytes) -> dict[str, Array]:
    """Read a checked safetensors file (github.com/huggingface/safetensors, README, "Format"), of the number types of this format alone."""
    import numpy as np

    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for name, tensor in header.items():
        if tensor["dtype"] in _DTYPES:
            first, last = tensor["data_offsets"]
            part = memoryview(content)[start + first : start + last]
            tensors[name] = np.frombuffer(part, _DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
    return tensors
