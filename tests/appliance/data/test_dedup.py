"""Duplicates: which texts are the same, and which copy stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.data.dedup import choose, key, normalise, number

NONE, TRAIN, VALIDATION, TEST = -1, 0, 1, 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("My card is LOST", "my  card\tis lost\n"),
        ("ＡＢＣ１２３", "abc123"),
        ("Straße", "STRASSE"),
        ("你好， 世界", "你好, 世界"),
        ("ǰ", "J\u030c"),
    ],
)
def test_case_width_and_white_space_do_not_count(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)
    assert key(one) == key(other)


@pytest.mark.parametrize(("one", "other"), [("a b", "ab"), ("lost!", "lost"), ("<PERSON_1>", "<PERSON_2>"), ("e", "é")])
def test_anything_else_counts(one: str, other: str) -> None:
    assert key(one) != key(other)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_normalising_is_done_once_for_all(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
    assert len(key(text)) == 16


def test_a_seed_puts_texts_in_another_order() -> None:
    texts = [str(number) for number in range(50)]
    orders = [sorted(texts, key=lambda text: key(text, seed)) for seed in (1, 2)]
    assert orders[0] != orders[1]


def test_lone_surrogates_have_a_key_too() -> None:
    assert key("\ud800") != key("\ud801")


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.just(b"\0" * 16), st.binary(min_size=16, max_size=16), st.sampled_from([b"a" * 16, b"a" * 15 + b"\0"])
        )
    )
)
def test_equal_keys_get_equal_numbers_in_key_order(keys: list[bytes]) -> None:
    distinct = sorted({one for one in keys if one.strip(b"\0")})
    expected = [distinct.index(one) if one.strip(b"\0") else -1 for one in keys]
    assert number(b"".join(keys)).tolist() == expected


def kept(texts: list[int], given: list[int], labels: list[int], drop: bool = True) -> tuple[list[int], int, int, int]:
    choice = choose(
        np.array(texts, dtype=np.int64), np.array(given, dtype=np.int8), np.array(labels, dtype=np.int64), drop
    )
    return np.flatnonzero(choice.keep).tolist(), choice.duplicates, choice.leaks, choice.conflicts


def test_the_first_of_equal_copies_stays() -> None:
    assert kept([1, 0, 1, 1, 0], [NONE] * 5, [0, 0, 0, 0, 0]) == ([0, 1], 3, 0, 0)


def test_the_copy_furthest_from_training_stays_and_the_others_are_leaks() -> None:
    assert kept([0, 0, 0, 0], [TRAIN, VALIDATION, TEST, NONE], [0] * 4) == ([2], 3, 2, 0)
    assert kept([0, 0, 0], [TRAIN, NONE, VALIDATION], [0] * 3) == ([2], 2, 1, 0)


def test_leaks_go_even_when_duplicates_may_stay() -> None:
    assert kept([0, 0, 0, 1, 1], [TRAIN, TEST, NONE, TRAIN, TRAIN], [0] * 5, drop=False) == ([1, 2, 3, 4], 1, 1, 0)


def test_the_label_of_most_copies_stays_and_the_conflict_is_counted() -> None:
    assert kept([0, 0, 0, 1, 1], [NONE] * 5, [3, 5, 5, 2, 2]) == ([1, 3], 3, 0, 1)


def test_a_labelled_copy_beats_an_unlabelled_one_without_conflict() -> None:
    assert kept([0, 0, 0], [NONE] * 3, [NONE, NONE, 0]) == ([2], 2, 0, 0)


def test_no_rows_are_no_trouble() -> None:
    assert kept([], [], []) == ([], 0, 0, 0)


ROWS = st.lists(st.tuples(st.integers(0, 6), st.integers(-1, 2), st.integers(-1, 2)), min_size=1, max_size=40)


@settings(deadline=None)
@given(ROWS, st.booleans())
def test_every_text_stays_and_never_in_two_given_splits(rows: list[tuple[int, int, int]], drop: bool) -> None:
    texts, given_splits, labels = (list(column) for column in zip(*rows, strict=True))
    stay, duplicates, leaks, _conflicts = kept(texts, given_splits, labels, drop)
    assert {texts[row] for row in stay} == set(texts)
    assert len(stay) + duplicates == len(rows)
    assert leaks <= duplicates
    for text in set(texts):
        splits = {given_splits[row] for row in stay if texts[row] == text} - {NONE}
        assert len(splits) <= 1
        assert splits <= {max(given_splits[row] for row in range(len(rows)) if texts[row] == text)}
    if drop:
        assert len(stay) == len(set(texts))
