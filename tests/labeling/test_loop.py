"""A round of labeling: what is asked, what is suggested and to whom it is not, when it ends; nothing is added twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance import engine
from appliance.annotations import SUGGESTIONS, answers, change_task, enqueue, lease_next, progress, put, queue, save
from appliance.errors import InputError, NotFoundError
from appliance.schema import Annotation, Model, QueueItem
from appliance.store import Store
from labeling.loop import Work, next_batch, wait
from labeling.prelabel import with_rule
from labeling.texts import Texts, dataset_of
from tests.fakes import tiny_model
from tests.labeling.people import answer_all, small_store, small_task


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return small_store(tmp_path)


def test_the_first_round_asks_typical_records_and_a_random_tenth(store: Store) -> None:
    small_task(store)
    found = next_batch(store, "triage", store.settings.label)
    assert (found["queued"], found["waiting"], found["labelled"]) == (20, 20, 0)
    assert 2 <= found["reasons"]["random"] < 20
    assert sum(found["reasons"].values()) == 20
    assert len({item.record for item in queue(store, "triage")}) == 20
    assert "accuracy" not in found


def test_the_same_again_adds_nothing(store: Store) -> None:
    small_task(store)
    first = next_batch(store, "triage", store.settings.label, 30)
    again = next_batch(store, "triage", store.settings.label, 30)
    assert (first["queued"], again["queued"], again["waiting"]) == (30, 0, 30)


def test_what_is_missing_is_filled_up(store: Store) -> None:
    task, truth = small_task(store)
    next_batch(store, "triage", store.settings.label, 30)
    answer_all(store, task, truth, most=20)
    found = next_batch(store, "triage", store.settings.label, 30)
    assert (found["batch"], found["queued"], found["waiting"], found["labelled"]) == (2, 20, 30, 20)


def test_a_later_round_is_judged_on_the_control_slice_and_chooses_by_margin(store: Store) -> None:
    task, truth = small_task(store)
    for _round in range(3):
        found = next_batch(store, "triage", store.settings.label, 30)
        answer_all(store, task, truth)
    assert found["labelled"] == 60
    assert 0 <= found["low"] <= found["accuracy"] <= found["high"] <= 1
    assert found["sentence"]
    assert set(found["reasons"]) <= {"random", "cluster-margin"}
    assert found["reasons"]["random"] >= 3


def test_what_was_not_measured_is_none_in_json(store: Store) -> None:
    """Two answers, none of them in the control slice: there is no accuracy yet, and NaN is no JSON."""
    task, _truth = small_task(store)
    next_batch(store, "triage", store.settings.label, 30)
    enough = [item.record for item in queue(store, "triage") if item.reason != "random"][:2]
    given = [
        Annotation(f"{n:032x}", "triage", one, "file", "import", {"label": task.labels[n].id})
        for n, one in enumerate(enough)
    ]
    put(store, task, given)
    found = next_batch(store, "triage", store.settings.label, 30)
    assert found["labelled"] == 2
    assert found["accuracy"] is None
    json.dumps(found, allow_nan=False)


def test_no_record_of_a_test_split_and_none_that_was_answered_elsewhere_is_asked(store: Store) -> None:
    task, _truth = small_task(store, rows=40, splits=("train", "test"))
    texts = Texts(store, dataset_of(store, task))
    imported = texts.ids[0]
    put(store, task, [Annotation("1" * 32, "triage", imported, "file", "import", {"label": task.labels[0].id})])
    found = next_batch(store, "triage", store.settings.label, 1000)
    asked = {item.record for item in queue(store, "triage")}
    assert found["queued"] == len(asked) == 19
    assert imported not in asked
    assert {texts.splits[row] for row, one in enumerate(texts.ids) if one in asked} == {"train"}
    assert next_batch(store, "triage", store.settings.label, 1000)["queued"] == 0


def test_suggestions_are_marked_and_stand_on_no_blind_record(store: Store) -> None:
    """The control slice, gold questions and records for several people measure something: no hint there."""
    task, truth = small_task(store, overlap=0.3)
    change_task(store, "triage", rules=with_rule(task, "card", ["card", "银行卡"]))
    next_batch(store, "triage", store.settings.label, 40)
    answer_all(store, task, truth)
    found = next_batch(store, "triage", store.settings.label, 60)
    made = list(answers(store, task, sources=SUGGESTIONS))
    items = {item.record: item for item in queue(store, "triage")}
    model = [one for one in made if one.source == "model" and not items[one.record].attempts]
    assert found["suggestions"]["model"] == len(model) > 20
    assert {(one.source, one.annotator) for one in made} == {("model", "head"), ("rule", "keywords")}
    assert {items[one.record].reason for one in made} & {"random", "gold"} == set()
    assert {items[one.record].needed for one in made} == {1}
    assert all(0 <= one.value["score"] <= 1 for one in made)


def test_suggestions_are_never_counted_as_labels(store: Store) -> None:
    task, _truth = small_task(store)
    change_task(
        store, "triage", rules=with_rule(task, "card", ["card", "pin", "chip", "terminal", "银行卡", "密码", "芯片"])
    )
    next_batch(store, "triage", store.settings.label, 40)
    assert len(list(answers(store, task, sources=SUGGESTIONS))) > 0
    assert next_batch(store, "triage", store.settings.label, 40)["labelled"] == 0
    assert progress(store, "triage")["submitted"] == 0


def test_a_budget_ends_the_asking(store: Store) -> None:
    task, truth = small_task(store)
    first = next_batch(store, "triage", store.settings.label, 30, budget=35)
    answer_all(store, task, truth)
    second = next_batch(store, "triage", store.settings.label, 30, budget=35)
    answer_all(store, task, truth)
    third = next_batch(store, "triage", store.settings.label, 30, budget=35)
    assert [(found["queued"], found["ended"]) for found in (first, second, third)] == [(30, ""), (5, ""), (0, "budget")]


def test_the_last_record_ends_the_asking(store: Store) -> None:
    task, truth = small_task(store, rows=24)
    next_batch(store, "triage", store.settings.label, 100)
    assert next_batch(store, "triage", store.settings.label, 100)["ended"] == ""
    answer_all(store, task, truth)
    assert next_batch(store, "triage", store.settings.label, 100)["ended"] == "all"


@pytest.mark.parametrize("kind", ["multi", "spans"])
def test_tasks_without_a_head_ask_what_is_typical(store: Store, kind: str) -> None:
    small_task(store, kind=kind)
    next_batch(store, "triage", store.settings.label, 20)
    value: dict[str, list[str]] = {"labels": []} if kind == "multi" else {"spans": []}
    for number, item in enumerate(lease_next(store, "triage", "anna", 20)):
        save(store, Annotation(f"{number:032x}", "triage", item.record, "anna", "human", value))
    found = next_batch(store, "triage", store.settings.label, 20)
    assert (found["queued"], found["labelled"]) == (20, 20)
    assert set(found["reasons"]) == {"random", "typiclust"}
    assert "accuracy" not in found


def test_waiting_ends_when_enough_was_dealt_with(store: Store) -> None:
    task, truth = small_task(store)
    next_batch(store, "triage", store.settings.label, 20)
    answer_all(store, task, truth, most=17)
    assert wait(store, "triage", 3, 0.01) == {"waiting": 3}


def test_one_person_alone_is_enough_where_two_should_answer(store: Store) -> None:
    """A record that waits for a second opinion does not hold up the loop."""
    task, truth = small_task(store, overlap=1.0)
    next_batch(store, "triage", store.settings.label, 20)
    answer_all(store, task, truth)
    assert wait(store, "triage", 0, 0.01) == {"waiting": 0}
    assert progress(store, "triage")["open"] == 20


def test_a_skipped_record_and_a_gold_question_hold_up_nothing(store: Store) -> None:
    task, truth = small_task(store)
    next_batch(store, "triage", store.settings.label, 20)
    (item,) = lease_next(store, "triage", "anna", 1)
    save(store, Annotation("2" * 32, "triage", item.record, "anna", "human", {}, state="skipped"))
    answer_all(store, task, truth)
    rest = next(one for one in truth if one not in {item.record for item in queue(store, "triage")})
    enqueue(store, task, [QueueItem("triage", rest, 0, reason="gold")])
    assert wait(store, "triage", 0, 0.01) == {"waiting": 0}


def test_a_task_that_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(NotFoundError, match="`nothing`"):
        next_batch(store, "nothing", store.settings.label)


def a_model(store: Store, *labels: str) -> Model:
    """Keep a torch classifier with random weights."""
    with store.draft("model", "known", meta={"format": "torch", "labels": list(labels)}) as draft:
        tiny_model(draft.folder, labels)
    made: Model = draft.artifact
    return made


def test_a_trained_model_suggests_and_chooses_before_anybody_has_answered(store: Store) -> None:
    """Its labels are the task's by name, in another order and with one that the task lacks."""
    task, _truth = small_task(store)
    model = a_model(store, "weather", "medicine", "card")
    next_batch(store, "triage", store.settings.label, 40, model)
    made = list(answers(store, task, sources=SUGGESTIONS))
    assert {one.annotator for one in made} == {model.reference}
    assert {one.value["label"] for one in made} <= {
        label.id for label in task.choices if label.name in ("medicine", "card")
    }
    head = Work(store, "triage", model).head
    assert head is not None
    assert head.seen.tolist() == [0, 3]
    texts = Work(store, "triage", model).texts
    (told,) = engine.load(model.folder).predict([texts.record(5).text])
    shares = head.probabilities(Work(store, "triage", model).embeddings, [5])[0]
    assert shares[0] / shares[3] == pytest.approx(told.probabilities["card"] / told.probabilities["medicine"], rel=0.02)


def test_a_model_of_other_labels_is_refused(store: Store) -> None:
    small_task(store)
    with pytest.raises(InputError, match="knows none of the labels"):
        next_batch(store, "triage", store.settings.label, 10, a_model(store, "weather", "sports"))
