"""Ranges of activations: what numpy finds on the same values, and less error than the largest value gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from appliance.export.calibrate import Method, activations, ranges

NAME = "layer_norm"


def measured(values: np.ndarray, method: Method) -> tuple[float, float]:
    """Measure these values as an activation's, in four texts."""
    return ranges(lambda: ({NAME: part} for part in np.array_split(values, 4)), method)[NAME]


def error(values: np.ndarray, low: float, high: float) -> float:
    scale = (high - low) / 255
    zero = round(-low / scale)
    return float((((np.clip(np.rint(values / scale) + zero, 0, 255) - zero) * scale - values) ** 2).mean())


NORMAL = np.random.default_rng(0).normal(0, 1, 400_000).astype(np.float32)
OUTLIER = np.append(NORMAL, np.float32(20))


@pytest.mark.parametrize("method", ["percentile", "entropy", "error"])
def test_a_range_holds_zero_and_lies_within_what_was_seen(method: Method) -> None:
    low, high = measured(np.abs(NORMAL) + 1, method)
    assert low == 0.0 and 1 < high <= float(NORMAL.max()) + 1.001


@pytest.mark.parametrize("method", ["percentile", "entropy", "error"])
def test_one_outlier_does_not_make_every_step_coarse(method: Method) -> None:
    low, high = measured(OUTLIER, method)
    assert high < 18
    assert error(NORMAL, low, high) < error(NORMAL, float(OUTLIER.min()), 20.0) / 1.2


def test_error_is_the_least_of_all_ranges_that_numpy_tries() -> None:
    low, high = measured(OUTLIER, "error")
    best = min(error(OUTLIER, float(OUTLIER.min()) * share, 20 * share) for share in np.linspace(0.25, 1, 50))
    assert error(OUTLIER, low, high) <= best * 1.05


def test_activations_are_those_of_the_model(exported: dict[str, Path], rows: list[list[int]]) -> None:
    """The logits, looked at as an activation, are the model's own."""
    from appliance import engine

    seen = list(activations(onnx.load(exported["onnx"] / "model.onnx"), ["logits"], rows[:3]))
    model = engine.load(exported["onnx"])
    for values, row in zip(seen, rows, strict=False):
        assert np.array_equal(values["logits"], model.forward(np.array([row]), np.ones((1, len(row)), np.int64)))
