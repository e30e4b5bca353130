"""Agreement: the measures give the published values of their authors' examples, and the report says who agrees with whom."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import schema
from appliance.annotations import answers, change_labels, enqueue, lease, lease_next, queue, save
from appliance.schema import QueueItem
from appliance.store import Store
from labeling.agree import Array, _score, agree, alpha, ask_reviewers, cohen, f1, fleiss, interval, make_gold, settled
from tests.labeling.asked import dataset, identity, said, task, tell

# Krippendorff (2011), four observers, twelve units, five values, nominal alpha 0.743
OBSERVERS = ["1233214 12...", "1233224125.3", ".333234225 1.", "12332441251."]
# ten subjects, fourteen raters, five categories: kappa 0.210 (a worked example of Fleiss 1971)
RATED = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def counts_of(observers: list[str]) -> Array:
    rows = [line.replace(" ", "") for line in observers]
    return np.array([[sum(row[unit] == value for row in rows) for value in "12345"] for unit in range(12)], float)


def alpha_by_pairs(units: list[list[int]]) -> float:
    """Alpha from its definition, pair by pair."""
    units = [unit for unit in units if len(unit) > 1]
    values = [value for unit in units for value in unit]
    observed = sum(sum(a != b for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in units) / len(values)
    expected = sum(a != b for a, b in permutations(values, 2)) / (len(values) * (len(values) - 1))
    return 1 - observed / expected if expected else float("nan")


def test_alpha_is_that_of_krippendorffs_example() -> None:
    assert alpha(counts_of(OBSERVERS))[0] == pytest.approx(0.743, abs=5e-4)


@given(st.lists(st.lists(st.integers(0, 3), max_size=4), min_size=1, max_size=12))
def test_alpha_is_what_its_definition_says(units: list[list[int]]) -> None:
    counts = np.array([[unit.count(value) for value in range(4)] for unit in units], float)
    expected = alpha_by_pairs(units) if any(len(unit) > 1 for unit in units) else float("nan")
    assert alpha(counts)[0] == pytest.approx(expected, nan_ok=True)


def test_fleiss_kappa_is_that_of_the_worked_example() -> None:
    assert fleiss(np.array(RATED, float))[0] == pytest.approx(0.210, abs=5e-4)


def test_cohens_kappa_is_that_of_its_table() -> None:
    """20 both yes, 5 and 10 apart, 15 both no: 0.7 agreed, 0.5 by chance, so 0.4."""
    first, second = [0] * 25 + [1] * 25, [0] * 20 + [1] * 5 + [0] * 10 + [1] * 15
    assert cohen(np.eye(2)[first], np.eye(2)[second])[0] == pytest.approx(0.4)


def test_perfect_and_opposite_people() -> None:
    same, apart = np.array([[2, 0], [0, 2]] * 5, float), np.array([[1, 1]] * 10, float)
    assert alpha(same)[0] == fleiss(same)[0] == 1
    assert alpha(apart)[0] < 0 and fleiss(apart)[0] == -1
    assert np.isnan(alpha(np.array([[2, 0]] * 5, float))[0])
    assert f1(np.array([1.0]), np.array([4.0]))[0] == 0.5
    assert np.isnan(f1(np.array([0.0]), np.array([0.0]))[0])


def test_the_interval_holds_the_value_and_narrows_with_more_units() -> None:
    counts = np.array(RATED, float)
    low, high = interval(lambda weights: fleiss(counts, weights), len(counts))
    many = np.tile(counts, (20, 1))
    closer_low, closer_high = interval(lambda weights: fleiss(many, weights), len(many))
    assert low is not None and high is not None and closer_low is not None and closer_high is not None
    assert low < closer_low < 0.210 < closer_high < high
    assert interval(lambda weights: fleiss(counts[:1], weights), 1) == (None, None)


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Over 100 samples of known people, about 95 intervals hold the value of a very large sample."""

    def sample(seed: int, units: int) -> Array:
        generator = np.random.default_rng(seed)
        truth = generator.integers(3, size=(units, 1))
        said = np.where(generator.random((units, 3)) < 0.8, truth, generator.integers(3, size=(units, 3)))
        return np.stack([(said == label).sum(axis=1) for label in range(3)], axis=1).astype(float)

    truth, held = alpha(sample(0, 40_000))[0], 0
    for seed in range(1, 101):
        counts = sample(seed, 80)
        low, high = interval(lambda weights, counts=counts: alpha(counts, weights), len(counts), draws=300)  # type: ignore[misc]
        held += low is not None and high is not None and low <= truth <= high
    assert 87 <= held <= 100


def test_a_score_has_wilsons_interval_and_none_of_nothing() -> None:
    assert _score([True] * 8 + [False] * 2) == {"gold": 10, "gold_right": 0.8, "gold_low": 0.4902, "gold_high": 0.9433}
    assert _score([]) == {"gold": 0, "gold_right": None, "gold_low": None, "gold_high": None}


def test_most_people_settle_a_record_and_a_tie_does_not() -> None:
    store = Store.open()
    asked = task(store)
    tell(store, asked, "ann", "yes", "yes", "yes")
    tell(store, asked, "bob", "yes", "no", "no")
    tell(store, asked, "cyd", "no", None, "no")
    found = settled(store, asked)
    names = {label.id: label.name for label in asked.labels}
    assert {record: names[one.value["label"]] for record, one in found.items()} == {identity(0): "yes", identity(2): "no"}  # fmt: skip
    assert (found[identity(0)].how, found[identity(0)].people, found[identity(0)].agree) == ("majority", 3, 2)


def test_a_reviewer_outranks_all() -> None:
    store = Store.open()
    asked = task(store)
    tell(store, asked, "ann", "yes")
    tell(store, asked, "bob", "yes")
    tell(store, asked, "rev", "no", review=True)
    found = settled(store, asked)[identity(0)]
    assert (found.how, found.value, found.agree) == ("review", {"label": asked.labels[1].id}, 0)


def test_each_of_several_labels_and_each_span_is_settled_by_itself() -> None:
    store = Store.open()
    asked = task(store, kind="multi")
    for who, given_labels in (("ann", ["yes", "no"]), ("bob", ["yes"]), ("cyd", ["yes", "other"])):
        tell(store, asked, who, given_labels)
    assert settled(store, asked)[identity(0)].value == {"labels": [asked.labels[0].id]}


def test_spans_are_settled_where_most_people_marked_them_alike() -> None:
    store = Store.open()
    asked = task(store, "name place", "spans")
    for who, spans in (("ann", [(0, 3, "name"), (5, 9, "place")]), ("bob", [(0, 3, "name")]), ("cyd", [(0, 3, "name"), (5, 8, "place")])):  # fmt: skip
        tell(store, asked, who, spans)
    assert settled(store, asked)[identity(0)].value == {"spans": [{"start": 0, "end": 3, "label": asked.labels[0].id}]}


def test_nothing_marked_is_an_answer_too() -> None:
    store = Store.open()
    asked = task(store, "name", "spans")
    tell(store, asked, "ann", [])
    tell(store, asked, "bob", [])
    assert settled(store, asked)[identity(0)].value == {"spans": []}


def test_an_answer_that_names_a_retired_label_waits() -> None:
    from dataclasses import replace

    store = Store.open()
    asked = task(store)
    tell(store, asked, "ann", "yes", "no")
    yes, no, other = asked.labels
    changed = change_labels(store, "triage", [replace(yes, retired=True), no, other])
    assert list(settled(store, changed)) == [identity(1)]


def test_the_report_tells_who_agrees_with_whom() -> None:
    store = Store.open()
    asked = task(store)
    truth = ["yes", "no", "other", "yes", "no", "other", "yes", "no"]
    tell(store, asked, "ann", *truth, seconds=2.0)
    tell(store, asked, "bob", *truth, seconds=4.0)
    tell(store, asked, "cyd", *["other", "yes", "no", *truth[3:]])
    found = agree(store, asked)
    assert (found["records"], found["compared"]) == (8, 8)
    assert 0 < found["alpha_low"] < found["alpha"] < 1
    assert {(pair["a"], pair["b"]): pair["kappa"] == 1 for pair in found["pairs"]} == {("ann", "bob"): True, ("ann", "cyd"): False, ("bob", "cyd"): False}  # fmt: skip
    assert {one["annotator"]: one["agreement"] for one in found["annotators"]} == {"ann": 0.8125, "bob": 0.8125, "cyd": 0.625}  # fmt: skip
    assert [one["median_s"] for one in found["annotators"]] == [2.0, 4.0, None]
    assert [one["label"] for one in found["labels"]] == ["yes", "no", "other"]
    assert all(one["alpha"] < 1 and one["median_s"] == 3.0 for one in found["labels"])


def test_several_labels_and_spans_have_their_own_measures() -> None:
    store = Store.open()
    several = task(store, kind="multi")
    tell(store, several, "ann", ["yes"], ["no", "yes"], ["no"], [])
    tell(store, several, "bob", ["yes"], ["no"], ["no"], [])
    found = agree(store, several)
    assert 0.5 < found["alpha"] < 1 and found["agreement"] == 0.75


def test_agreement_on_spans_is_f1() -> None:
    store = Store.open()
    asked = task(store, "name place", "spans")
    tell(store, asked, "ann", [(0, 3, "name")], [(1, 4, "place")])
    tell(store, asked, "bob", [(0, 3, "name")], [(1, 4, "name")])
    found = agree(store, asked)
    assert found["f1"] == 0.5
    assert [(one["label"], one["f1"]) for one in found["labels"]] == [("name", 0.6667), ("place", 0.0)]


def test_one_person_alone_compares_with_nobody() -> None:
    store = Store.open()
    asked = task(store)
    tell(store, asked, "ann", "yes", "no")
    found = agree(store, asked)
    assert (found["compared"], found["alpha"], found["alpha_low"], found["pairs"]) == (0, None, None, [])


def answer_next(store: Store, asked: schema.LabelTask, who: str, name: str, **more: str) -> str:
    (item,) = lease_next(store, asked.name, who, count=1)
    save(store, said(asked, item.row, who, name, source="human", **more))
    return item.record


def test_a_disagreement_goes_to_a_reviewer_by_itself_and_comes_back_when_it_is_gone() -> None:
    store = Store.open()
    asked = task(store, overlap=1.0)
    enqueue(store, asked, [QueueItem("triage", identity(0), 0)])
    answer_next(store, asked, "ann", "yes")
    answer_next(store, asked, "bob", "no")
    assert [(item.reason, item.review) for item in queue(store, "triage", review=True)] == [("disagreement", True)]
    (theirs,) = answers(store, asked, annotator="bob")
    from dataclasses import replace

    save(store, replace(theirs, value={"label": asked.labels[0].id}), expected_version=1)
    assert queue(store, "triage", review=True) == []


def test_a_flag_and_two_skips_go_to_a_reviewer() -> None:
    store = Store.open()
    asked = task(store)
    enqueue(store, asked, [QueueItem("triage", identity(row), row, place=row) for row in range(2)])
    answer_next(store, asked, "ann", "yes", state="flagged")
    for who in ("ann", "bob"):
        answer_next(store, asked, who, "yes", state="skipped")
    assert [item.reason for item in queue(store, "triage", review=True)] == ["flagged", "skipped"]
    assert settled(store, asked) == {}


def test_disagreement_in_what_was_imported_is_queued_when_asked_for() -> None:
    store = Store.open()
    asked = task(store)
    tell(store, asked, "ann", "yes", "yes", "no")
    tell(store, asked, "bob", "yes", "no", "no")
    assert ask_reviewers(store, asked) == 1
    assert ask_reviewers(store, asked) == 0
    assert [(item.record, item.row) for item in queue(store, "triage", review=True)] == [(identity(1), 1)]


def test_gold_questions_are_made_of_sure_answers_and_score_each_person() -> None:
    store = Store.open()
    asked = task(store, over=dataset(store, 8), gold_share=1.0)
    tell(store, asked, "ann", "yes", "yes", "no")
    tell(store, asked, "bob", "yes", "no", "no")
    tell(store, asked, "rev", None, "no", review=True)
    assert make_gold(store, asked, 2) == 2
    gold = [item.record for item in queue(store, "triage") if item.reason == "gold"]
    assert identity(1) in gold and len(gold) == 2
    assert make_gold(store, asked, 5) == 1
    assert lease_next(store, "triage", "ann") == []
    for name in ("yes", "no", "yes"):
        answer_next(store, asked, "cyd", name)
    scores = {one["annotator"]: (one["gold"], one["gold_right"]) for one in agree(store, asked)["annotators"]}
    assert scores["ann"] == (0, None) and scores["cyd"][0] == 3
    truth = {identity(0): "yes", identity(1): "no", identity(2): "no"}
    order = sorted(truth)
    assert scores["cyd"][1] == round(sum(truth[record] == name for record, name in zip(order, ("yes", "no", "yes"), strict=True)) / 3, 4)  # fmt: skip


def test_gold_questions_leave_the_control_slice_alone() -> None:
    """A slice without the records on which all agree would say that the model is worse than it is."""
    store = Store.open()
    asked = task(store)
    enqueue(store, asked, [QueueItem("triage", identity(0), 0, reason="random")])
    for who in ("ann", "bob"):
        tell(store, asked, who, "yes", "yes")
    assert make_gold(store, asked, 5) == 1
    assert {item.row: item.reason for item in queue(store, "triage")} == {0: "random", 1: "gold"}


def test_a_reviewer_decides_and_the_record_is_settled() -> None:
    store = Store.open()
    asked = task(store, overlap=1.0)
    enqueue(store, asked, [QueueItem("triage", identity(0), 0)])
    answer_next(store, asked, "ann", "yes")
    answer_next(store, asked, "bob", "no")
    lease(store, "triage", "rev", identity(0), review=True)
    save(store, said(asked, 0, "rev", "other", source="human", review=True))
    assert settled(store, asked)[identity(0)].value == {"label": asked.labels[2].id}
    assert all(item.closed for item in queue(store, "triage"))
