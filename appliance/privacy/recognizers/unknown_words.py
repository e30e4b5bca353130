"""Words with a capital that no dictionary has, in the place of a name: `I work for Socrata`, `she arrived at Sisseb`.

The dictionary is the word list that comes with the spaCy model (WordNet 3.0 lemmas and their irregular forms, lower case).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from appliance.privacy.recognizers.gazetteer import given_names, surnames
from appliance.privacy.recognizers.person_en import NO_NAME
from appliance.privacy.recognizers.recognizer import Hit

__all__ = ["dictionary", "find"]

_UPPER = r"(?:[A-Z]|[^\W\d_\x00-\x7f\u2e80-\u9fff\uac00-\ud7af])"
_PLACE = re.compile(
    rf"(?<=[A-Za-z] )(in|at|from|near|by|[Ww]ork(?:s|ed|ing)? (?:for|at|with)|employed by|founded by|owned by) ({_UPPER}[^\W\d_]{{2,}}(?: {_UPPER}[^\W\d_]+){{0,2}})(?![\w@])"
)
_CAPITALISED = re.compile(rf"(?<![\w@#.\-]){_UPPER}[^\W\d_]{{2,}}(?![\w@])")
_PAIR = re.compile(rf"(?<![\w@#.\-])({_UPPER}[^\W\d_]{{2,}})[ \t]({_UPPER}[^\W\d_]{{2,}})(?![\w@])")
_SMALL_PAIR = re.compile(r"(?<![\w@#.\-])(?=([^\W\d_]{3,})[ ]([^\W\d_]{4,})(?![\w@]))")
_KINDS = {"in": "LOCATION", "at": "LOCATION", "from": "LOCATION", "near": "LOCATION", "by": "PERSON"}
_INFLECTIONS = (
    ("", ""),
    ("s", ""),
    ("es", ""),
    ("ies", "y"),
    ("ed", ""),
    ("ed", "e"),
    ("d", ""),
    ("ing", ""),
    ("ing", "e"),
    ("er", ""),
    ("ers", ""),
    ("ly", ""),
    ("al", ""),
    ("ic", ""),
    ("ness", ""),
)


@cache
def dictionary(folder: Path) -> frozenset[str]:
    """Return the lower-case words of the model in `folder`; empty when it brings none."""
    from spacy.lookups import Lookups

    path = folder / "lemmatizer" / "lookups"
    if not (path / "lookups.bin").is_file():
        return frozenset()
    lookups = Lookups().from_disk(path)
    tables = [lookups.get_table(name) for name in ("lemma_index", "lemma_exc") if lookups.has_table(name)]
    return frozenset(word for table in tables for words in table.values() for word in words)


def find(text: str, known: frozenset[str], eager: bool = False) -> Iterator[Hit]:
    """Yield unknown words behind a preposition of place, work or authorship (.42), and beside a given name or surname (.45-.5).

    `eager` takes every unknown word with a capital for a name (.25).
    """
    yield from _beside_a_name(text, known)
    if eager and known:
        for match in _CAPITALISED.finditer(text):
            if not _is_known(match[0].casefold(), known) and match[0].casefold() not in NO_NAME:
                yield Hit(*match.span(), "PERSON", 0.25)
    for match in _PLACE.finditer(text):
        words = match[2].split()
        if (
            known
            and not any(_is_known(word.casefold(), known) for word in words)
            and (not match[2].isupper() or not match[2].isascii())
        ):
            yield Hit(*match.span(2), _KINDS.get(match[1], "ORGANIZATION"), 0.42)


def _beside_a_name(text: str, known: frozenset[str]) -> Iterator[Hit]:
    """Yield `Abdulkadir Yılmaz` (an unknown word and a surname), `patricia desrosiers` (a given name and an unknown word, in small letters)."""
    if not known:
        return
    for match in _PAIR.finditer(text):
        first, last = (word.casefold() for word in match.groups())
        if last in surnames()[0] and first not in NO_NAME and not _is_known(first, known) and not match[1].isupper():
            yield Hit(*match.span(), "PERSON", 0.5)
    for match in _SMALL_PAIR.finditer(text):
        first, last = match.groups()
        if (
            first in given_names()[0]
            and len(first) > 3
            and last not in NO_NAME
            and (last in surnames()[0] or not _is_known(last, known))
        ):
            yield Hit(match.start(1), match.end(2), "PERSON", 0.45)


def _is_known(word: str, known: frozenset[str]) -> bool:
    return any(word.endswith(end) and word[: len(word) - len(end)] + stem in known for end, stem in _INFLECTIONS)
