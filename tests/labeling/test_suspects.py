"""Likely wrong labels: planted ones stand in front, near duplicates with two labels are found, and the queue gets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance.annotations import SUGGESTIONS, answers, create_task, new_label, queue
from appliance.annotations import task as find
from appliance.errors import InputError
from appliance.schema import Record
from appliance.store import Store
from labeling.embed import embed
from labeling.head import cross_validated
from labeling.suspects import Array, confident, conflicts, doubt, errors, rank, suspects, thresholds
from tests.labeling.asked import task, tell
from tests.labeling.people import small_store


def clouds(rows: int = 400, labels: int = 5, planted: int = 30) -> tuple[Array, Array, Array]:
    """Rows around a centre of each label, each of length 1, and labels of which some are planted wrong."""
    generator = np.random.default_rng(4)
    truth = np.arange(rows) % labels
    points = generator.standard_normal((labels, 32))[truth] * 3 + generator.standard_normal((rows, 32))
    given = truth.copy()
    wrong = generator.permutation(rows)[:planted]
    given[wrong] = (given[wrong] + 1 + generator.integers(labels - 1, size=planted)) % labels
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), given, truth


def test_confident_learning_by_hand() -> None:
    """Thresholds are means over a label's rows; a row is confidently the likeliest label at or above its threshold."""
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.45, 0.55], [0.1, 0.9], [0.95, 0.05]])
    targets = np.array([0, 0, 0, 1, 1, 1])
    assert thresholds(probabilities, targets) == pytest.approx([0.6, 0.5])
    assert confident(probabilities, targets).tolist() == [0, 0, 1, 1, 1, 0]
    assert errors(probabilities, targets) == pytest.approx(3 * 1 / 3 + 3 * 1 / 3)
    assert doubt(probabilities, targets).argsort()[::-1][:2].tolist() == [5, 2]
    assert (doubt(probabilities, targets) > 0).tolist() == [False, False, True, False, False, True]


def test_a_row_below_every_threshold_is_confidently_nothing() -> None:
    assert confident(np.array([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]]), np.array([0, 1, 0])).tolist() == [0, 1, -1]


def test_planted_errors_stand_in_front() -> None:
    features, given, truth = clouds()
    ranking = rank(features, given, 5)
    wrong = given != truth
    assert wrong[ranking.order[:30]].mean() >= 0.95
    assert (ranking.proposed[wrong] == truth[wrong]).mean() >= 0.95
    assert 20 <= ranking.expected <= 40
    assert not ranking.off[~wrong].any()


def test_the_second_pass_ranks_no_worse_than_the_first() -> None:
    features, given, truth = clouds(planted=100)
    wrong = given != truth
    first = np.argsort(-doubt(cross_validated(features, given, 5), given), kind="stable")[:100]
    assert wrong[rank(features, given, 5).order[:100]].mean() >= wrong[first].mean()


def test_a_ranking_is_the_same_each_time() -> None:
    features, given, _truth = clouds(rows=100, planted=5)
    assert rank(features, given, 5, seed=3).order.tolist() == rank(features, given, 5, seed=3).order.tolist()


def test_near_duplicates_with_two_labels_are_found() -> None:
    features = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 2, 3]]
    assert conflicts(features, [0, 1, 0, 0, 0, 1]) == [(0, 1)]


def test_many_rows_are_compared_in_buckets_and_none_is_missed() -> None:
    generator = np.random.default_rng(0)
    base = generator.standard_normal((3000, 64))
    twins = base[:200] + 0.01 * generator.standard_normal((200, 64))
    features = np.concatenate([base, twins])
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float16)
    targets = np.concatenate([np.zeros(3000, int), np.arange(200) % 2])
    assert conflicts(features, targets) == [(row, 3000 + row) for row in range(1, 200, 2)]


def labelled(folder: Path) -> tuple[Store, list[Record]]:
    """Forty records about two things, and two whose label is wrong: the last of each."""
    store = small_store(folder)
    texts = {"card": "my card was declined at the shop number {}", "medicine": "the doctor gave me a pill on day {}"}
    records = [Record(f"{row:032x}", texts[name].format(row), name, language="en") for row in range(40) for name in [("card", "medicine")[row % 2]]]  # fmt: skip
    records[38] = Record(records[38].id, records[38].text, "medicine", language="en")
    records[39] = Record(records[39].id, records[39].text, "card", language="en")
    with store.draft("dataset", "notes", meta={"stage": "scrubbed"}) as draft:
        store.write_records(draft, records)
    create_task(store, "triage", draft.artifact, "single", map(new_label, ("card", "medicine")))
    return store, records


def test_the_queue_gets_the_suspects_with_the_likelier_label(tmp_path: Path) -> None:
    store, records = labelled(tmp_path)
    asked = find(store, "triage")
    found = suspects(store, asked, count=2, enqueued=True)
    assert {one["row"] for one in found["suspects"]} == {38, 39}
    assert [(one["label"], one["proposed"]) for one in sorted(found["suspects"], key=lambda one: one["row"])] == [("medicine", "card"), ("card", "medicine")]  # fmt: skip
    assert (found["rows"], found["queued"]) == (40, 2)
    assert not any(record.text in str(found) for record in records)
    assert {item.row for item in queue(store, "triage", review=True)} == {38, 39}
    assert len(list(answers(store, asked, sources=SUGGESTIONS))) == 2
    assert suspects(store, asked, count=2, enqueued=True)["queued"] == 0


def test_what_people_said_outranks_the_data_set_and_a_reviewer_is_not_doubted(tmp_path: Path) -> None:
    store, _records = labelled(tmp_path)
    asked = find(store, "triage")
    tell(store, asked, "ann", *[None] * 38, "card")
    tell(store, asked, "rev", *[None] * 39, "card", review=True)
    assert {one["row"] for one in suspects(store, asked, count=5)["suspects"]} & {38, 39} == set()


def test_conflicts_are_among_the_suspects(tmp_path: Path) -> None:
    store, _records = labelled(tmp_path)
    asked = find(store, "triage")
    features = np.asarray(embed(store, store.dataset("notes")), np.float32)
    found = suspects(store, asked, count=40)
    torn = {row for pair in conflicts(features, [(row + (row > 37)) % 2 for row in range(40)]) for row in pair}
    assert {one["row"] for one in found["suspects"] if one["reason"] == "conflict"} <= torn
    assert found["conflicts"] == len(torn)


def test_what_cannot_be_judged_says_so() -> None:
    store = Store.open()
    with pytest.raises(InputError, match="spans"):
        suspects(store, task(store, kind="spans"))
    few = create_task(store, "few", store.dataset("notes"), "single", map(new_label, ("yes", "no")))
    tell(store, few, "ann", "yes", "yes", "yes", "no")
    with pytest.raises(InputError, match="label more"):
        suspects(store, few)
