"""The labelled child: reviewed over most over the data set's own label, with a test split that the loop did not choose."""

from __future__ import annotations

import json

import pytest

from appliance.annotations import ANSWERS, enqueue
from appliance.errors import InputError
from appliance.schema import Dataset, QueueItem, Record
from appliance.store import Store
from labeling.apply import apply
from labeling.change import merge, rename, split
from tests.labeling.asked import dataset, identity, task, tell


def labels(store: Store, made: Dataset) -> dict[int, str | None]:
    return {int(record.id, 16): record.label for record in store.records(made)}


def test_a_reviewer_most_people_and_the_data_set_speak_in_this_order() -> None:
    store = Store.open()
    asked = task(store, over=dataset(store, 8, ["no"] * 4 + [None] * 4))
    tell(store, asked, "ann", "yes", "yes", None, "yes", "yes", "yes")
    tell(store, asked, "bob", "yes", "yes", None, "no", None, "no")
    tell(store, asked, "cyd", None, "no")
    tell(store, asked, "rev", "no", review=True)
    made = apply(store, asked)
    assert labels(store, made) == {0: "no", 1: "yes", 2: "no", 4: "yes"}
    counts = made.meta["answers"]
    assert {key: counts[key] for key in ("answered", "waiting", "review", "majority", "single")} == {"answered": 3, "waiting": 2, "review": 1, "majority": 1, "single": 1}  # fmt: skip
    assert made.parents == (asked.dataset,) and made.stage == "curated" and made.name == "notes"
    assert [event.verb for event in store.events()][-1] == "label-apply"


def test_the_child_counts_as_curate_does() -> None:
    store = Store.open()
    asked = task(store)
    tell(store, asked, "ann", "yes", "yes", "no", "no")
    made = apply(store, asked, "labelled")
    assert (made.name, made.rows, made.meta["labels"], made.meta["languages"]) == ("labelled", 4, {"no": 2, "yes": 2}, {"en": 4})  # fmt: skip
    assert made.meta["splits"] == {"train": 4} and made.meta["split_labels"] == {"train": {"no": 2, "yes": 2}}
    assert apply(store, asked, "labelled").id == made.id


def asked_at_random(store: Store, records: list[Record], random: set[int]) -> Dataset:
    with store.draft("dataset", "notes", meta={"stage": "scrubbed"}) as draft:
        store.write_records(draft, records)
    asked = task(store, over=draft.artifact)
    items = [QueueItem("triage", one.id, row, reason="random" if row in random else "cluster-margin") for row, one in enumerate(records)]  # fmt: skip
    enqueue(store, asked, items)
    tell(store, asked, "ann", *(["yes", "no"] * (len(records) // 2)))
    made: Dataset = apply(store, asked)
    return made


def test_the_random_slice_is_the_test_split() -> None:
    store = Store.open()
    made = asked_at_random(store, [Record(identity(row), f"text {row}") for row in range(12)], {3, 6, 7})
    assert [int(record.id, 16) for record in store.records(made, "test")] == [3, 6, 7]
    assert made.meta["splits"] == {"test": 3, "train": 9}
    assert (made.meta["answers"]["test_from"], made.meta["answers"]["kept_from_test"]) == ("random", 0)


def test_no_more_than_a_quarter_is_kept_for_testing() -> None:
    """Where the loop fell back to drawing at random, most of what was drawn teaches."""
    store = Store.open()
    made = asked_at_random(store, [Record(identity(row), f"text {row}") for row in range(12)], set(range(12)))
    assert made.meta["splits"] == {"test": 3, "train": 9}


def test_what_belongs_together_stays_on_one_side() -> None:
    """A random record whose text, group or subject stands among those that were chosen is no test."""
    store = Store.open()
    records = [Record(identity(row), f"text {row}") for row in range(10)] + [
        Record(identity(10), "TEXT  1"), Record(identity(11), "alone", group="g"), Record(identity(12), "by itself", subject="s"),
        Record(identity(13), "other", group="g"), Record(identity(14), "one more", subject="s"), Record(identity(15), "free", group="h"),
    ]  # fmt: skip
    made = asked_at_random(store, records, {10, 11, 12, 15})
    assert [int(record.id, 16) for record in store.records(made, "test")] == [15]
    assert made.meta["answers"]["kept_from_test"] == 3


def test_a_given_test_split_is_kept() -> None:
    store = Store.open()
    records = [Record(identity(row), f"text {row}", split="test" if row > 5 else "train") for row in range(10)]
    made = asked_at_random(store, records, {0, 1})
    assert [int(record.id, 16) for record in store.records(made, "test")] == [6, 7, 8, 9]
    assert made.meta["answers"]["test_from"] == "splits"


def test_a_label_that_cannot_be_learned_stays_out_and_is_told() -> None:
    store = Store.open()
    asked = task(store)
    tell(store, asked, "ann", "yes", "yes", "no", "no", "other")
    made = apply(store, asked)
    assert made.meta["labels"] == {"no": 2, "yes": 2}
    assert made.meta["answers"]["rare"] == {"other": 1}


def test_without_answers_there_is_nothing_to_apply() -> None:
    store = Store.open()
    asked = task(store)
    tell(store, asked, "ann", "yes", state="skipped")
    with pytest.raises(InputError, match="no record"):
        apply(store, asked)


def test_several_labels_and_spans_lie_beside_the_records() -> None:
    store = Store.open()
    asked = task(store, "name place", "spans")
    tell(store, asked, "ann", [(0, 4, "name")], [])
    made = apply(store, asked)
    lines = [json.loads(line) for line in (made.folder / ANSWERS).read_text("utf-8").splitlines()]
    assert lines == [
        {"record": identity(0), "spans": [{"start": 0, "end": 4, "label": "name"}]},
        {"record": identity(1), "spans": []},
    ]
    assert made.meta["label_kind"] == "spans" and set(labels(store, made).values()) == {None}


def test_a_renamed_label_keeps_its_annotations_and_the_data_sets_own() -> None:
    store = Store.open()
    asked = task(store, over=dataset(store, 4, [None, None, "yes", "no"]))
    tell(store, asked, "ann", "yes", "no")
    renamed = rename(store, asked, "yes", "agreed", "同意")
    assert next((label.name, label.chinese) for label in renamed.choices) == ("agreed", "同意")
    assert labels(store, apply(store, renamed)) == {0: "agreed", 1: "no", 2: "agreed", 3: "no"}


def test_merged_labels_read_as_one() -> None:
    store = Store.open()
    asked = task(store, over=dataset(store, 4, [None, None, "no", "other"]))
    tell(store, asked, "ann", "no", "yes", None, "yes")
    merged = merge(store, asked, ["no"], "other")
    assert [label.name for label in merged.choices] == ["yes", "other"]
    assert labels(store, apply(store, merged)) == {0: "other", 1: "yes", 2: "other", 3: "yes"}


def test_a_label_that_comes_apart_waits_for_new_answers() -> None:
    store = Store.open()
    asked = task(store, over=dataset(store, 6, [None, None, None, "yes", None, None]))
    tell(store, asked, "ann", "yes", "no", "no", None, "yes")
    parted, waiting = split(store, asked, "yes", ["yes", "sure=一定"])
    assert (waiting, [label.name for label in parted.choices]) == (2, ["yes", "sure", "no", "other"])
    assert labels(store, apply(store, parted)) == {1: "no", 2: "no"}
    tell(store, parted, "ann", "sure", None, None, None, "sure")
    assert labels(store, apply(store, parted)) == {0: "sure", 1: "no", 2: "no", 4: "sure"}
