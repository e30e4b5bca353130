"""Seeding a rare label: records that may have it are asked about first, since a strategy that has never seen a label does not look for it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from appliance.annotations import change_task, enqueue, named
from appliance.errors import InputError, SettingsError
from appliance.jobs import progress
from appliance.schema import QueueItem
from appliance.settings import LabelSettings
from appliance.store import Store
from appliance.words import _
from labeling import choose, prelabel
from labeling.embed import embed_texts
from labeling.loop import Work, records_of_a_round, suggest, waits

__all__ = ["seed"]

_REPORT_ROWS = 2_000


def seed(
    store: Store,
    name: str,
    settings: LabelSettings,
    label: str,
    words: Sequence[str] = (),
    records: Sequence[str] = (),
    examples: Sequence[str] = (),
    count: int | None = None,
) -> dict[str, Any]:
    """Let records wait that may have a rare label, before all others: those that hold one of the `words`, and those most like the `records`
    (ids of the data set) and `examples` (texts).

    The words are kept as a rule of the task, which suggests the label from now on. While fewer than 20 records have the label, later rounds do not give up choosing.
    Returns `task`, `label`, `matches` (records that hold a word and were not asked about) and `queued`. Raises `InputError` for a label or record that is
    not there, `SettingsError` without anything to look for.
    """
    work = Work(store, name)
    chosen = named(work.task, label)
    if not (words or records or examples):
        raise SettingsError(_("say what to look for: a word, a record that has the label, or an example text"))
    room = records_of_a_round(work.task, settings, count)
    like = _like(work, records, examples, room)
    seeded = {**work.task.settings.get("seeded", {})}
    seeded[chosen.id] = sorted({*seeded.get(chosen.id, ()), *records})
    rules = prelabel.with_rule(work.task, chosen.id, words) if words else work.task.settings.get("rules", [])
    work.task = change_task(store, name, rules=rules, seeded=seeded)
    holding = _holding(work, words)
    drawn = random.Random(0).sample(holding, min(room, len(holding)))  # noqa: S311  no secret: a sample
    rows = dict.fromkeys(row for pair in zip_longest(drawn, like) for row in pair if row is not None)
    queued = enqueue(store, work.task, _in_front(work, list(rows)[:room]))
    suggest(work)
    store.event("label-seed", (work.texts.dataset.id,), task=name, label=chosen.id, queued=queued)
    return {"task": name, "label": chosen.name, "matches": len(holding), "queued": queued}


def _in_front(work: Work, rows: Sequence[int]) -> list[QueueItem]:
    """Return items that come before all that nobody has dealt with yet."""
    first = min(((item.batch, item.place) for item in work.queue if waits(item)), default=(0, 0))
    return [
        QueueItem(work.task.name, work.texts.ids[row], row, first[0], first[1] - len(rows) + place, "seed")
        for place, row in enumerate(rows)
    ]


def _holding(work: Work, words: Sequence[str]) -> list[int]:
    """Return the rows that nobody was asked about and that hold one of the words."""
    if not words:
        return []
    closed, found = set(work.closed), []
    for row, hit in enumerate(prelabel.holds(words, (one.text for one in work.store.records(work.texts.dataset)))):
        if row % _REPORT_ROWS == 0:
            progress("search", row, len(work.texts))
        if hit and row not in closed:
            found.append(row)
    return found


def _like(work: Work, records: Sequence[str], examples: Sequence[str], room: int) -> list[int]:
    """Return at most `room` rows that nobody was asked about, most like these first."""
    import numpy as np

    if not (records or examples):
        return []
    rows = work.texts.rows_of(records)
    if missing := [record for record in records if record not in rows]:
        raise InputError(_("task `{task}` has no record `{record}`", task=work.task.name, record=missing[0]))
    given = [np.asarray(work.embeddings[sorted(rows.values())], np.float32)] if rows else []
    given += [embed_texts(work.store, work.texts.dataset, examples)] if examples else []
    return choose.like(work.embeddings, np.concatenate(given), [*work.closed, *rows.values()], room)
