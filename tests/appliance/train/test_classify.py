"""Which rows teach, which rows judge, and how an answer is judged."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from appliance.errors import InputError
from appliance.schema import Record
from appliance.train.classify import hold_out, measure, read_lesson
from tests.fakes import tiny_records


def rows(*specification: tuple[str | None, str | None, int]) -> list[Record]:
    """Records of (label, split, how many)."""
    triples = [(label, split) for label, split, count in specification for _ in range(count)]
    return [
        Record(id=str(number), text=f"text {number}", label=label, split=split)
        for number, (label, split) in enumerate(triples)
    ]


def test_given_splits_are_kept_and_test_rows_are_not_looked_at() -> None:
    records = rows(
        ("b", "train", 5), ("a", "train", 4), ("a", "validation", 2), ("b", "validation", 1), ("c", "test", 9)
    )
    lesson = read_lesson(records, seed=0)
    assert lesson.labels == ("a", "b")
    assert lesson.train.targets == (1,) * 5 + (0,) * 4
    assert lesson.validation.texts == ("text 9", "text 10", "text 11")
    assert not lesson.held_out


def test_without_a_validation_split_a_tenth_of_each_label_is_held_out() -> None:
    lesson = read_lesson(rows(("a", None, 100), ("b", None, 40), ("c", None, 3), ("d", None, 2)), seed=0)
    assert Counter(lesson.validation.targets) == {0: 10, 1: 4, 2: 1}
    assert len(lesson.train) + len(lesson.validation) == 145
    assert lesson.held_out
    assert lesson.unvalidated_labels == 1
    assert not set(lesson.train.texts) & set(lesson.validation.texts)


def test_the_choice_depends_on_the_seed_and_not_on_ids() -> None:
    records = tiny_records(60, seed=1)
    renamed = [Record(id=f"x{number}", text=record.text, label=record.label) for number, record in enumerate(records)]
    assert read_lesson(records, seed=0) == read_lesson(renamed, seed=0)
    assert read_lesson(records, seed=0) != read_lesson(records, seed=1)


def test_groups_and_subjects_stay_in_one_piece() -> None:
    """No group may be learned from and judged at once."""
    units = [number // 5 for number in range(400)]
    held = hold_out([number % 4 for number in range(400)], units, seed=0)
    assert 20 <= sum(held) <= 40
    assert all(len({held[row] for row in range(400) if units[row] == unit}) == 1 for unit in set(units))


def test_read_lesson_holds_out_by_group_and_subject() -> None:
    records = [
        Record(
            id=str(number),
            text=str(number),
            label="ab"[number % 2],
            group=f"g{number // 4}" if number < 100 else None,
            subject=f"s{number // 4}",
        )
        for number in range(200)
    ]
    lesson = read_lesson(records, seed=0)
    held = {int(text) // 4 for text in lesson.validation.texts}
    assert held and not held & {int(text) // 4 for text in lesson.train.texts}


def test_rows_without_label_are_left_out_and_counted() -> None:
    lesson = read_lesson(rows((None, None, 7), ("", None, 2), ("a", None, 5), ("b", None, 5)), seed=0)
    assert lesson.without_label == 9
    assert len(lesson.train) + len(lesson.validation) == 10


def test_validation_rows_of_a_label_that_train_lacks_are_left_out_and_counted() -> None:
    lesson = read_lesson(
        rows(("a", "train", 3), ("b", "train", 3), ("c", "validation", 2), ("a", "validation", 1)), seed=0
    )
    assert lesson.unknown_label == 2
    assert (lesson.validation.targets, lesson.unvalidated_labels) == ((0,), 1)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "no row to train on"),
        (rows((None, None, 4)), r"4 have no label.*--label-column"),
        (rows(("a", "test", 4)), "no row to train on"),
        (rows(("a", None, 9)), "the same label"),
        (rows(("a", None, 9), ("b", None, 1), ("c", None, 1)), "2 of 3 labels have fewer than 2"),
    ],
)
def test_what_cannot_be_learned_is_refused(records: list[Record], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_lesson(records, seed=0)


def test_a_message_about_labels_shows_none_of_them() -> None:
    """A label column that is free text must not end in an error message."""
    with pytest.raises(InputError) as caught:
        read_lesson(rows(("Jane Doe lost her card", None, 1), ("b", None, 5)), seed=0)
    assert "Jane" not in str(caught.value)


def test_neither_rows_nor_lesson_show_texts() -> None:
    lesson = read_lesson(rows(("secret label", None, 5), ("b", None, 5)), seed=0)
    assert "text 1" not in repr(lesson) and "secret" not in repr(lesson)


def test_measure_agrees_with_scikit_learn() -> None:
    source = np.random.default_rng(0)
    logits = source.normal(size=(200, 5)).astype(np.float32)
    truth = source.integers(0, 4, 200)  # label 4 never occurs, but is guessed
    scores = measure(logits, truth.tolist())
    guess = logits.argmax(1)
    probabilities = np.exp(logits.astype(np.float64))
    probabilities /= probabilities.sum(1, keepdims=True)
    assert scores["accuracy"] == pytest.approx(accuracy_score(truth, guess))
    assert scores["macro_f1"] == pytest.approx(f1_score(truth, guess, labels=range(4), average="macro"))
    assert scores["loss"] == pytest.approx(log_loss(truth, probabilities, labels=range(5)), rel=1e-6)


def test_measure_survives_large_logits() -> None:
    scores = measure(np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32), [0, 0])
    assert scores["accuracy"] == 0.5
    assert math.isfinite(scores["loss"])
