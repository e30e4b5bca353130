"""Text in, tokens out; logits in, answers out: what every engine does alike, whatever runs the network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.engine.plan import Plan
from appliance.errors import InputError
from appliance.schema import Prediction
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

# A text is cut to this many characters a token before it is tokenized: English needs 4 to 5, so what is cut could not
# matter, and a text of megabytes costs no more than a long letter.
_CHARACTERS_PER_TOKEN = 32
# A long text that is read in windows: each begins before the end of the one before, by this part of a window, so that
# what is cut at one's edge stands whole in the other; behind the last window nothing is read.
_OVERLAP = 0.25
_MOST_WINDOWS = 64


@dataclass(frozen=True, slots=True)
class Reading:
    """A text in tokens: `windows` of at most the model's length, special tokens included; one, unless a long text is read in parts.

    `places` tells for each window which tokens are the text's own: their index in the window, start and end in code points, and the number of their word (None
    where there is none). `truncated`: the model does not see all of the text.
    """

    windows: list[list[int]]
    places: list[list[tuple[int, int, int, int | None]]]
    truncated: bool


class Reader:
    """A model's tokenizer: safe in several threads, and it lets go of the interpreter lock while it works."""

    def __init__(self, folder: Path, plan: Plan, content: bytes | None = None) -> None:
        """Read `tokenizer.json` of `folder`, or `content` in its place. Raises `InputError` when it is no tokenizer."""
        # One thread serves one text; the tokenizer's own thread pool would only fight with the engine's threads.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from tokenizers import Tokenizer

        path = folder / "tokenizer.json"
        try:
            self._tokenizer = Tokenizer.from_buffer(path.read_bytes() if content is None else content)
        except Exception as error:  # tokenizers raises bare `Exception`
            raise InputError(_("cannot read `{path}`; a tokenizer is a `tokenizers` JSON file", path=path)) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length=plan.max_tokens)
        self._prefix, self._max_tokens = plan.prefix, plan.max_tokens
        self._max_characters = plan.max_tokens * _CHARACTERS_PER_TOKEN
        if not self.read("")[0]:
            raise InputError(
                _(
                    "`{path}` adds no special tokens; use the tokenizer of the base model",
                    path=path,
                )
            )

    def read(self, text: str) -> tuple[list[int], bool]:
        """Return the token ids, special tokens included, and whether the model cannot see all of the text.

        Raises `InputError` for lone surrogates (half a character, which no UTF-8 file can hold).
        """
        encoding = self._encode(text[: self._max_characters])
        truncated = bool(encoding.overflowing) or bool(text[self._max_characters :].strip())
        return list(encoding.ids), truncated

    def read_places(self, text: str, chunk: bool = False) -> Reading:
        """Read a text with the places of its tokens, and all of it in windows when `chunk` is set. Raises `InputError` as `read`.

        Each window begins with the special tokens and the plan's prefix, as a text of its own would.
        """
        most = self._max_characters * (_MOST_WINDOWS if chunk else 1)
        encoding = self._encode(text[:most])
        behind = bool(text[most:].strip())
        parts = [encoding, *encoding.overflowing] if chunk else [encoding]
        if len(parts) == 1:
            kept = self._own(encoding)
            whole = [(index, start, end, word) for index, _token, start, end, word in kept]
            return Reading([list(encoding.ids)], [whole], behind or bool(encoding.overflowing))
        own = self._own(encoding)
        head, tail = encoding.ids[: own[0][0]], encoding.ids[own[-1][0] + 1 :]  # the prefix belongs to the head
        body = [token for part in parts for token in self._own(part)]
        size = self._max_tokens - len(head) - len(tail)
        step = max(1, size - int(size * _OVERLAP))
        starts = range(0, max(1, len(body) - size + step), step)[:_MOST_WINDOWS]
        windows = [[*head, *(row[1] for row in body[at : at + size]), *tail] for at in starts]
        places = [
            [
                (len(head) + index, first, end, word)
                for index, (_i, _t, first, end, word) in enumerate(body[at : at + size])
            ]
            for at in starts
        ]
        return Reading(windows, places, behind or starts[-1] + size < len(body))

    def _own(self, encoding: Any) -> list[tuple[int, int, int, int, int | None]]:
        # The text's own tokens: neither special nor of the prefix. Index, id, start and end in the text, word.
        before = len(self._prefix)
        rows = zip(encoding.ids, encoding.offsets, encoding.word_ids, encoding.special_tokens_mask, strict=True)
        return [
            (index, token, max(0, start - before), end - before, word)
            for index, (token, (start, end), word, special) in enumerate(rows)
            if not special and end > before
        ]

    def _encode(self, seen: str) -> Any:
        try:
            seen.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                _(
                    "the text holds half a character (a lone surrogate) at position {position}; send valid UTF-8",
                    position=error.start,
                )
            ) from error
        return self._tokenizer.encode_batch([self._prefix + seen])[0]  # `encode` would hold the interpreter lock


def answers(
    logits: np.ndarray[Any, Any], truncated: Sequence[bool], labels: Sequence[str], min_score: float
) -> list[Prediction]:
    """Turn logits (texts, labels) into predictions by `softmax`; no label below `min_score`."""
    probabilities = softmax(logits)
    best = probabilities.argmax(axis=1)
    return [
        Prediction(
            label=labels[index] if row[index] >= min_score else None,
            score=float(row[index]),
            probabilities=dict(zip(labels, row.tolist(), strict=True)),
            truncated=cut,
        )
        for row, index, cut in zip(probabilities, best, truncated, strict=True)
    ]


def softmax(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Turn logits (rows, labels) into float64 probabilities; a row's do not depend on the other rows."""
    import numpy as np

    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    probabilities: np.ndarray[Any, Any] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def pad(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Pad token ids with 0 to the longest row: int64 ids and mask, both (batch, tokens). The mask hides the padding, so its id does not matter."""
    import numpy as np

    shape = (len(rows), max(map(len, rows)))
    input_ids, attention_mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for index, row in enumerate(rows):
        input_ids[index, : len(row)] = row
        attention_mask[index, : len(row)] = 1
    return input_ids, attention_mask
