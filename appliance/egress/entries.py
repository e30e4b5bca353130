"""Which entries of a vocabulary may leave, and with which numbers.

Two things of a vocabulary tell of people. That an entry is there at all: in a vocabulary made for a site's texts it says that they hold the word.
And its row of the embedding: whoever has the public base model sees by the difference which words training met (Zanella-Béguelin et al. 2020,
arXiv 1912.07942). So an entry that too few people's records hold leaves only where the base's own list explains it, and then with the base's own row.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.compress.vocabulary import characters, common_words, special, tokens
from appliance.errors import InputError, PolicyError
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

_FREE = re.compile(r"\[unused\d+\]")  # what BERT's vocabulary keeps free: a smaller model may lack it
_SPECIAL = re.compile(r"[\[<][A-Za-z/|_]{1,16}[\]>]")  # [CLS], <s>, </s>, <mask>: what tokenizers add themselves
_TABLE = "embeddings.word_embeddings.weight"


@dataclass(frozen=True, slots=True)
class Entries:
    """The ids that stay, in rising order; of those, the ones whose row is the base's again, by their id in the base; how many are gone."""

    kept: tuple[int, ...]
    put_back: dict[int, int]
    dropped: int


def choose(
    tokenizer: bytes, languages: Sequence[str], held: set[int], base: bytes | None, public: bool = True
) -> Entries:
    """Choose among the entries of a `tokenizer.json`: `held` are the ids that enough people's records hold, `base` is the public tokenizer it comes from.

    Special tokens stay. Of the others that too few hold, those with a row in the base stay with that row when they are single characters or, with
    `public`, explained by the base: the model has its whole list, or its most frequent words up to some place. Raises `PolicyError` for added tokens
    that are words.
    """
    names, fixed = tokens(tokenizer), special(tokenizer)
    numbers = {token: number for number, token in enumerate(tokens(base))} if base else {}
    odd = [number for number in fixed - held if number >= len(names) or not _is_special(names[number], numbers)]
    if odd:
        raise PolicyError(
            _(
                "{count} tokens were added to the tokenizer that few people's texts hold; train again without them",
                count=len(odd),
            )
        )
    explained = {names[number] for number in characters(tokenizer, languages)}
    if base and public:
        explained |= _explained(set(names), base, languages)
    put_back = {
        number: numbers[token]
        for number, token in enumerate(names)
        if number not in fixed | held and token in explained and token in numbers
    }
    kept = tuple(sorted(fixed | held | put_back.keys()))
    return Entries(kept, put_back, len(names) - len(kept))


def _is_special(token: str, base: Collection[str]) -> bool:
    return token in base or bool(_SPECIAL.fullmatch(token))


def _explained(names: set[str], base: bytes, languages: Sequence[str]) -> set[str]:
    """Return the entries of the base whose being here tells nothing of a site."""
    every = tokens(base)
    if all(token in names or _FREE.fullmatch(token) for token in every):
        return set(every)
    return set(takewhile(names.__contains__, (every[number] for number in common_words(base, languages))))


def public_rows(base: Path, numbers: Sequence[int]) -> np.ndarray[Any, Any]:
    """Return rows of a base model's embedding, float32 (rows, hidden). Raises `InputError` when its file has none."""
    import numpy as np
    from safetensors import safe_open

    path = base / "model.safetensors"
    with safe_open(path, "numpy") as file:
        name = next((key for key in file.keys() if key.endswith(_TABLE)), None)  # noqa: SIM118  no mapping
        if name is None:
            raise InputError(_("`{path}` holds no embedding; bring the base model in again", path=path))
        table = file.get_tensor(name)
    return table[np.array(numbers, np.int64)].astype(np.float32)  # type: ignore[no-any-return]
