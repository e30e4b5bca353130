"""Find personal data: `Scrubber.find(texts) -> findings`, with offsets in Unicode code points of the texts as given.

A text is made plain (`normalise`), the pattern recognizers whose trigger is there run on it, the named-entity models of its languages read it,
overlaps are settled, names found once are looked for again, and the offsets are led back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from appliance.privacy import contact_blocks, repeats
from appliance.privacy.kinds import KINDS, kind
from appliance.privacy.normalise import Plain, normalise
from appliance.privacy.recognizers import PATTERNS, Hit, Recognizer, lac_entities, spacy_entities
from appliance.schema import Finding
from appliance.settings import ScrubSettings

__all__ = ["Scrubber"]

Language = Literal["en", "zh", "auto"]
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002ebef]")
_LATIN_WORDS = re.compile(r"[A-Za-z]{2,}[^A-Za-z\u4e00-\u9fff]+[A-Za-z]{2,}")
_PLACEHOLDER = re.compile(r"<[A-Z_]+_[0-9]{1,9}>")
_DIGITS = "0123456789"
_MODELS = frozenset((lac_entities.RULE, spacy_entities.RULE, repeats.RULE, contact_blocks.RULE))
_ON = frozenset(each.name for each in KINDS if each.on)


@dataclass(frozen=True, slots=True)
class _Span:
    hit: Hit
    rule: str


class Scrubber:
    """Finds personal data in English and Chinese texts. Make one with `from_settings`; it holds the models it needs."""

    def __init__(self, language: Language, min_score: float, nlp: Any | None, lac: lac_entities.Lac | None) -> None:
        self.language = language
        self.min_score = min_score
        self._nlp = nlp
        self._lac = lac

    @classmethod
    def from_settings(
        cls, language: Language = "auto", settings: ScrubSettings | None = None, spacy_folder: Path | None = None
    ) -> Scrubber:
        """Load what `language` needs. `auto` decides per text: Han characters ask for the Chinese model, Latin words for the English one.

        `spacy_folder` is an unpacked spaCy model; without one the base model `spacy-en-md` is taken where it is installed, else the small model
        of the extra `privacy`. Raises `MissingPartError` when a model is not there.
        """
        settings = settings or ScrubSettings()
        nlp = spacy_entities.load(spacy_folder or _installed_base()) if language != "zh" else None
        lac = lac_entities.load() if language != "en" else None
        return cls(language, settings.min_score, nlp, lac)

    def find(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return the findings of each text, in order and without overlaps. Identical texts are read once."""
        unique = list(dict.fromkeys(texts))
        plain = [normalise(text) for text in unique]
        spans = [list(_patterns(each.text, PATTERNS)) for each in plain]
        self._read_names([each.text for each in plain], spans)
        findings = {
            text: [_finding(each, span) for span in self._settle(each.text, found)]
            for text, each, found in zip(unique, plain, spans, strict=True)
        }
        return [findings[text] for text in texts]

    def leftovers(self, text: str) -> list[Finding]:
        """Return what the strong pattern recognizers still find: for a look at a text that has been scrubbed."""
        plain = normalise(text)
        strong = [recognizer for recognizer in PATTERNS if recognizer.strong]
        return [_finding(plain, span) for span in self._settle(plain.text, list(_patterns(plain.text, strong)))]

    def _read_names(self, texts: list[str], spans: list[list[_Span]]) -> None:
        """Add what the named-entity models find, each model over the texts of its language at once."""
        if self._lac:
            chosen = [index for index, text in enumerate(texts) if _HAN.search(text)]
            found = lac_entities.find_all([texts[index] for index in chosen], self._lac)
            for index, hits in zip(chosen, found, strict=True):
                spans[index].extend(_Span(hit, lac_entities.RULE) for hit in hits)
        if self._nlp:
            chosen = [index for index, text in enumerate(texts) if self.language == "en" or _reads_english(text)]
            found = spacy_entities.find_all([texts[index] for index in chosen], self._nlp)
            for index, hits in zip(chosen, found, strict=True):
                spans[index].extend(_Span(hit, spacy_entities.RULE) for hit in hits)

    def _settle(self, text: str, spans: list[_Span]) -> list[_Span]:
        kept = [span for span in spans if span.hit.score >= self.min_score and span.hit.kind in _ON]
        settled = settle(text, kept)
        found = [span.hit for span in settled]
        again = [_Span(hit, repeats.RULE) for hit in repeats.find_again(text, found)]
        again += [_Span(hit, contact_blocks.RULE) for hit in contact_blocks.find_lines(text, found)]
        return settle(text, kept + again) if again else settled


def _reads_english(text: str) -> bool:
    return not _HAN.search(text) or bool(_LATIN_WORDS.search(text))


def _installed_base() -> Path | None:
    from appliance.base import find
    from appliance.errors import MissingPartError
    from appliance.settings import home_folder, load

    home = home_folder()
    try:
        return find(load(home).bases, home, "spacy-en-md")
    except MissingPartError:
        return None


def _patterns(text: str, recognizers: Iterable[Recognizer]) -> Iterable[_Span]:
    digits = sum(map(text.count, _DIGITS))
    for recognizer in recognizers:
        if digits >= recognizer.min_digits and (recognizer.trigger is None or recognizer.trigger.search(text)):
            for hit in recognizer.find(text):
                yield _Span(hit, recognizer.rule)


def settle(text: str, spans: list[_Span]) -> list[_Span]:
    """Return spans without overlaps that cover all that `spans` cover: the surest, then the longest keeps its place, others keep their rest.

    A rest without a letter or a digit is dropped, and so is what lies in a placeholder.
    """
    placeholders = [_Span(Hit(*match.span(), "", 1.0), "") for match in _PLACEHOLDER.finditer(text)]
    taken = list(placeholders)
    for span in sorted(_joined(spans), key=_rank):
        rests = [(span.hit.start, span.hit.end)]
        for other in taken:
            rests = [piece for rest in rests for piece in _without(rest, other.hit)]
        for start, end in rests:
            start, end = _trim(text, start, end)
            if start < end:
                taken.append(_Span(Hit(start, end, span.hit.kind, span.hit.score), span.rule))
    return sorted(taken[len(placeholders) :], key=lambda span: span.hit.start)


def _rank(span: _Span) -> tuple[bool, float, int, int]:
    """Order spans: patterns before models, the sure before the unsure, the long before the short."""
    return span.rule in _MODELS, -span.hit.score, span.hit.start - span.hit.end, span.hit.start


def _joined(spans: list[_Span]) -> list[_Span]:
    """Return spans with overlapping ones of a kind made one, under the better one's rule and score."""
    joined: list[_Span] = []
    for span in sorted(spans, key=lambda span: (span.hit.kind, span.hit.start)):
        last = joined[-1] if joined else None
        if last and last.hit.kind == span.hit.kind and span.hit.start < last.hit.end:
            best = min(last, span, key=_rank)
            hit = Hit(last.hit.start, max(last.hit.end, span.hit.end), span.hit.kind, best.hit.score)
            joined[-1] = _Span(hit, best.rule)
        else:
            joined.append(span)
    return joined


def _without(rest: tuple[int, int], other: Hit) -> list[tuple[int, int]]:
    start, end = rest
    if other.end <= start or end <= other.start:
        return [rest]
    return [piece for piece in ((start, other.start), (other.end, end)) if piece[0] < piece[1]]


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return (start, end) if any(map(str.isalnum, text[start:end])) else (start, start)


def _finding(plain: Plain, span: _Span) -> Finding:
    start, end = plain.original(span.hit.start, span.hit.end)
    return Finding(start, end, span.hit.kind, round(span.hit.score, 3), span.rule, kind(span.hit.kind).presidio)
