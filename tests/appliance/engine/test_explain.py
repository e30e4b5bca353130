"""Words and characters are left out one by one, and the change of the score is told at their place in the text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import engine
from appliance.engine.explain import explain, windows, without
from appliance.errors import InputError
from appliance.schema import Prediction
from tests.tiny_onnx import text, write_model


def words(value: str, most: int = 100) -> list[str]:
    return [value[start:end] for start, end in windows(value, most)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("My card didn't arrive.", ["My", "card", "didn't", "arrive"]),
        ("血压 120/80, 发烧", ["血", "压", "120", "80", "发", "烧"]),
        ("用IBAN转账", ["用", "IBAN", "转", "账"]),
        ("e-mail v2.0!", ["e-mail", "v2.0"]),
        ("カード\u3000한국", ["カ", "ー", "ド", "한", "국"]),
        ("\U00020000字", ["\U00020000", "字"]),
    ],
)
def test_words_are_words_and_characters_where_no_spaces_part_them(value: str, expected: list[str]) -> None:
    assert words(value) == expected


def test_many_words_go_in_runs(tmp_path: Path) -> None:
    found = windows(text(100), 30)
    assert len(found) == 25
    assert all(len(text(100)[start:end].split()) == 4 for start, end in found)


@given(st.text(max_size=60), st.integers(1, 20))
def test_pieces_do_not_overlap_and_are_no_more_than_asked(value: str, most: int) -> None:
    try:
        found = windows(value, most)
    except InputError:
        return
    assert len(found) <= most
    assert all(start < end for start, end in found)
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    for (start, end), shorter in zip(found, without(value, found), strict=True):
        assert len(shorter) == len(value) - (end - start)


class Spotter:
    """Says `bad` as surely as it sees the word 坏 or bad."""

    def __init__(self, like: engine.Engine) -> None:
        self.plan, self.labels, self._like = like.plan, ("bad", "good"), like

    def predict(self, texts: Sequence[str], min_score: float = 0.0) -> list[Prediction]:
        surely = [0.9 if "bad" in one or "坏" in one else 0.2 for one in texts]
        return [Prediction("bad" if p > 0.5 else "good", max(p, 1 - p), {"bad": p, "good": 1 - p}) for p in surely]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> engine.Engine:
    return engine.load(write_model(tmp_path_factory.mktemp("model")))


@pytest.mark.parametrize(("value", "word"), [("so bad a day", "bad"), ("𠮷手机坏了", "坏")])
def test_the_word_that_decides_has_the_change(model: engine.Engine, value: str, word: str) -> None:
    whole, pieces = explain(Spotter(model), value, 100)  # type: ignore[arg-type]
    assert whole.label == "bad"
    for piece in pieces:
        assert value[piece.start : piece.end] == piece.word
        assert piece.change == pytest.approx(0.7 if piece.word == word else 0.0)
        assert piece.label == ("good" if piece.word == word else "bad")


def test_a_real_model_is_explained_by_its_own_answers(model: engine.Engine) -> None:
    value = text(6)
    whole, pieces = explain(model, value, 100)
    for piece in pieces:
        (alone,) = model.predict([value[: piece.start] + value[piece.end :]])
        assert piece.change == whole.probabilities[whole.label or ""] - alone.probabilities[whole.label or ""]
    assert value not in repr(pieces)


def test_a_text_without_words_is_told(model: engine.Engine) -> None:
    with pytest.raises(InputError, match="no word"):
        explain(model, " ... ", 100)
