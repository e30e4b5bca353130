"""Erasure reaches what people said about a record, and a labeling task goes on with the records that stay."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.annotations import ANSWERS, answers, create_task, enqueue, new_label, put, queue, task, tasks
from appliance.erase import erase, erase_again, erase_subjects
from appliance.errors import PolicyError
from appliance.schema import Annotation, Dataset, LabelTask, QueueItem, Record
from appliance.store import Store
from appliance.upkeep import delete, fsck
from labeling.apply import apply
from labeling.texts import Texts, dataset_of


def asked(store: Store, kind: str = "single") -> tuple[Dataset, LabelTask]:
    """A task over six records of two subjects, all queued and answered."""
    with store.draft("dataset", "notes", meta={"stage": "scrubbed"}) as draft:
        store.write_records(draft, (Record(f"{row:032x}", f"text {row}", subject=store.hmac("subject", f"p{row % 2}")) for row in range(6)))  # fmt: skip
    made = create_task(store, "triage", draft.artifact, kind, map(new_label, ("yes", "no")))
    enqueue(store, made, [QueueItem("triage", f"{row:032x}", row, place=row) for row in range(6)])
    yes = made.labels[0].id
    value = {"label": yes} if kind == "single" else {"labels": [yes]}
    put(store, made, [Annotation(f"{row:032x}", "triage", f"{row:032x}", "ann", "import", value) for row in range(6)])
    return draft.artifact, made


def test_a_persons_records_go_with_what_was_said_about_them() -> None:
    store = Store.open()
    asked(store)
    erase_subjects(store, ["p1"], yes=True)
    now = task(store, "triage")
    texts = Texts(store, dataset_of(store, now))
    assert [one.record for one in answers(store, now, history=True)] == [f"{row:032x}" for row in (0, 2, 4)]
    assert [(texts.record(item.row).id, item.record) for item in queue(store, "triage")] == [(f"{row:032x}",) * 2 for row in (0, 2, 4)]  # fmt: skip
    assert fsck(store)["ok"]


def test_labels_that_lie_beside_the_records_go_too() -> None:
    store = Store.open()
    _dataset, made = asked(store, "multi")
    apply(store, made, "labelled")
    erase_subjects(store, ["p1"], yes=True)
    lines = (store.dataset("labelled").folder / ANSWERS).read_text().splitlines()
    assert len(lines) == 3 and not any(f"{1:032x}" in line for line in lines)


def test_an_erased_data_set_takes_its_task_along() -> None:
    store = Store.open()
    dataset, _task = asked(store)
    with pytest.raises(PolicyError, match="triage"):
        delete(store, "notes")
    erase(store, "notes")
    assert tasks(store) == []
    create_task(store, "triage", replace(dataset), "single", [new_label("a")])
    assert list(answers(store, task(store, "triage"), history=True)) == [] and queue(store, "triage") == []


def test_what_a_restore_brought_back_goes_again() -> None:
    store = Store.open()
    dataset, made = asked(store)
    erase(store, "notes")
    with store.draft("dataset", "notes", meta={"stage": "scrubbed"}) as back:
        store.write_records(back, (Record(f"{row:032x}", f"text {row}", subject=store.hmac("subject", f"p{row % 2}")) for row in range(6)))  # fmt: skip
    assert back.artifact.id == dataset.id
    create_task(store, "triage", back.artifact, "single", made.labels)
    assert erase_again(store)["erased_sets"] == [dataset.reference]
    assert tasks(store) == []
