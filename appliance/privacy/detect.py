"""Find personal data: `Scrubber.find(texts) -> findings`, with offsets in Unicode code points of the texts as given.

A text is made plain (`normalise`), the pattern recognizers whose trigger is there run on it, the named-entity models of its languages read it,
overlaps are settled, names found once are looked for again, and the offsets are led back.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from bisect import bisect
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from appliance import placeholders
from appliance.privacy import contact_blocks, repeats, site_rules
from appliance.privacy.kinds import KINDS, form, kind
from appliance.privacy.normalise import Plain, normalise
from appliance.privacy.policy import Mode, Policy
from appliance.privacy.policy import load as load_policy
from appliance.privacy.recognizers import (
    PATTERNS,
    Hit,
    Recognizer,
    harmless,
    lac_entities,
    look,
    spacy_entities,
    tagger,
)
from appliance.privacy.site_rules import SiteRule
from appliance.schema import Finding
from appliance.settings import ScrubSettings

__all__ = ["Scope", "Scrubber"]

Language = Literal["en", "zh", "auto"]
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002ebef]")
_LATIN_WORDS = re.compile(r"[A-Za-z]{2,}[^A-Za-z\u4e00-\u9fff]+[A-Za-z]{2,}")
_KINDS = "|".join(each.name for each in KINDS)
_PLACEHOLDER = placeholders.pattern(_KINDS)
_DIGIT = re.compile("[0-9]")
_PARAGRAPH = 300  # characters under which a text is read whole
_PARAGRAPH_END = re.compile(
    r"\n\s*\n|[.!?](?<=[a-z]{3}[.!?])[ \t]*\n|[。！？]\s*\n"
)  # `No.` at the end of a line ends none
_DIGITS = "0123456789"
_KNOWN = frozenset(each.name for each in KINDS)
_MODELS = (lac_entities.RULE, spacy_entities.RULE, tagger.RULE, repeats.RULE, contact_blocks.RULE)
_EAGER_SCORE = 0.2  # in the mode max-recall


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked for: the mode of the search, the kinds, and the score under which a find does not count."""

    mode: Mode
    kinds: frozenset[str]
    min_score: float


@dataclass(frozen=True, slots=True)
class _Span:
    hit: Hit
    rule: str


class Scrubber:
    """Finds personal data in English and Chinese texts. Make one with `from_settings`; models are loaded when a text asks for one."""

    def __init__(
        self,
        language: Language,
        scope: Scope,
        settings: ScrubSettings | None = None,
        spacy_folder: Path | None = None,
        rules: Sequence[SiteRule] = (),
    ) -> None:
        self.language = language
        self.scope = scope
        self.settings = settings or ScrubSettings()
        self.spacy_folder = spacy_folder
        self._reads = frozenset() if scope.mode == "structured-only" else _LANGUAGES[language]
        self.site_rules = tuple(rules)
        chosen = _chosen(scope) + ([site_rules.recognizer(rules)] if rules else [])
        self._patterns = _Patterns(chosen)
        self._strong = _Patterns(recognizer for recognizer in chosen if recognizer.strong)
        self._memo = _Memo()

    @classmethod
    def from_settings(
        cls,
        language: Language = "auto",
        settings: ScrubSettings | None = None,
        spacy_folder: Path | None = None,
        policy: Policy | None = None,
        rules: Sequence[SiteRule] = (),
    ) -> Scrubber:
        """Make a scrubber for `language` and `policy` (default: the one that the settings name). A `min_score` in the settings outranks the policy's.

        `auto` decides per text: Han characters ask for the Chinese model, Latin words for the English one. `spacy_folder` is an unpacked spaCy
        model; without one the base model `spacy-en-md` is taken where it is installed, else the small model of the extra `privacy`. The mode
        `structured-only` needs neither. `rules` are the words that this site knows (`site_rules.load`). Raises `MissingPartError` when a model is not there.
        """
        settings = settings or ScrubSettings()
        policy = policy or load_policy(settings.policy)
        least = policy.min_score if settings.min_score is None else settings.min_score
        scope = Scope(policy.mode, policy.kinds, least)
        scrubber = cls(language, scope, settings, spacy_folder, rules)
        if "zh" in scrubber._reads:
            lac_entities.locate()
        if "en" in scrubber._reads:
            scrubber.spacy_folder = spacy_entities.locate(spacy_folder or _installed_base())
        for folder in settings.taggers:
            tagger.load(folder)
        return scrubber

    def load(self) -> None:
        """Load now what texts will ask for. Raises `MissingPartError` for a model that is not there or damaged."""
        if "zh" in self._reads:
            lac_entities.load()
        if "en" in self._reads:
            spacy_entities.load(spacy_entities.locate(self.spacy_folder))

    def models(self) -> list[dict[str, str]]:
        """Return name and SHA-256 of each tagger: what a report says of the models that a site brought."""
        return [{"tagger": each.name, "sha256": each.sha256} for each in self._taggers()]

    def find(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return the findings of each text, in order and without overlaps. Identical texts are read once, short ones once in thousands."""
        found = {text: self._memo.get(text) for text in texts}
        fresh = [text for text, findings in found.items() if findings is None]
        for text, findings in zip(fresh, self._read(fresh), strict=True):
            found[text] = findings
            self._memo.add(text, findings)
        return [list(found[text] or ()) for text in texts]

    def leftovers(self, text: str) -> list[Finding]:
        """Return what the strong pattern recognizers still find: for a look at a text that has been scrubbed."""
        plain = normalise(text)
        spans = list(self._strong.find(plain.text))
        return [_finding(plain, span) for span in self._settle(plain.text, spans)] if spans else []

    def _read(self, texts: Sequence[str]) -> list[list[Finding]]:
        plain = [normalise(text) for text in texts]
        spans = [list(self._find_patterns(each.text)) for each in plain]
        self._read_names([each.text for each in plain], spans)
        return [
            [_finding(each, span) for span in self._settle(each.text, found)] if found else []
            for each, found in zip(plain, spans, strict=True)
        ]

    def _find_patterns(self, text: str) -> Iterator[_Span]:
        """Yield what the patterns find; without names, paragraph by paragraph: then most recognizers have nothing to look for in most of them."""
        if self.scope.mode != "structured-only" or len(text) < _PARAGRAPH:
            yield from self._patterns.find(text)
            return
        for start, end in itertools.pairwise(_cuts(text)):
            for span in self._patterns.find(text[start:end]):
                yield _within(span, span.hit.start + start, span.hit.end + start)

    def _read_names(self, texts: list[str], spans: list[list[_Span]]) -> None:
        """Add what the models find, each model over the texts of its language at once."""
        eager = self.scope.mode == "max-recall"
        chinese = [index for index, text in enumerate(texts) if "zh" in self._reads and _HAN.search(text)]
        english = [index for index, text in enumerate(texts) if "en" in self._reads and self._asks_for_english(text)]
        if chinese:
            lean = lac_entities.EAGER if eager else lac_entities.LEAN
            found = lac_entities.find_all([texts[index] for index in chinese], lac_entities.load(), lean)
            _add(spans, chinese, found, lac_entities.RULE)
        if english:
            model = spacy_entities.load(spacy_entities.locate(self.spacy_folder))
            found = spacy_entities.find_all([texts[index] for index in english], model, eager)
            _add(spans, english, found, spacy_entities.RULE)
        for each in self._taggers():
            _add(spans, range(len(texts)), each.find_all(texts), f"{tagger.RULE}:{each.name}")

    def _asks_for_english(self, text: str) -> bool:
        return self.language == "en" or not _HAN.search(text) or bool(_LATIN_WORDS.search(text))

    def _taggers(self) -> list[tagger.Tagger]:
        structured = self.scope.mode == "structured-only"
        return [] if structured else [tagger.load(folder) for folder in self.settings.taggers]

    def _settle(self, text: str, spans: list[_Span]) -> list[_Span]:
        scope = self.scope
        for span in spans:
            _require_sound(span.hit, text)
        least = min(scope.min_score, _EAGER_SCORE) if scope.mode == "max-recall" else scope.min_score
        kept = [span for span in spans if span.hit.score >= least and span.hit.kind in scope.kinds]
        if scope.mode != "max-recall":
            kept = _spared(text, kept)
        settled = settle(text, kept)
        if scope.mode == "structured-only":
            return settled
        found = [span.hit for span in settled]
        again = [_Span(hit, repeats.RULE) for hit in repeats.find_again(text, found)]
        again += [_Span(hit, contact_blocks.RULE) for hit in contact_blocks.find_lines(text, found)]
        return settle(text, kept + again) if again else settled


_LANGUAGES = {"en": frozenset({"en"}), "zh": frozenset({"zh"}), "auto": frozenset({"en", "zh"})}


class _Patterns:
    """Pattern recognizers, of which those read a text that one look does not rule out."""

    def __init__(self, recognizers: Iterable[Recognizer]) -> None:
        self.recognizers = list(recognizers)
        self._always = [place for place, each in enumerate(self.recognizers) if not each.expressions]
        self._places = {each.rule: place for place, each in enumerate(self.recognizers) if each.expressions}

    def find(self, text: str) -> Iterator[_Span]:
        """Yield what the recognizers find in a plain text."""
        places = [self._places[rule] for rule in look(text) if rule in self._places] + self._always
        if not places:
            return
        digits = sum(map(text.count, _DIGITS))
        for place in sorted(places):
            recognizer = self.recognizers[place]
            enough = digits >= recognizer.min_digits
            if enough and (recognizer.trigger is None or recognizer.trigger.search(text)):
                for hit in recognizer.find(text):
                    yield _Span(hit, recognizer.rule)


class _Memo:
    """The findings of short texts that were read before, by hash; the oldest are forgotten first."""

    _ENTRIES = 20_000
    _LONGEST = 500  # characters; longer texts hardly come twice

    def __init__(self) -> None:
        self._found: OrderedDict[bytes, list[Finding]] = OrderedDict()

    def get(self, text: str) -> list[Finding] | None:
        """Return the findings of `text`, None for one that is not known."""
        return self._found.get(_digest(text)) if len(text) <= self._LONGEST else None

    def add(self, text: str, findings: list[Finding]) -> None:
        """Keep the findings of `text`."""
        if len(text) <= self._LONGEST:
            self._found[_digest(text)] = findings
            if len(self._found) > self._ENTRIES:
                self._found.popitem(last=False)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _chosen(scope: Scope) -> list[Recognizer]:
    """Return the pattern recognizers of a scope's mode."""
    if scope.mode == "structured-only":
        return [recognizer for recognizer in PATTERNS if not recognizer.names]
    if scope.mode == "max-recall":
        return [
            replace(recognizer, find=recognizer.eager, expressions=()) if recognizer.eager else recognizer
            for recognizer in PATTERNS
        ]
    return list(PATTERNS)


def _add(spans: list[list[_Span]], places: Iterable[int], found: list[list[Hit]], rule: str) -> None:
    for index, hits in zip(places, found, strict=True):
        spans[index].extend(_Span(hit, rule) for hit in hits)


def _spared(text: str, spans: list[_Span]) -> list[_Span]:
    """Return the spans without what numbers that belong to nobody cover (orders, versions, standards), and without names that are numbers."""
    if all(span.hit.score >= harmless.SURE and span.hit.kind not in harmless.NAMES for span in spans):
        return spans
    if not _DIGIT.search(text):
        return spans
    shields = _shields(text, spans)
    return [
        _within(span, start, end)
        for span in spans
        for start, end in harmless.rests(text, span.hit, shields)
        if not (span.hit.kind in harmless.NAMES and harmless.nameless(text[start:end]))
    ]


def _cuts(text: str) -> list[int]:
    """Return where paragraphs start, and the end of the text."""
    return [0, *(match.end() for match in _PARAGRAPH_END.finditer(text)), len(text)]


def _shields(text: str, spans: list[_Span]) -> list[tuple[int, int]]:
    """Return what belongs to nobody in the paragraphs of `spans` that are not sure, each read behind the paragraph ahead of it, where its label may stand."""
    if len(text) < _PARAGRAPH:
        return list(harmless.find(text))
    cuts = _cuts(text)
    unsure = [span.hit for span in spans if span.hit.score < harmless.SURE or span.hit.kind in harmless.NAMES]
    places = {bisect(cuts, place) for hit in unsure for place in range(hit.start, hit.end)}
    found: set[tuple[int, int]] = set()
    for place in places:
        start, end = cuts[max(0, place - 2)], cuts[min(place, len(cuts) - 1)]
        found.update((low + start, high + start) for low, high in harmless.find(text[start:end]))
    return sorted(found)


def _within(span: _Span, start: int, end: int) -> _Span:
    hit = span.hit
    if (start, end) == (hit.start, hit.end):
        return span
    return _Span(Hit(start, end, hit.kind, hit.score, hit.form), span.rule)


def _installed_base() -> Path | None:
    from appliance.base import find
    from appliance.errors import MissingPartError
    from appliance.settings import home_folder, load

    home = home_folder()
    try:
        return find(load(home).bases, home, "spacy-en-md")
    except MissingPartError:
        return None


def _require_sound(hit: Hit, text: str) -> None:
    """Raise `ValueError` for what no recognizer should say: then the text counts as not read, and its record is held back."""
    if not (0 <= hit.start <= hit.end <= len(text) and 0 <= hit.score <= 1 and hit.kind in _KNOWN):
        raise ValueError("unsound hit")


def settle(text: str, spans: list[_Span]) -> list[_Span]:
    """Return spans without overlaps that cover all that `spans` cover: the surest, then the longest keeps its place, others keep their rest.

    A rest without a letter or a digit is dropped, and so is what lies in a placeholder.
    """
    written = [_Span(Hit(*match.span(), "", 1.0), "") for match in _PLACEHOLDER.finditer(text)] if "<" in text else []
    taken = list(written)
    for span in sorted(_joined(list(_yielding(spans))), key=_rank):
        rests = [(span.hit.start, span.hit.end)]
        for other in taken:
            rests = [piece for rest in rests for piece in _without(rest, other.hit)]
        for start, end in rests:
            start, end = _trim(text, start, end)
            if start < end:
                taken.append(_within(span, start, end))
    return sorted(taken[len(written) :], key=lambda span: span.hit.start)


def _rank(span: _Span) -> tuple[bool, float, int, int]:
    """Order spans: patterns before models, the sure before the unsure, the long before the short."""
    return span.rule.startswith(_MODELS), -span.hit.score, span.hit.start - span.hit.end, span.hit.start


def _yielding(spans: list[_Span]) -> Iterator[_Span]:
    """Yield spans, those of models without what a pattern takes for another kind: joined with a name that a pattern found they would outrank it."""
    patterns = [span for span in spans if not span.rule.startswith(_MODELS)]
    for span in spans:
        rests = [(span.hit.start, span.hit.end)]
        if span.rule.startswith(_MODELS):
            for other in patterns:
                if other.hit.kind != span.hit.kind:
                    rests = [piece for rest in rests for piece in _without(rest, other.hit)]
        yield from (_within(span, start, end) for start, end in rests)


def _joined(spans: list[_Span]) -> list[_Span]:
    """Return spans with overlapping ones of a kind made one, under the better one's rule and score."""
    joined: list[_Span] = []
    for span in sorted(spans, key=lambda span: (span.hit.kind, span.hit.start)):
        last = joined[-1] if joined else None
        if last and last.hit.kind == span.hit.kind and span.hit.start < last.hit.end:
            best = min(last, span, key=_rank)
            end = max(last.hit.end, span.hit.end)
            joined[-1] = _Span(replace(best.hit, start=last.hit.start, end=end), best.rule)
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
    hit = span.hit
    return Finding(start, end, hit.kind, round(hit.score, 3), span.rule, _presidio(hit.kind, hit.form))


@cache
def _presidio(kind_name: str, form_name: str) -> str:
    return (form(form_name) if form_name else kind(kind_name)).presidio
