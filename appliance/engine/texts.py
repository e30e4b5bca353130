"""Text in, tokens out; logits in, answers out: what every engine does alike, whatever runs the network."""

from __future__ import annotations

import os
from collections.abc import Sequence
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
        self._prefix = plan.prefix
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
        seen = text[: self._max_characters]
        try:
            seen.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                _(
                    "the text holds half a character (a lone surrogate) at position {position}; send valid UTF-8",
                    position=error.start,
                )
            ) from error
        encoding = self._tokenizer.encode_batch([self._prefix + seen])[0]  # `encode` would hold the interpreter lock
        truncated = bool(encoding.overflowing) or bool(text[self._max_characters :].strip())
        return list(encoding.ids), truncated


def answers(
    logits: np.ndarray[Any, Any], truncated: Sequence[bool], labels: Sequence[str], min_score: float
) -> list[Prediction]:
    """Turn logits (texts, labels) into predictions by softmax in float64; no label below `min_score`."""
    import numpy as np

    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)  # (texts, labels)
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
