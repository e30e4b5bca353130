"""Simulated annotators: they take what the queue gives them and answer as the truth is known, through the store as the page does."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from appliance.annotations import create_task, lease_next, new_label, save
from appliance.schema import Annotation, LabelTask, QueueItem, Record
from appliance.settings import load
from appliance.store import Store
from tests.fakes import TOPICS, tiny_base, tiny_records

LABELS = ("card", "transfer", "account", "medicine")


def small_store(folder: Path, **label: Any) -> Store:
    """Open a home with a two-layer base model."""
    if not (folder / "bases").exists():
        tiny_base(folder / "bases" / "tiny")
    home = folder / "home"
    settings = load(
        home,
        store={"key_folder": folder / "keys"},
        bases={"folder": folder / "bases"},
        train={"base": "tiny", "method": "probe", "max_tokens": 64},
        label={"poll_s": 0.1} | label,
    )
    return Store.open(home, settings=settings)


def small_task(
    store: Store,
    rows: int = 160,
    kind: str = "single",
    splits: tuple[str | None, ...] = (None,),
    canary: str = "",
    **more: Any,
) -> tuple[LabelTask, dict[str, str]]:
    """Make a task over scrubbed records about a few topics; returns it with the true label name of each record."""
    known = tiny_records(rows, LABELS, languages=("en", "zh"), splits=splits)
    records = [
        Record(one.id, f"{one.text} {number} {canary}".strip(), split=one.split, language=one.language)
        for number, one in enumerate(known)
    ]
    with store.draft("dataset", "tickets", meta={"stage": "scrubbed", "scrubbed": True}) as draft:
        store.write_records(draft, records)
    labels = [new_label(name, chinese=TOPICS[name][1][0]) for name in LABELS]
    return create_task(store, "triage", draft.artifact, kind, labels, **more), {one.id: str(one.label) for one in known}


def answer_all(
    store: Store, task: LabelTask, truth: Mapping[str, str], person: str = "anna", most: int = 10_000
) -> int:
    """Let one person answer what the queue gives, `most` records at most; returns how many."""
    ids = {label.name: label.id for label in task.choices}
    done = 0
    while done < most and (items := lease_next(store, task.name, person, min(20, most - done))):
        for item in items:
            save(
                store,
                Annotation(
                    uuid.uuid4().hex,
                    task.name,
                    item.record,
                    person,
                    "human",
                    {"label": ids[truth[item.record]]},
                    seconds=2.0,
                ),
            )
        done += len(items)
    return done


def waiting(items: list[QueueItem], which: Callable[[QueueItem], bool] = lambda _item: True) -> list[str]:
    """Return the records of the items that are not closed, in their order."""
    return [item.record for item in items if not item.closed and which(item)]
