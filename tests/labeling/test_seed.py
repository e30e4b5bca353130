"""Seeding a rare label: by a word, by a record, by an example text; what is found comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.annotations import SUGGESTIONS, answers, lease_next, queue, task
from appliance.errors import InputError, SettingsError
from appliance.store import Store
from labeling.loop import next_batch
from labeling.seed import seed
from tests.labeling.people import answer_all, small_store, small_task

WORDS = ("doctor", "nurse")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return small_store(tmp_path)


def test_a_word_puts_its_records_in_front_and_becomes_a_rule(store: Store) -> None:
    made, truth = small_task(store)
    next_batch(store, "triage", store.settings.label, 20)
    found = seed(store, "triage", store.settings.label, "card", words=["card", "银行卡"], count=10)
    assert (found["label"], found["queued"]) == ("card", 10)
    assert found["matches"] >= 10
    first = lease_next(store, "triage", "anna", 10)
    assert {item.reason for item in first} == {"seed"}
    assert {truth[item.record] for item in first} == {"card"}
    suggested = {one.record: one for one in answers(store, task(store, "triage"), sources=SUGGESTIONS)}
    assert {suggested[item.record].value["label"] for item in first} == {made.labels[0].id}
    assert {one.source for one in suggested.values()} == {"rule"}


def test_a_record_brings_those_like_it(store: Store) -> None:
    _made, truth = small_task(store)
    known = next(record for record, label in truth.items() if label == "card")
    found = seed(store, "triage", store.settings.label, "card", records=[known], count=8)
    items = queue(store, "triage")
    assert found["queued"] == len(items) == 8
    assert known not in {item.record for item in items}


def test_an_example_text_brings_those_like_it(store: Store) -> None:
    _made, truth = small_task(store)
    seed(
        store,
        "triage",
        store.settings.label,
        "card",
        examples=["my card does not work , what about the pin ?"],
        count=8,
    )
    same = [truth[item.record] == "card" for item in queue(store, "triage")]
    assert sum(same) > len(same) / 2


def test_nothing_is_asked_twice(store: Store) -> None:
    made, truth = small_task(store, rows=40)
    next_batch(store, "triage", store.settings.label, 20)
    answer_all(store, made, truth)
    seed(store, "triage", store.settings.label, "card", words=["card", "银行卡"], count=100)
    assert seed(store, "triage", store.settings.label, "card", words=["银行卡"], count=100)["queued"] == 0
    records = [item.record for item in queue(store, "triage")]
    assert len(records) == len(set(records))


def test_it_needs_something_to_look_for_and_a_label_on_offer(store: Store) -> None:
    small_task(store)
    with pytest.raises(SettingsError):
        seed(store, "triage", store.settings.label, "card")
    with pytest.raises(InputError, match="weather"):
        seed(store, "triage", store.settings.label, "weather", words=["rain"])
    with pytest.raises(InputError, match="no record"):
        seed(store, "triage", store.settings.label, "card", records=["f" * 32])


def test_neither_words_nor_texts_stand_in_the_events(store: Store) -> None:
    small_task(store)
    seed(store, "triage", store.settings.label, "card", words=["Quixandria"], examples=["Quixandria Zweig"], count=5)
    assert "uixandria" not in str(store.events())
