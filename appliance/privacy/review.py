"""Sampled review: a person reads records of a raw data set, marks what the scrub missed, and so measures its recall on this data set.

A role of its own: only the users that `[review] reviewers` names may look, and each look is an event (who, which record; no text) that is written before
the text is shown. Text is shown on the terminal alone. What was marked is kept beside the raw set, as offsets, sealed under a key made from the set's own
data key: when that is destroyed, the marks are unreadable, too. Words can become rules of the site (`site_rules.py`).
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import InputError, PolicyError
from appliance.files import locked, write_durably
from appliance.intervals import wilson
from appliance.keys import seal, unseal
from appliance.privacy import site_rules
from appliance.privacy.detect import Scrubber
from appliance.privacy.kinds import KINDS
from appliance.privacy.normalise import normalise
from appliance.privacy.site_rules import SiteRule
from appliance.schema import Dataset, Finding, Record
from appliance.store import Store
from appliance.words import _, language

__all__ = ["Marks", "annotated", "clustered", "follow", "marks", "raw_of", "refused", "require_reviewer", "review"]

_NAMES = frozenset(each.name for each in KINDS)
_WRONG = re.compile(r"-([0-9]{1,4})")
_PURPOSE = "review"
Span = tuple[int, int, str]
Ask = Callable[[str], str | None]  # a prompt -> the line that the person typed, None at the end
Tell = Callable[[str], None]


class _Stop(Exception):
    """The person wants to stop: what was marked is kept, the record in hand is not."""


@dataclass(frozen=True)
class Marks:
    """What a person said of one record: the spans (start, end, kind; code points) that were rightly found, missed, and wrongly found."""

    record: str
    found: tuple[Span, ...]
    missed: tuple[Span, ...]
    wrong: tuple[Span, ...]


def require_reviewer(store: Store) -> str:
    """Return the name of the user of this process. Raises `PolicyError` when the settings do not name them as a reviewer; an event tells of the attempt."""
    user = _user()
    if user not in store.settings.review.reviewers:
        refused(store, "no reviewer")
        raise PolicyError(
            _(
                '`{user}` may not look at raw records: reviewing is a role of its own; whoever is responsible names the reviewers in `skerry.toml`: `[review]` `reviewers = ["{user}"]`',
                user=user,
            )
        )
    return user


def refused(store: Store, why: str) -> None:
    """Write that a look at raw records was refused, and why; the event names the user by number."""
    store.event("review refused", why=why)


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container knows users by their number only
        return str(os.getuid())


def raw_of(store: Store, dataset: Dataset) -> Dataset:
    """Return the raw data set that `dataset` was made of. Raises `InputError` when it is gone."""
    known = {each.id: each for each in store.artifacts("dataset")}
    waiting, seen = [dataset], set()
    while waiting:
        found = waiting.pop()
        if found.stage == "raw":
            return found
        seen.add(found.id)
        waiting += [known[parent] for parent in found.parents if parent in known and parent not in seen]
    raise InputError(
        _("the raw records of `{dataset}` are no longer here: they were erased or purged", dataset=dataset.reference)
    )


def review(
    store: Store, raw: Dataset, scrubber: Scrubber, number: int, seed: int, ask: Ask, tell: Tell
) -> dict[str, Any]:
    """Show a person the `number` records of the seeded sample that were not reviewed yet, keep what they mark, and return the estimate.

    The sample is the records with the smallest SHA-256 of seed and id: a larger `number` goes on with it. Raises `PolicyError` for a user who is no
    reviewer, `InputError` for a set without records.
    """
    require_reviewer(store)
    sample = heapq.nsmallest(number, _with_text(store, raw), key=lambda record: _place(seed, record.id))
    if not sample:
        raise InputError(_("`{dataset}` has no record to review", dataset=raw.reference))
    done = {each.record: each for each in marks(store, raw)}
    waiting = [record for record in sample if record.id not in done]
    rules = 0
    try:
        for place, record in enumerate(waiting, len(sample) - len(waiting) + 1):
            store.event("review", (raw.id,), record=record.id, seed=seed)
            tell(_("record {place} of {all}", place=place, all=len(sample)))
            done[record.id], made = _look(store, raw, record, scrubber.find([record.text])[0], ask, tell)
            _keep(store, raw, done[record.id])
            rules += made
    except _Stop:
        tell(_("stopped; the same command goes on here"))
    chosen = [done[record.id] for record in sample if record.id in done]
    found = {"dataset": raw.reference, "sample": len(sample), "reviewed": len(chosen), "rules": rules} | estimate(
        chosen
    )
    store.event("recall", (raw.id,), method="review", **{key: found[key] for key in _COUNTED})
    return found


_COUNTED = ("sample", "reviewed", "rules", "found", "missed", "wrong")


def _with_text(store: Store, raw: Dataset) -> Iterator[Record]:
    return (record for record in store.records(raw) if record.text.strip())


def _place(seed: int, record: str) -> str:
    return hashlib.sha256(f"{seed} {record}".encode()).hexdigest()


# -- one record ---------------------------------------------------------------------------------------------------------


def _look(
    store: Store, raw: Dataset, record: Record, findings: Sequence[Finding], ask: Ask, tell: Tell
) -> tuple[Marks, int]:
    """Show one record and return what the person marks, and how many rules they made."""
    found: list[Span] = [(each.start, each.end, each.kind) for each in findings]
    missed: list[Span] = []
    wrong: set[int] = set()
    rules = 0
    tell(_bracketed(record.text, found))
    while line := _asked(ask, _("missed words, -NUMBER for a wrong one, ? for help, Enter for the next record: ")):
        if line == "?":
            tell(_help())
        elif number := _WRONG.fullmatch(line):
            wrong |= _numbered(int(number[1]), found, tell)
        elif places := _places(record.text, line, found + missed):
            kind = _kind(ask, tell)
            missed += [(start, end, kind) for start, end in places]
            if _asked(ask, _("look for these words in all records of this site from now on? y/N: ")).lower() in _YES:
                site_rules.add(store, SiteRule(line, kind, raw.id, record.id))
                rules += 1
        else:
            tell(_("these words are not in the record, or are found already; copy them as they stand there"))
    right = tuple(span for place, span in enumerate(found, 1) if place not in wrong)
    return Marks(record.id, right, tuple(sorted(missed)), tuple(found[place - 1] for place in sorted(wrong))), rules


_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_YES = ("y", "yes", "是", "j")


def _asked(ask: Ask, prompt: str) -> str:
    line = ask(prompt)
    if line is None or line.strip() == ".q":
        raise _Stop
    return line.strip()


def _bracketed(text: str, found: Sequence[Span]) -> str:
    """Return the text with each finding in brackets, its number and kind ahead: ⟦2 PHONE: 555 0100⟧. What steers a terminal is shown, not sent."""
    text = "".join(map(_visible, text))
    pieces, place = [], 0
    for number, (start, end, kind) in enumerate(found, 1):
        pieces += [text[place:start], f"⟦{number} {kind}: {text[start:end]}⟧"]
        place = end
    return "".join([*pieces, text[place:]])


def _visible(character: str) -> str:
    """Return one character for one: controls as their pictures (Unicode 2400 to 2421), other format, separator and half characters as �."""
    if character in "\n\t" or unicodedata.category(character) not in _UNSEEN:
        return character
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"


def _help() -> str:
    names = "\n".join(f"  {each.name}: {each.zh if language() == 'zh' else each.en}" for each in KINDS)
    return _(
        "What the scrub found stands in brackets. Type words that it missed, as they stand in the record, one item a line; -2 says that item 2 is nothing personal; "
        ".q stops (the same command goes on later). Kinds:\n{names}",
        names=names,
    )


def _numbered(number: int, found: Sequence[Span], tell: Tell) -> set[int]:
    if 1 <= number <= len(found):
        return {number}
    tell(_("there is no finding with this number"))
    return set()


def _kind(ask: Ask, tell: Tell) -> str:
    while True:
        name = _asked(ask, _("kind [PERSON]: ")).upper() or "PERSON"
        if name in _NAMES:
            return name
        tell(_help() if name == "?" else _("no such kind; ? lists them"))


def _places(text: str, words: str, taken: Sequence[Span]) -> list[tuple[int, int]]:
    """Return where `words` stand in the text, in any case and spacing, and are not marked already."""
    if not normalise(words).text.strip():
        return []
    pattern = r"\s+".join(map(re.escape, words.split()))
    spans = [match.span() for match in re.finditer(pattern, text, re.IGNORECASE)]
    return [(start, end) for start, end in spans if not any(a <= start and end <= b for a, b, _kind in taken)]


# -- what is kept -------------------------------------------------------------------------------------------------------


def marks(store: Store, raw: Dataset) -> list[Marks]:
    """Return what was marked on a raw data set, oldest first: for the estimate, and to train a tagger on. Raises `IntegrityError` when the file was changed."""
    path = _path(store, raw)
    if not path.exists():
        return []
    key = store.dataset_key(raw, _PURPOSE)
    rows = [json.loads(unseal(key, line, raw.id)) for line in path.read_text("ascii").splitlines() if line]
    latest = {row["record"]: row for row in rows}
    return [
        Marks(row["record"], *(tuple(map(_span, row[name])) for name in ("found", "missed", "wrong")))
        for row in latest.values()
    ]


def annotated(store: Store, raw: Dataset) -> Iterator[tuple[str, list[Span]]]:
    """Yield the text of each reviewed record with its true spans, found and missed, in order: what a tagger of the site's own learns from."""
    given = {each.record: each for each in marks(store, raw)}
    for record in store.records(raw):
        if record.id in given:
            yield record.text, sorted(given[record.id].found + given[record.id].missed)


def _span(row: Sequence[Any]) -> Span:
    return int(row[0]), int(row[1]), str(row[2])


def _path(store: Store, raw: Dataset) -> Path:
    return store.home / "reviews" / f"{raw.id}.jsonl"


def _keep(store: Store, raw: Dataset, given: Marks) -> None:
    path = _path(store, raw)
    path.parent.mkdir(exist_ok=True, mode=0o700)
    row = {"record": given.record, "found": given.found, "missed": given.missed, "wrong": given.wrong}
    line = seal(store.dataset_key(raw, _PURPOSE), json.dumps(row).encode(), raw.id)
    with locked(path.with_suffix(".lock")):
        before = path.read_bytes() if path.exists() else b""
        write_durably(path, before + line.encode("ascii") + b"\n")


def follow(store: Store, old: Dataset, new: Dataset) -> None:
    """Carry the marks and rules of a raw set over to `new`, its version without some records. What came from those is forgotten."""
    kept = frozenset(record.id for record in store.records(new))
    for each in marks(store, old):
        if each.record in kept:
            _keep(store, new, each)
    site_rules.follow(store, old.id, new.id, kept)


# -- the estimate -------------------------------------------------------------------------------------------------------


def estimate(reviewed: Sequence[Marks]) -> dict[str, Any]:
    """Return the recall and precision of the scrub on this data set, with intervals that know that the items of one record are alike; recall by kind."""
    recall = clustered([(len(each.found), len(each.missed)) for each in reviewed])
    precision = clustered([(len(each.found), len(each.wrong)) for each in reviewed])
    found = Counter(kind for each in reviewed for _start, _end, kind in each.found)
    missed = Counter(kind for each in reviewed for _start, _end, kind in each.missed)
    kinds = []
    for kind in sorted(found | missed):
        low, high = wilson(found[kind], found[kind] + missed[kind])
        share = round(found[kind] / (found[kind] + missed[kind]), 4)
        kinds.append(
            {"kind": kind, "found": found[kind], "missed": missed[kind], "recall": share}
            | {"low": round(low, 4), "high": round(high, 4)}
        )
    return {
        "found": found.total(),
        "missed": missed.total(),
        "wrong": sum(len(each.wrong) for each in reviewed),
        "recall": recall[0],
        "low": recall[1],
        "high": recall[2],
        "precision": precision[0],
        "precision_low": precision[1],
        "precision_high": precision[2],
        "kinds": kinds,
    }


def clustered(counts: Sequence[tuple[int, int]]) -> tuple[float | None, float, float]:
    """Return (share, low, high) of hits over hits and misses, 95 %, from a simple random sample of records, each with (hits, misses); share None without any.

    Items of one record are found or missed together, so they count for less than as many records: the Wilson interval is taken at the effective sample
    size, total items over the design effect, where the variance is that of a ratio of two sums over the sampled records (Kish 1965, chapters 6 and 8; Korn
    and Graubard 1998, Survey Methodology 24:193-201; Franco et al. 2019, J. Survey Statistics and Methodology 7:334-364, who found Wilson at the effective
    size best). Without a miss the variance says nothing, and the records that hold an item count as the sample.
    """
    rows = [(hits, hits + misses) for hits, misses in counts if hits + misses]
    total = sum(size for _hits, size in rows)
    if not total:
        return None, 0.0, 1.0
    share = sum(hits for hits, _size in rows) / total
    records = len(rows)
    if share in (0.0, 1.0) or records < 2:
        effective = float(records)
    else:
        spread = sum((hits - share * size) ** 2 for hits, size in rows)
        variance = records / (records - 1) * spread / total**2
        effective = min(float(total), share * (1 - share) / variance) if variance else float(records)
    low, high = wilson(share * effective, effective)
    return round(share, 4), round(low, 4), round(high, 4)
