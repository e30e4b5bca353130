"""Labels change, and what was said stays."""

from __future__ import annotations

import pytest

from appliance.annotations import answers, enqueue, lease_next, queue, save
from appliance.annotations import task as find
from appliance.errors import BusyError, InputError, SettingsError
from appliance.schema import QueueItem
from appliance.store import Store
from labeling.agree import settled
from labeling.change import merge, rename, split
from tests.labeling.asked import identity, said, task, tell


def test_a_name_that_another_label_has_is_refused() -> None:
    store = Store.open()
    asked = task(store)
    with pytest.raises(SettingsError, match="twice"):
        rename(store, asked, "yes", "No")
    with pytest.raises(InputError, match="maybe"):
        rename(store, asked, "maybe", "perhaps")


def test_a_label_is_not_merged_into_itself_and_needs_two_parts() -> None:
    store = Store.open()
    asked = task(store)
    with pytest.raises(SettingsError, match="itself"):
        merge(store, asked, ["yes", "no"], "yes")
    with pytest.raises(SettingsError, match="two labels"):
        split(store, asked, "yes", ["sure", "sure "])


def test_a_change_is_not_lost_under_another_one() -> None:
    """Who changed labels that somebody else has changed since is told so, and the first change stays."""
    store = Store.open()
    asked = task(store)
    rename(store, asked, "yes", "oui")
    with pytest.raises(BusyError, match="meanwhile"):
        rename(store, asked, "no", "non")
    with pytest.raises(BusyError, match="meanwhile"):
        merge(store, asked, ["no"], "yes")
    assert {one.name for one in find(store, "triage").choices} >= {"oui", "no"}


def test_nothing_that_was_said_is_written_anew() -> None:
    store = Store.open()
    asked = task(store)
    tell(store, asked, "ann", "yes", "no")
    before = [(one.id, one.version) for one in answers(store, asked, history=True)]
    changed = merge(store, rename(store, asked, "yes", "oui"), ["oui"], "no")
    assert [(one.id, one.version) for one in answers(store, changed, history=True)] == before
    assert {one.value["label"] for one in answers(store, changed)} == {asked.labels[1].id}


def test_a_merge_joins_labels_of_several_and_of_spans() -> None:
    store = Store.open()
    asked = task(store, kind="multi")
    tell(store, asked, "ann", ["yes", "no"])
    merged = merge(store, asked, ["yes"], "no")
    assert next(answers(store, merged)).value == {"labels": [asked.labels[1].id]}


def test_who_answered_is_asked_again_when_a_label_comes_apart() -> None:
    store = Store.open()
    asked = task(store)
    enqueue(store, asked, [QueueItem("triage", identity(row), row, place=row, reason="margin") for row in range(2)])
    for name in ("yes", "no"):
        (item,) = lease_next(store, "triage", "ann", count=1)
        save(store, said(asked, item.row, "ann", name, source="human"))
    parted, waiting = split(store, asked, "yes", ["sure", "likely"])
    assert waiting == 1 and list(settled(store, parted)) == [identity(1)]
    (again,) = lease_next(store, "triage", "ann")
    assert (again.record, again.reason) == (identity(0), "split")
    save(store, said(parted, 0, "ann", "likely", source="human"))
    assert list(settled(store, parted)) == [identity(1), identity(0)]
    assert len(list(answers(store, parted, history=True))) == 3
    assert all(item.closed for item in queue(store, "triage"))


def test_what_was_drawn_at_random_stays_in_the_control_slice_when_its_label_comes_apart() -> None:
    """Without it the slice, and the test split made of it, would hold none of the parted label."""
    store = Store.open()
    asked = task(store)
    reasons = ("random", "cluster-margin")
    enqueue(store, asked, [QueueItem("triage", identity(row), row, reason=why) for row, why in enumerate(reasons)])
    tell(store, asked, "ann", "yes", "yes")
    split(store, asked, "yes", ["sure", "likely"])
    assert {item.row: item.reason for item in queue(store, "triage")} == {0: "random", 1: "split"}
