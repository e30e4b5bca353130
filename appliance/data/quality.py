"""The cleaning rules of `[clean]`: each a small named function from text to text, or from text to "drop it?".

Punctuation and stop words stay: transformers read them. Placeholders such as `<PERSON_1>`, which the scrub put in,
survive every rule but `signatures`, whose very purpose is to drop a sender's block.
"""

from __future__ import annotations

import html as entities
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

from appliance.errors import MissingPartError
from appliance.placeholders import pattern
from appliance.settings import CleanSettings
from appliance.words import _

__all__ = ["DROPPING", "MENDING", "Cleaned", "clean_text"]

_PLACEHOLDER = pattern()


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What the rules made of one text: `changed` names those that altered it, `dropped` the one that refused it."""

    text: str = field(repr=False)
    changed: tuple[str, ...] = ()
    dropped: str | None = None


def clean_text(text: str, settings: CleanSettings) -> Cleaned:
    """Apply the rules that are on, in the order of the settings; the first dropping rule that fires ends it.

    Raises `MissingPartError` when a rule's library (extra `data`) is not installed.
    """
    changed = []
    for name, mend in MENDING.items():
        if getattr(settings, name):
            before, text = text, mend(text)
            if text != before:
                changed.append(name)
    on = (name for name in DROPPING if getattr(settings, name))
    return Cleaned(text, tuple(changed), next((name for name in on if DROPPING[name](text, settings)), None))


# -- rules that mend -------------------------------------------------------------------------------------------------


def mojibake(text: str) -> str:
    """Mend UTF-8 that was decoded as a single-byte encoding (`Ã©` -> `é`).

    By ftfy: Speer, 2019, doi:10.5281/zenodo.2591652.
    """
    if text.isascii():
        return text
    mended: str = _part("mojibake", "ftfy").fix_encoding(text)
    return mended


_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Unicode category Cc but tab and newline; zero-width space, word joiner, byte-order mark and soft hyphen; and the
# bidirectional overrides of "Trojan Source" (CVE-2021-42574). The joiners U+200C and U+200D stay: scripts and emoji
# need them.
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069]")


def control_characters(text: str) -> str:
    """Make every line end a newline, then drop control and invisible characters."""
    return _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text))


def nfkc(text: str) -> str:
    """Normalise to Unicode NFKC (UAX #15): full-width forms, ligatures and no-break spaces become plain."""
    if text.isascii():
        return text
    parts, position = [], 0
    for match in _PLACEHOLDER.finditer(text):  # they stand apart, since `>` can combine with the character after it
        parts += [unicodedata.normalize("NFKC", text[position : match.start()]), match[0]]
        position = match.end()
    return "".join((*parts, unicodedata.normalize("NFKC", text[position:])))


# HTML living standard, the elements seen in messages. `<address>` is left out: `<ADDRESS>` is a name of ours.
_BLOCK = (
    "article|aside|blockquote|body|br|center|dd|div|dl|dt|footer|form|h[1-6]|head|header|hr|html|li|main|nav|ol|p|pre|"
    "section|table|tbody|tfoot|thead|title|tr|ul"
)
_INLINE = (
    "a|abbr|b|bdi|bdo|big|button|cite|code|del|em|font|i|img|input|ins|kbd|label|link|mark|meta|q|s|samp|script|small|"
    "span|strike|strong|style|sub|sup|tt|u|wbr"
)
_ATTRIBUTE = r"""\s+[\w:-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>]+)"""
_TAG = re.compile(rf"</?(?:(?P<block>{_BLOCK})|(?P<cell>td|th)|{_INLINE})(?:{_ATTRIBUTE})*\s*/?>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:amp;)*(#\d{1,7};|#[xX][0-9a-fA-F]{1,6};|[A-Za-z][A-Za-z0-9]{1,31};)")
_HIDDEN = (
    (re.compile("<!--"), re.compile("-->")),
    (re.compile(r"<script(?=[\s>])", re.IGNORECASE), re.compile(r"</script\s*>", re.IGNORECASE)),
    (re.compile(r"<style(?=[\s>])", re.IGNORECASE), re.compile(r"</style\s*>", re.IGNORECASE)),
)
_ROUNDS = 5  # of escaped markup within escaped markup; more is an attack, not a message


def html(text: str) -> str:
    """Decode entities and drop tags, comments, scripts and styles; a block element leaves a line break.

    `a < b` and placeholders stay. Goes on until nothing changes, so that escaped markup (`&lt;br&gt;`) goes too.
    """
    mended = text
    for _round in range(_ROUNDS):
        before, mended = mended, _without_markup(mended)
        if mended == before:
            break
    if mended == text:
        return text
    return "\n".join(" ".join(line.split()) for line in mended.split("\n") if line.strip())


def _without_markup(text: str) -> str:
    if "&" in text:
        # entities with their semicolon only: in a web address `&copy=2` is no sign
        text = _ENTITY.sub(lambda match: entities.unescape(f"&{match[1]}").replace("\xa0", " "), text)
    if "<" in text:
        for start, end in _HIDDEN:
            text = _without_blocks(text, start, end)
        text = _TAG.sub(_instead_of_tag, text)
    return text


def _instead_of_tag(match: re.Match[str]) -> str:
    gap = "\n" if match["block"] else " " if match["cell"] else ""
    return gap + "".join(_PLACEHOLDER.findall(match[0]))


def _without_blocks(text: str, start: re.Pattern[str], end: re.Pattern[str]) -> str:
    """Drop what stands from `start` to `end`.

    Searches forward only: the regex `start.*?end` takes the square of the length on hostile input.
    """
    parts, position = [], 0
    while (first := start.search(text, position)) and (last := end.search(text, first.end())):
        parts += [text[position : first.start()], *_PLACEHOLDER.findall(text, first.start(), last.end())]
        position = last.end()
    return "".join((*parts, text[position:]))


_SIGNATURE = re.compile(r"(?:\A|\n)--[ \t]*(?=\n)")  # RFC 3676, section 4.3: a line of "-- "; clients lose the space
_SENT_FROM = re.compile(r"Sent from my .{1,40}|Get Outlook for .{1,20}|发自我的.{1,30}")


def signatures(text: str) -> str:
    """Drop an e-mail signature: all after the last line of `-- `, and a phone's "Sent from my ...".

    Text that is nothing else stays.
    """
    mended = text
    body, _newline, last = text.rstrip().rpartition("\n")
    if _SENT_FROM.fullmatch(last.strip()):
        mended = body.rstrip()
    starts = [match.start() for match in _SIGNATURE.finditer(mended)]
    if starts:
        mended = mended[: starts[-1]]
    return mended if mended.strip() else text


def repeated_lines(text: str) -> str:
    """Keep one of lines that repeat directly (spaces at their ends do not count); blank lines stay as they are."""
    if "\n" not in text:
        return text
    lines = text.split("\n")
    kept = [line for before, line in pairwise(lines) if not line.strip() or line.strip() != before.strip()]
    return "\n".join((lines[0], *kept))


# -- rules that drop -------------------------------------------------------------------------------------------------

_SURE, _MIN_LETTERS, _READ_CHARACTERS = 0.9, 40, 2000
_OURS = frozenset({"en", "zh", "yue", "wuu", "lzh"})  # Cantonese, Wu and classical Chinese are Han characters too


def wrong_language(text: str, _settings: CleanSettings) -> bool:
    """Tell whether the text is surely neither English nor Chinese.

    By py3langid, naive Bayes over byte n-grams: Lui and Baldwin, 2012, "langid.py". Gentle: it reads the first 2,000
    characters, drops no text of under 40 letters (a Han character counts as three), believes no verdict under .9.
    """
    words = " ".join(re.findall(r"[^\W\d_]+", _PLACEHOLDER.sub(" ", text[:_READ_CHARACTERS])))
    letters = sum(3 if "\u3400" <= character <= "\u9fff" else 1 for character in words if character != " ")
    if letters < _MIN_LETTERS:
        return False
    language, confidence = _identifier().classify(words)
    return language not in _OURS and confidence >= _SURE


def short(text: str, settings: CleanSettings) -> bool:
    """Tell whether fewer than `min_characters` are left, spaces not counted."""
    return len("".join(text.split())) < settings.min_characters


_UNIT = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+|[^\w\s]")
_MIN_UNITS = 8


def repetitive(text: str, settings: CleanSettings) -> bool:
    """Tell whether more than `max_repetition` of the text's 4-grams repeat an earlier one: one phrase over and over.

    Repeated n-grams as a mark of poor text: Rae et al., 2021 (Gopher), appendix A1.1. The units are words, Han
    characters and signs; where there are fewer than 8, all characters.
    """
    units: list[str] = _UNIT.findall(text)
    if len(units) < _MIN_UNITS:
        units = [character for character in text if not character.isspace()]
    grams = list(zip(units, units[1:], units[2:], units[3:], strict=False))
    return bool(grams) and 1 - len(set(grams)) / len(grams) > settings.max_repetition


@cache
def _identifier() -> Any:
    module = _part("wrong_language", "py3langid.langid")
    return module.LanguageIdentifier.from_model_file(module.MODEL_FILE, norm_probs=True)  # lies in the wheel


@cache
def _part(rule: str, module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise MissingPartError(
            _("`clean.{rule}` needs the extra `data`: install `skerry[data]`, or switch the rule off", rule=rule)
        ) from error


MENDING: dict[str, Callable[[str], str]] = {
    "mojibake": mojibake,
    "control_characters": control_characters,
    "nfkc": nfkc,
    "html": html,
    "signatures": signatures,
    "repeated_lines": repeated_lines,
}
DROPPING: dict[str, Callable[[str, CleanSettings], bool]] = {
    "wrong_language": wrong_language,
    "short": short,
    "repetitive": repetitive,
}
