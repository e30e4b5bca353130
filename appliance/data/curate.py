"""`curate`: clean, drop exact duplicates, split without leaks, count what was done.

Two passes over the records. The first keeps hashes and numbers of each row, no text; the second writes. At its peak
that takes some 300 bytes a row, so a million rows fit everywhere.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.data import dedup, split
from appliance.data.quality import clean_text
from appliance.errors import InputError, PolicyError
from appliance.jobs import progress
from appliance.schema import Dataset, Record
from appliance.settings import CleanSettings, CurateSettings
from appliance.store import Store
from appliance.words import _

__all__ = ["curate", "curate_records"]

_NONE = bytes(dedup.KEY_BYTES)
_PROGRESS_ROWS = 500


def curate(
    store: Store, dataset: Dataset, clean: CleanSettings, settings: CurateSettings, name: str | None = None
) -> Dataset:
    """Make the curated child of `dataset`, called like its parent unless `name` says otherwise.

    The parent stays as it is and every row keeps its id. Raises `PolicyError` for a raw set unless
    `curate.unscrubbed` allows it, `InputError` when no row is left, `SettingsError` for bad shares.
    """
    if dataset.stage == "raw" and not settings.unscrubbed:
        raise PolicyError(
            _(
                "`{name}` is raw: run `skerry scrub {name}` first; if it holds no personal data, "
                "set `curate.unscrubbed = true`",
                name=dataset.name,
            )
        )

    def records() -> Iterator[Record]:
        stored = store.records(dataset)
        return (_without_source(store, record) for record in stored) if dataset.stage == "raw" else stored

    used = {"clean": clean.model_dump(), "curate": settings.model_dump()}
    meta = {"stage": "curated", "scrubbed": dataset.stage != "raw", "settings": used}
    with store.draft("dataset", name or dataset.name, parents=(dataset.id,), meta=meta) as draft:
        draft.verb = "curate"
        curated, counts = curate_records(records, clean, settings, dataset.rows)
        draft.meta.update(counts)
        store.write_records(draft, curated)
    child: Dataset = draft.artifact
    return child


def curate_records(
    records: Callable[[], Iterable[Record]], clean: CleanSettings, settings: CurateSettings, total: int | None = None
) -> tuple[Iterator[Record], dict[str, Any]]:
    """Return the curated records, streaming, and what was counted.

    `records` is called twice and must give the same both times. The counts: `read`, `rows`, `duplicates` (dropped),
    `leaks` (those of the duplicates that stood in another given split than the row that stays), `conflicts` (texts with
    several labels), `straddling` ({subject, group: how many stand in several given splits}), `cleaned` and `dropped`
    ({rule: rows}), `splits`, `labels`, `split_labels` ({split: {label: rows}}) and `languages`.
    """
    shares = split.parse_shares(settings.split)
    table = _read(records(), clean, settings.seed, total)
    texts, subjects, groups = (dedup.number(keys) for keys in (table.texts, table.subjects, table.groups))
    labels, given = np.array(table.labels, dtype=np.int64), np.array(table.given, dtype=np.int8)
    choice = dedup.choose(texts, given, labels, settings.drop_duplicates)
    kept = np.flatnonzero(choice.keep)
    if not len(kept):
        raise InputError(_("no record is left of {read}: see `[clean]` in `skerry settings`", read=table.read))
    links = (subjects[kept], groups[kept])
    sides = split.assign(texts[kept], links, labels[kept], given[kept], shares)
    counts = {
        "read": table.read,
        "rows": len(kept),
        "duplicates": choice.duplicates,
        "leaks": choice.leaks,
        "conflicts": choice.conflicts,
        "straddling": dict(zip(("subject", "group"), (split.straddling(link, sides) for link in links), strict=True)),
        "cleaned": dict(table.cleaned),
        "dropped": dict(table.dropped),
        "languages": _tally(np.array(table.languages, dtype=np.int64)[kept], table.language_names),
        "labels": _tally(labels[kept], table.label_names),
        "splits": _tally(sides, split.SPLITS),
        "split_labels": {
            name: _tally(labels[kept][sides == side], table.label_names) for side, name in enumerate(split.SPLITS)
        },
    }
    fate = np.full(table.read, -1, dtype=np.int8)  # the side of every row that was read, -1 = dropped
    fate[np.array(table.rows, dtype=np.int64)[kept]] = sides
    return _write(records(), fate, clean), counts


@dataclass(slots=True)
class _Table:
    """What the first pass keeps of each row that the rules let through."""

    read: int = 0
    rows: array[int] = field(default_factory=lambda: array("q"))
    texts: bytearray = field(default_factory=bytearray, repr=False)
    subjects: bytearray = field(default_factory=bytearray, repr=False)
    groups: bytearray = field(default_factory=bytearray, repr=False)
    labels: array[int] = field(default_factory=lambda: array("i"))
    given: array[int] = field(default_factory=lambda: array("b"))
    languages: array[int] = field(default_factory=lambda: array("b"))
    label_names: list[str] = field(default_factory=list, repr=False)
    language_names: list[str] = field(default_factory=list)
    cleaned: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)


def _read(records: Iterable[Record], clean: CleanSettings, seed: int, total: int | None) -> _Table:
    table = _Table()
    label_numbers: dict[str, int] = {}
    language_numbers: dict[str, int] = {}
    for record in records:
        cleaned = clean_text(record.text, clean)
        table.cleaned.update(cleaned.changed)
        if cleaned.dropped:
            table.dropped[cleaned.dropped] += 1
        else:
            table.rows.append(table.read)
            table.texts += dedup.key(cleaned.text, seed)
            table.subjects += dedup.key(record.subject) if record.subject else _NONE
            table.groups += dedup.key(record.group) if record.group else _NONE
            table.labels.append(_numbered(label_numbers, record.label))
            table.given.append(split.SPLITS.index(record.split) if record.split else -1)
            table.languages.append(_numbered(language_numbers, record.language))
        table.read += 1
        if table.read % _PROGRESS_ROWS == 0:
            progress("curate", table.read, total and 2 * total)
    table.label_names, table.language_names = list(label_numbers), list(language_numbers)
    return table


def _write(records: Iterable[Record], fate: NDArray[np.int8], clean: CleanSettings) -> Iterator[Record]:
    for row, (record, side) in enumerate(zip(records, fate.tolist(), strict=True)):
        if side >= 0:
            yield replace(record, text=clean_text(record.text, clean).text, split=split.SPLITS[side])
        if row % _PROGRESS_ROWS == 0:
            progress("curate", len(fate) + row, 2 * len(fate))


def _without_source(store: Store, record: Record) -> Record:
    """Return a raw record as a child may hold it: whose it is only as keyed hashes."""
    source = record.source
    return replace(
        record,
        source=None,
        source_key=store.hmac("source", source.id) if source and source.id else None,
        subject=store.hmac("subject", record.subject) if record.subject else None,
        group=store.hmac("group", record.group) if record.group else None,
    )


def _numbered(numbers: dict[str, int], name: str | None) -> int:
    return numbers.setdefault(name, len(numbers)) if name else -1


def _tally(numbers: NDArray[Any], names: Iterable[str]) -> dict[str, int]:
    counts = ((name, int((numbers == number).sum())) for number, name in enumerate(names))
    return {name: count for name, count in counts if count}
