"""Who is behind a label or a word: people are counted, not rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from appliance.egress.seen import count, held, learned_from, records_of
from appliance.errors import PolicyError
from appliance.schema import Record
from tests.appliance.egress.conftest import Site, people


def test_ten_rows_of_one_person_are_one_person() -> None:
    records = people(10)
    one = [replace(record, subject="a" * 64, label="card") for record in records]
    assert count(one, 10).many == frozenset()
    assert count([replace(record, label="card") for record in records], 10).many == {"card"}


def test_rows_without_a_subject_are_other_people_each() -> None:
    records = [replace(record, subject=None, label="card") for record in people(10)]
    found = count(records, 10)
    assert (found.many, found.subjects_told) == ({"card"}, False)
    assert count(people(1), 10).subjects_told


def test_rows_are_counted_by_label_and_language() -> None:
    found = count([*people(6), replace(people(1)[0], label=None)], 2)
    assert (found.rows, dict(found.labels)) == (7, {"card": 2, "transfer": 2, "account": 2})
    assert dict(found.languages) == {"en": 4, "zh": 3}


def test_a_word_needs_enough_people() -> None:
    records = [replace(record, text="kowalski" if number < 9 else "smith") for number, record in enumerate(people(19))]
    assert held(records, lambda record: record.text.split(), 10) == {"smith"}


def test_test_rows_do_not_count(make_site: Callable[[list[Record]], Site]) -> None:
    """A model never learned from them."""
    site = make_site(people(40))
    splits = {record.split for record in records_of(site.store, [site.dataset])}
    assert splits == {"train", "validation"}


def test_the_nearest_data_sets_up_the_lineage_are_what_it_learned_from(site: Site) -> None:
    trained = site.model("torch")
    with site.store.draft("model", "triage-small", parents=(trained.id,), meta={"format": "onnx"}) as draft:
        (draft.folder / "model.json").write_text("{}")
    assert [item.id for item in learned_from(site.store, draft.artifact)] == [site.dataset.id]
    site.store.bury(site.dataset, "erase")
    with pytest.raises(PolicyError, match="train again"):
        learned_from(site.store, draft.artifact)
