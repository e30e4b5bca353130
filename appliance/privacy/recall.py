"""Seeded recall: synthetic identities planted into copies of the user's own records, and the share of them that the scrub finds.

The records are read, an identity is put at the edge of one of a copy's sentences, the copy goes through the same `scrub_rows` as a scrub; nothing is stored.
An identity is found only when all its letters and digits lie in findings whose operator does not keep them. One in a record that is held back is not found and
does not leak either: it is counted apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from appliance.errors import InputError
from appliance.intervals import wilson
from appliance.jobs import progress
from appliance.privacy import identities, site_rules
from appliance.privacy.detect import Scrubber
from appliance.privacy.operators import Run, Writer
from appliance.privacy.policy import Policy, load
from appliance.privacy.scrub import Row, scrub_rows
from appliance.schema import Dataset, Finding, Record
from appliance.settings import ScrubSettings
from appliance.store import Store
from appliance.words import _

__all__ = ["Planted", "plant", "recall", "seeded"]

Language = Literal["en", "zh"]
_POOL_ROWS = 1_000
_LONGEST = 8_000  # characters of a record that are copied
_EDGE = re.compile(r"[.!?](?=\s)|[。！？；\n]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Planted:
    """A copy of a record with a synthetic identity in it: where it stands (code points), of which kind, in which language."""

    text: str = field(repr=False)
    start: int
    end: int
    kind: str
    language: Language


def recall(store: Store, dataset: Dataset, settings: ScrubSettings, number: int, seed: int) -> dict[str, Any]:
    """Measure seeded recall on a data set (its records, whatever its stage) with the policy and the rules of this site; leaves an event with counts."""
    policy = load(settings.policy)
    scrubber = Scrubber.from_settings("auto", settings, policy=policy, rules=site_rules.load(store))
    found = seeded(store.records(dataset), scrubber, policy, number, seed, settings.batch_rows)
    counted = {key: found[key] for key in ("planted", "found", "missed", "held_back")}
    store.event(
        "recall", (dataset.id,), method="seeded", seed=seed, policy=policy.name, digest=policy.digest, **counted
    )
    return {"dataset": dataset.reference} | found


def seeded(
    records: Iterable[Record], scrubber: Scrubber, policy: Policy, number: int, seed: int, batch_rows: int = 128
) -> dict[str, Any]:
    """Plant `number` identities of each kind that the policy looks for and return what was found: in all, by kind, by language, with Wilson intervals.

    Each identity stands in a record drawn at random (a reservoir of 1,000, Vitter 1985) and in that record's language. Raises `InputError` without a record.
    """
    random = Random(seed)  # noqa: S311  no secret: a sample
    pool = _sample(records, _POOL_ROWS, random)
    if not pool:
        raise InputError(_("there is no record to plant identities in; take some in with `skerry ingest`"))
    kept = frozenset(name for name in policy.kinds if policy.operator(name).operator == "keep")
    kinds = sorted(policy.kinds)
    planted = (plant(random.choice(pool), kind, random) for kind in kinds for _each in range(number))
    outcomes: Counter[tuple[str, str, str]] = Counter()
    run = Run.alone()
    rows = (Row([("", each.text)], Writer(run), each) for each in planted)
    for done, (row, _texts, found) in enumerate(scrub_rows(rows, scrubber, batch_rows)):
        if done % 100 == 0:
            progress("recall", done, number * len(kinds))
        each: Planted = row.item
        outcomes[each.kind, each.language, _outcome(each, found, kept)] += 1
    return {"policy": policy.name, "policy_digest": policy.digest, "seed": seed} | _summary(outcomes, kinds)


def plant(text: str, kind: str, random: Random) -> Planted:
    """Return a copy of `text` with a sentence that holds a synthetic identity at the edge of one of its sentences."""
    text = text[:_LONGEST]
    language: Language = "zh" if _HAN.search(text) else "en"
    sentence, start, end = identities.carrier(kind, language, random)
    edge = random.choice([0, len(text), *(match.end() for match in _EDGE.finditer(text))])
    before = _joined(text[:edge], language)
    after = text[edge:].lstrip(" ")
    shift = len(before)
    return Planted(
        before + (_joined(sentence, language) + after if after else sentence),
        shift + start,
        shift + end,
        kind,
        language,
    )


def _joined(text: str, language: Language) -> str:
    """Return a piece of text in such a form that a new sentence can follow: with a full stop where it has none."""
    stripped = text.rstrip(" ")
    if not stripped or stripped.endswith("\n"):
        return stripped
    stop = "" if stripped[-1] in ".!?。！？；：:，," else "。" if language == "zh" else "."
    return stripped + stop + ("" if language == "zh" else " ")


def _outcome(planted: Planted, found: Sequence[Finding] | str, kept: frozenset[str]) -> str:
    if isinstance(found, str):
        return "held_back"
    return "found" if covered(planted, (each for each in found if each.kind not in kept)) else "missed"


def covered(planted: Planted, findings: Iterable[Finding]) -> bool:
    """Tell whether all letters and digits of the identity lie in findings."""
    masked = {place for each in findings for place in range(each.start, each.end)}
    places = range(planted.start, planted.end)
    return all(place in masked for place in places if planted.text[place].isalnum())


def _sample(records: Iterable[Record], size: int, random: Random) -> list[str]:
    """Return a uniform sample of the texts in one pass (algorithm R, Vitter 1985, ACM TOMS 11:37-57)."""
    pool: list[str] = []
    for number, record in enumerate(_with_text(records)):
        if number < size:
            pool.append(record.text)
        elif (place := random.randint(0, number)) < size:
            pool[place] = record.text
    return pool


def _with_text(records: Iterable[Record]) -> Iterator[Record]:
    return (record for record in records if record.text.strip())


def _summary(outcomes: Counter[tuple[str, str, str]], kinds: Sequence[str]) -> dict[str, Any]:
    by_kind: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    by_language: dict[str, Counter[str]] = {}
    for (kind, language, outcome), count in outcomes.items():
        by_kind[kind][outcome] += count
        by_language.setdefault(language, Counter())[outcome] += count
    rows = [{"kind": kind} | _share(counts) for kind, counts in by_kind.items()]
    return {
        **_share(sum(by_kind.values(), Counter())),
        "kinds": sorted(rows, key=lambda row: (row["recall"], row["kind"])),
        "languages": [{"language": language} | _share(by_language[language]) for language in sorted(by_language)],
    }


def _share(counts: Counter[str]) -> dict[str, Any]:
    found, planted = counts["found"], counts.total()
    low, high = wilson(found, planted)
    return {
        "planted": planted,
        "found": found,
        "missed": counts["missed"],
        "held_back": counts["held_back"],
        "recall": round(found / planted, 4) if planted else 0.0,
        "low": round(low, 4),
        "high": round(high, 4),
    }
