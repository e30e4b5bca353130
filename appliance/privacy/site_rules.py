"""Words that a site knows to be personal: what reviewers typed because the scrub had missed it (`skerry recall DATASET --review N`).

They are kept in the home as `site_rules`, encrypted under the home's key (AES-256-GCM), and looked for by every scrub of a data set there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from appliance.errors import InputError
from appliance.files import locked, write_durably
from appliance.privacy.normalise import normalise
from appliance.privacy.recognizers.recognizer import Hit, Recognizer
from appliance.words import _

if TYPE_CHECKING:
    from appliance.store import Store

__all__ = ["RULE", "SiteRule", "add", "follow", "forget", "load", "recognizer"]

RULE = "site_rule"
_FILE = "site_rules"
_PURPOSE = "site rules"
_SCORE = 0.95
_Rules = dict[tuple[str, str], "SiteRule"]
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class SiteRule:
    """Words and the kind of personal data that they are. `dataset` (id) and `record` tell where a reviewer saw them."""

    words: str = field(repr=False)
    kind: str
    dataset: str = ""
    record: str = ""


def load(store: Store) -> tuple[SiteRule, ...]:
    """Return the rules of this home, none where nobody made any. Raises `IntegrityError` when the file was changed or the key is another."""
    path = store.home / _FILE
    if not path.exists():
        return ()
    return tuple(SiteRule(**row) for row in json.loads(store.keys.open(_PURPOSE, path.read_text("ascii"))))


def add(store: Store, rule: SiteRule) -> None:
    """Keep one more rule. The same words and kind are kept once. Raises `InputError` for words without a character that can be seen."""
    if not _parts(rule):
        raise InputError(_("a rule needs words that can be seen; these are blanks only"))
    _change(store, lambda rules: {**{(each.words, each.kind): each for each in [rule]}, **rules})


def follow(store: Store, old: str, new: str, records: Container[str]) -> None:
    """Let the rules that were learnt from the data set `old` (id) follow it to `new`, its version with `records` (ids) only; the others are forgotten."""
    if any(each.dataset == old for each in load(store)):
        _change(store, lambda rules: dict(_followed(rules, old, new, records)))


def forget(store: Store, records: Container[str]) -> None:
    """Forget the rules that were learnt from these records (ids), whatever became of their data set."""
    if any(each.record in records for each in load(store)):
        _change(store, lambda rules: {key: rule for key, rule in rules.items() if rule.record not in records})


def _followed(rules: _Rules, old: str, new: str, records: Container[str]) -> Iterator[tuple[tuple[str, str], SiteRule]]:
    for key, rule in rules.items():
        if rule.dataset != old:
            yield key, rule
        elif rule.record in records:
            yield key, replace(rule, dataset=new)


def _change(store: Store, change: Callable[[_Rules], _Rules]) -> None:
    with locked(store.home / f".{_FILE}.lock"):
        rules = change({(each.words, each.kind): each for each in load(store)})
        content = json.dumps([asdict(each) for each in rules.values()], ensure_ascii=False).encode()
        write_durably(store.home / _FILE, store.keys.seal(_PURPOSE, content).encode("ascii"))


def recognizer(rules: Sequence[SiteRule]) -> Recognizer:
    """Return what finds the words of `rules` in a plain text, whole words in any case (.95); also in the second look."""
    compiled = [_compiled(rule) for rule in rules if _parts(rule)]

    def find(text: str) -> Iterator[Hit]:
        small = text.lower()
        for start, pattern, kind in compiled:
            if start in small:
                for match in pattern.finditer(text):
                    yield Hit(*match.span(), kind, _SCORE)

    return Recognizer(RULE, find, strong=True)


def _parts(rule: SiteRule) -> list[str]:
    return normalise(rule.words).text.split()


def _compiled(rule: SiteRule) -> tuple[str, re.Pattern[str], str]:
    """Return a rule's first word in small letters, its pattern, its kind."""
    parts = _parts(rule)
    inner = r"\s+".join(map(re.escape, parts))
    before = "" if _HAN.match(parts[0][0]) else r"(?<![^\W_])"
    after = "" if _HAN.match(parts[-1][-1]) else r"(?![^\W_])"
    return parts[0].lower(), re.compile(before + inner + after, re.IGNORECASE), rule.kind
