"""Splits: nothing that belongs together stands on two sides, and the shares come out as asked."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.data.split import assign, components, parse_shares, straddling
from appliance.errors import SettingsError

NONE, TRAIN, VALIDATION, TEST = -1, 0, 1, 2
SHARES = (0.8, 0.1, 0.1)


def sides(
    texts: list[int], labels: list[int] | None = None, given: list[int] | None = None,
    subjects: list[int] | None = None, groups: list[int] | None = None, shares: tuple[float, float, float] = SHARES,
) -> list[int]:  # fmt: skip
    none = [NONE] * len(texts)
    links = (np.array(subjects or none), np.array(groups or none))
    columns = (np.array(labels or none), np.array(given or none, dtype=np.int8))
    return assign(np.array(texts), links, *columns, shares).tolist()


def test_shares_are_read() -> None:
    assert parse_shares("0.8/0.1/0.1") == (0.8, 0.1, 0.1)
    assert parse_shares(".7/.3/0") == (0.7, 0.3, 0.0)


@pytest.mark.parametrize("split", ["0.8/0.1/0.2", "80/10/10", "0/0.5/0.5"])
def test_shares_that_make_no_whole_are_refused(split: str) -> None:
    with pytest.raises(SettingsError, match="must add up to 1"):
        parse_shares(split)


def test_components_join_what_shares_any_number() -> None:
    assert components((np.array([0, 0, 1, 2, -1, -1]), np.array([-1, 5, 5, -1, -1, -1])), 6).tolist() == [
        0,
        0,
        0,
        3,
        4,
        5,
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 8), st.integers(-1, 8)), max_size=40))
def test_components_are_those_of_a_plain_search(pairs: list[tuple[int, int]]) -> None:
    columns = [np.array([pair[place] for pair in pairs], dtype=np.int64) for place in (0, 1)]
    found = components(columns, len(pairs)).tolist()
    for start in range(len(pairs)):
        reached, todo = {start}, [start]
        while todo:
            row = todo.pop()
            near = {other for column in columns for other in range(len(pairs)) if column[row] == column[other] >= 0}
            todo += near - reached
            reached |= near
        assert found[start] == min(reached)


@pytest.mark.parametrize("rows", [10, 100, 1000])
def test_single_rows_meet_the_shares_exactly(rows: int) -> None:
    counts = Counter(sides(list(range(rows)), labels=[0] * rows))
    assert counts == {TRAIN: rows * 8 // 10, VALIDATION: rows // 10, TEST: rows // 10}


def test_labels_are_spread_as_the_shares_are() -> None:
    rows = 1000
    labels = np.random.default_rng(3).choice(4, size=rows, p=[0.6, 0.25, 0.1, 0.05])
    found = np.array(sides(list(range(rows)), labels=labels.tolist()))
    for label in range(4):
        here = np.bincount(found[labels == label], minlength=3)
        assert np.abs(here - np.array(SHARES) * (labels == label).sum()).max() <= 2
    assert np.abs(np.bincount(found) - np.array(SHARES) * rows).max() <= 2


def test_many_small_labels_still_fill_every_side() -> None:
    """Twenty labels of three rows each: rounding label by label would leave the test side empty."""
    counts = Counter(sides(list(range(60)), labels=[row % 20 for row in range(60)]))
    assert counts[VALIDATION] >= 4
    assert counts[TEST] >= 4


def test_subjects_are_spread_too() -> None:
    rng = np.random.default_rng(1)
    rows = 900
    subjects, labels = rng.integers(0, 250, rows), rng.integers(0, 5, rows)
    found = np.array(sides(list(range(rows)), labels=labels.tolist(), subjects=subjects.tolist()))
    assert straddling(subjects, found) == 0
    assert np.abs(np.bincount(found) / rows - SHARES).max() < 0.02
    for label in range(5):
        assert np.abs(np.bincount(found[labels == label], minlength=3) / (labels == label).sum() - SHARES).max() < 0.06


def test_a_huge_component_goes_to_train() -> None:
    found = sides(list(range(100)), subjects=[0] * 60 + list(range(1, 41)))
    assert set(found[:60]) == {TRAIN}
    assert Counter(found) == {TRAIN: 80, VALIDATION: 10, TEST: 10}


def test_a_share_of_nothing_gets_nothing() -> None:
    assert Counter(sides(list(range(50)), shares=(0.8, 0.0, 0.2))) == {TRAIN: 40, TEST: 10}


def test_given_splits_are_kept() -> None:
    given_splits = [TRAIN, TEST, TEST, VALIDATION]
    assert sides([0, 1, 2, 3], given=given_splits, subjects=[0, 0, 1, 1]) == given_splits


def test_a_row_without_a_split_follows_its_subject() -> None:
    assert sides([0, 1, 2, 3], given=[TEST, NONE, VALIDATION, NONE], subjects=[0, 0, 1, 1]) == [2, 2, 1, 1]


def test_a_row_between_given_sides_is_trained_on() -> None:
    assert sides([0, 1, 2], given=[TEST, NONE, TRAIN], subjects=[0, 0, 0]) == [TEST, TRAIN, TRAIN]


def test_a_copy_follows_its_text_before_its_subject() -> None:
    assert sides([0, 1, 1], given=[TRAIN, NONE, TEST], subjects=[0, 0, 1]) == [TRAIN, TEST, TEST]


def test_a_test_set_given_in_full_gets_no_more() -> None:
    found = sides(list(range(1000)), given=[TEST] * 100 + [NONE] * 900)
    assert Counter(found) == {TRAIN: 800, VALIDATION: 100, TEST: 100}


def test_nothing_given_up_when_a_given_side_is_too_large() -> None:
    found = sides(list(range(100)), given=[TEST] * 50 + [NONE] * 50)
    assert Counter(found) == {TEST: 50, TRAIN: 44, VALIDATION: 6}


def test_the_split_hangs_on_the_text_alone() -> None:
    """Rows in another order get the same side."""
    rng = np.random.default_rng(5)
    texts, labels, subjects = rng.permutation(300), rng.integers(0, 4, 300), rng.integers(-1, 90, 300)
    found = np.array(sides(texts.tolist(), labels.tolist(), subjects=subjects.tolist()))
    order = rng.permutation(300)
    again = np.array(sides(texts[order].tolist(), labels[order].tolist(), subjects=subjects[order].tolist()))
    assert (again == found[order]).all()


COLUMN = st.integers(-1, 9)
ROWS = st.lists(
    st.tuples(st.integers(0, 20), COLUMN, COLUMN, st.integers(-1, 3), st.integers(-1, 2)), min_size=1, max_size=60
)


@settings(deadline=None)
@given(ROWS, st.sampled_from([SHARES, (0.5, 0.0, 0.5), (1.0, 0.0, 0.0)]))
def test_nothing_stands_on_two_sides_unless_it_was_given_so(
    rows: list[tuple[int, int, int, int, int]], shares: tuple[float, float, float]
) -> None:
    told: dict[int, int] = {}  # one given split per text, as `dedup.choose` leaves it
    rows = [(*row[:4], told.setdefault(row[0], row[4]) if row[4] >= 0 else NONE) for row in rows]
    texts, subjects, groups, labels, given_splits = (list(column) for column in zip(*rows, strict=True))
    found = sides(texts, labels, given_splits, subjects, groups, shares)
    assert all(side == told for side, told in zip(found, given_splits, strict=True) if told >= 0)
    assert set(found) <= {TRAIN, VALIDATION, TEST}
    assert straddling(np.array(texts), np.array(found)) == 0
    together = components((np.array(texts), np.array(subjects), np.array(groups)), len(rows))
    for root in set(together.tolist()):
        members = [row for row in range(len(rows)) if together[row] == root]
        given_here = {given_splits[row] for row in members} - {NONE}
        if len(given_here) <= 1:
            assert len({found[row] for row in members}) == 1
        else:
            assert {found[row] for row in members} == given_here


def test_straddling_counts_what_stands_on_two_sides() -> None:
    assert straddling(np.array([0, 0, 1, 1, -1, -1]), np.array([0, 2, 1, 1, 0, 2])) == 1
