"""Labels get other names, become one, or come apart: no annotation is lost, and none is written anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from appliance.annotations import answers, change_labels, enqueue, named, new_label, parts, queue
from appliance.errors import SettingsError
from appliance.schema import LabelName, LabelTask, QueueItem
from appliance.store import Store
from appliance.words import _
from labeling.texts import Texts, dataset_of


def rename(store: Store, task: LabelTask, label: str, name: str, chinese: str | None = None) -> LabelTask:
    """Give a label another name (and Chinese name): its annotations name its id, so that nothing else changes.

    Raises `InputError` for an unknown label, `SettingsError` for a name that another one has.
    """
    old = named(task, label)
    was = tuple(dict.fromkeys((*old.was, old.name)))
    new = replace(old, name=name.strip(), chinese=old.chinese if chinese is None else chinese.strip(), was=was)
    return change_labels(store, task.name, [new if one.id == old.id else one for one in task.labels], task.labels)


def merge(store: Store, task: LabelTask, labels: Sequence[str], into: str) -> LabelTask:
    """Let `labels` be one with the label `into`: every annotation of theirs reads as one of it from now on.

    The annotations keep what was said, so that the merge can be told from the history. Raises `InputError` for an unknown label,
    `SettingsError` for a label into itself.
    """
    target = named(task, into)
    gone = {named(task, label).id for label in labels}
    if target.id in gone:
        raise SettingsError(_("label `{label}` cannot be merged into itself", label=target.name))
    return change_labels(
        store, task.name, [replace(one, into=target.id) if one.id in gone else one for one in task.labels], task.labels
    )


def split(store: Store, task: LabelTask, label: str, names: Sequence[str]) -> tuple[LabelTask, int]:
    """Let a label come apart into others: it is offered no more, and its records are asked about again, of the same people too.

    What was said stays in the history; until a record is answered anew it counts as not settled. What was drawn at random stays in the control slice. One of `names` may be the label's own
    (`bank` into `bank` and `river`). Returns the task and how many records wait. Raises `InputError` for an unknown label, `SettingsError` for
    fewer than two names.
    """
    old = named(task, label)
    wanted = list(dict.fromkeys(name.strip() for name in names))
    if len(wanted) < 2:
        raise SettingsError(_("name at least two labels that `{label}` comes apart into", label=old.name))
    there = {one.name for one in task.choices if one.id != old.id}
    fresh = [_part(name) for name in wanted if name.partition("=")[0].strip() not in there]
    kept = [replace(one, retired=True) if one.id == old.id else one for one in task.labels]
    place = [one.id for one in kept].index(old.id) + 1
    changed = change_labels(store, task.name, [*kept[:place], *fresh, *kept[place:]], task.labels)
    asked = {one.record for one in answers(store, changed) if old.id in {part[-1] for part in parts(one.value)}}
    rows = Texts(store, dataset_of(store, task)).rows_of(asked)
    drawn = {item.record for item in queue(store, task.name, review=False) if item.reason == "random"}
    items = [QueueItem(task.name, record, row, reason="random" if record in drawn else "split") for record, row in rows.items()]  # fmt: skip
    return changed, enqueue(store, changed, items, again=True)


def _part(name: str) -> LabelName:
    english, _is, chinese = name.partition("=")
    return new_label(english, chinese=chinese.strip())
