"""Floors learn what they can and never fail for want of classes."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.evaluate.floors import majority, probe, tfidf_svm
from tests.fakes import tiny_records


def split(language: str) -> tuple[list[str], list[str], list[str], list[str]]:
    records = tiny_records(240, languages=(language,), seed=5)
    texts, labels = [record.text for record in records], [str(record.label) for record in records]
    return texts[:180], labels[:180], texts[180:], labels[180:]


def right(guesses: list[str], labels: list[str]) -> float:
    return float(np.mean([guess == label for guess, label in zip(guesses, labels, strict=True)]))


def test_majority_gives_the_most_frequent_label_and_of_equals_the_first_in_order() -> None:
    assert majority(["b", "a", "b"], ["x", "y"]) == ["b", "b"]
    assert majority(["b", "a"], ["x"]) == ["a"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_linear_svm_learns_words_and_where_there_are_no_spaces_characters(language: str) -> None:
    """Words alone would see each Chinese sentence as one or two unknown words."""
    train, labels, texts, truth = split(language)
    assert right(tfidf_svm(train, labels, texts), truth) > 0.95


def test_a_probe_learns_what_the_embeddings_tell() -> None:
    train, labels, texts, truth = split("en")
    topics = ("card", "transfer", "account")

    def embed(some: list[str]) -> np.ndarray:
        known = dict(zip(train + texts, labels + truth, strict=True))
        return np.array([[known[text] == topic for topic in topics] for text in some], float)

    assert right(probe(train, labels, texts, embed), truth) == 1.0


def test_one_label_is_answered_with_itself() -> None:
    texts = ["a card", "a pin"]
    assert tfidf_svm(texts, ["x", "x"], ["other"]) == ["x"]
    assert probe(texts, ["x", "x"], ["other"], lambda _texts: np.zeros((1, 2))) == ["x"]
