"""Latency: every engine at every shape, and a ratio that is a geometric mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance import engine
from appliance.export.latency import SHAPES, latency, latency_ratio


def test_each_engine_is_timed_at_each_shape(exported: dict[str, Path]) -> None:
    times = latency({form: engine.load(exported[form]) for form in ("onnx", "onnx-int8")})
    assert set(times) == {"onnx", "onnx-int8"}
    for measured in times.values():
        assert tuple(measured) == SHAPES
        assert measured[1, 16] < measured[32, 16]


def test_the_ratio_is_the_geometric_mean_over_the_shapes() -> None:
    slow = {(1, 16): 8.0, (1, 64): 2.0}
    fast = {(1, 16): 1.0, (1, 64): 1.0}
    assert latency_ratio(slow, fast) == pytest.approx(4.0)
    assert latency_ratio(fast, slow) == pytest.approx(0.25)
