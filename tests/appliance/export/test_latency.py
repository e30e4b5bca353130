"""Latency: every engine at every shape, and a ratio that is a geometric mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance import engine
from appliance.errors import InputError
from appliance.export.latency import SHAPES, latency, latency_ratio, texts_of_length
from tests.tiny_ngrams import write_ngrams


def test_each_engine_is_timed_at_each_shape(exported: dict[str, Path]) -> None:
    times = latency({form: engine.load(exported[form]) for form in ("onnx", "onnx-int8")})
    assert set(times) == {"onnx", "onnx-int8"}
    for measured in times.values():
        assert tuple(measured) == SHAPES
        assert measured[1, 16] < measured[32, 16]


def test_a_model_without_token_ids_answers_texts_of_so_many_tokens(tmp_path: Path) -> None:
    """From text to logits; without texts it cannot be timed, and says so."""
    model = engine.load(write_ngrams(tmp_path))
    times = latency({"ngrams": model}, texts={16: ["a card was stolen"] * 3, 64: ["a card was stolen " * 4]})
    assert tuple(times["ngrams"]) == SHAPES
    with pytest.raises(InputError, match="64 tokens"):
        latency({"ngrams": model}, texts={16: ["a card was stolen"]})


def test_texts_are_cut_to_a_number_of_tokens() -> None:
    """Short ones are continued by those behind them; what cannot reach the length is left out."""
    texts = ["one two three four five six", "seven eight", "nine"]
    assert texts_of_length(lambda text: len(text.split()), texts, 4) == ["one two three four "]
    assert texts_of_length(lambda text: len(text.split()), texts, 3, most=1) == ["one two three "]
    assert texts_of_length(lambda text: 2 + len(text), ["菜味道很棒", "快"], 6) == ["菜味道很"]
    assert texts_of_length(lambda text: len(text.split()), texts, 40) == []


def test_the_ratio_is_the_geometric_mean_over_the_shapes() -> None:
    slow = {(1, 16): 8.0, (1, 64): 2.0}
    fast = {(1, 16): 1.0, (1, 64): 1.0}
    assert latency_ratio(slow, fast) == pytest.approx(4.0)
    assert latency_ratio(fast, slow) == pytest.approx(0.25)
