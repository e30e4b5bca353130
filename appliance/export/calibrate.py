"""Which range of an activation its 256 steps should span, measured on real texts.

The largest value ever seen is a poor measure: one outlier makes all steps coarse. Three better ones are known: the
`percentile`; `entropy`, the range whose steps tell the most about the distribution (least Kullback-Leibler divergence,
Migacz 2017, "8-bit Inference with TensorRT"); `error`, the range with the least squared error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Method = Literal["percentile", "entropy", "error"]
Range = tuple[float, float]

_BINS = 8192
_STEPS = 255
_SHARE = 1e-5  # of the values may lie above the percentile's range, and as many below it
_SHRINK = 40  # ranges that `entropy` and `error` try, from the whole one down to a quarter


def ranges(look: Callable[[], Iterable[Mapping[str, Array]]], method: Method) -> dict[str, Range]:
    """Return (low, high) of each activation, low <= 0 <= high. `look` yields float32 values by name for each text, the same ones each time."""
    bounds: dict[str, Range] = {}
    for values in look():
        for name, value in values.items():
            low, high = bounds.get(name, (0.0, 0.0))
            bounds[name] = min(low, float(value.min())), max(high, float(value.max()))
    counts = _histograms(look(), bounds)
    choose = {"percentile": _percentile, "entropy": _entropy, "error": _error}[method]
    return {name: choose(counts[name], *bounds[name]) for name in bounds}


def activations(model: Any, names: Sequence[str], rows: Sequence[Sequence[int]]) -> Iterator[dict[str, Array]]:
    """Run an ONNX model on each row and yield the named activations, float32 (1, tokens, channels) or (1, channels)."""
    import numpy as np
    import onnxruntime
    from onnx import TensorProto, helper

    outputs = len(model.graph.output)
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    del model.graph.output[outputs:]
    for row in rows:
        input_ids = np.array([row], np.int64)
        inputs = {"input_ids": input_ids, "attention_mask": np.ones_like(input_ids)}
        yield dict(zip(names, session.run(list(names), inputs), strict=True))


def _histograms(seen: Iterable[Mapping[str, Array]], bounds: Mapping[str, Range]) -> dict[str, Array]:
    import numpy as np

    counts = {name: np.zeros(_BINS, np.int64) for name in bounds}
    for values in seen:
        for name, value in values.items():
            counts[name] += np.histogram(value, _BINS, bounds[name])[0]
    return counts


def _percentile(counts: Array, low: float, high: float) -> Range:
    import numpy as np

    width = (high - low) / _BINS
    below = np.cumsum(counts) / counts.sum()
    first = int(np.searchsorted(below, _SHARE))
    last = int(np.searchsorted(below, 1 - _SHARE))
    return min(0.0, low + first * width), max(0.0, low + (last + 1) * width)


def _entropy(counts: Array, low: float, high: float) -> Range:
    import numpy as np

    def divergence(middles: Array, rounded: Array) -> float:
        # Each step's values count as spread evenly over the bins it stands for that are not empty.
        steps, step = np.unique(rounded, return_inverse=True)
        inside = np.bincount(step, counts, len(steps))
        filled = np.bincount(step, counts > 0, len(steps))
        spread = (inside / np.maximum(filled, 1))[step]
        seen = counts > 0
        return float((counts[seen] * np.log(counts[seen] / spread[seen])).sum())

    return _best(divergence, low, high)


def _error(counts: Array, low: float, high: float) -> Range:
    return _best(lambda middles, rounded: float((counts * (middles - rounded) ** 2).sum()), low, high)


def _best(cost: Callable[[Array, Array], float], low: float, high: float) -> Range:
    """Return the range of least cost. `cost` gets the middles of the histogram's bins, and each one as its range's 256 steps give it."""
    import numpy as np

    middles = low + (np.arange(_BINS) + 0.5) * (high - low) / _BINS
    best, found = np.inf, (low, high)
    for share in np.geomspace(1.0, 0.25, _SHRINK):
        scale = max((high - low) * share / _STEPS, np.finfo(np.float32).tiny)
        zero = np.rint(-low * share / scale)
        rounded = (np.clip(np.rint(middles / scale) + zero, 0, _STEPS) - zero) * scale
        if (costs := cost(middles, rounded)) < best:
            best, found = costs, (float(low * share), float(high * share))
    return found
