"""How long models take, side by side: one thread, interleaved runs, the median of each."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from statistics import median

from appliance.engine import Engine

Shape = tuple[int, int]
SHAPES: tuple[Shape, ...] = ((1, 16), (1, 64), (32, 16))  # (batch, tokens)
_RUN_TOKENS = 512  # a run repeats the call until it has seen this many tokens, so that a short call is timed well
_RUNS = 5


def latency(engines: Mapping[str, Engine], shapes: Sequence[Shape] = SHAPES) -> dict[str, dict[Shape, float]]:
    """Time each engine's network on random tokens: milliseconds a call by engine and (batch, tokens).

    The engines take turns, so that whatever slows the machine down slows all of them; each figure is the median of 5 runs.
    """
    import numpy as np

    times: dict[str, dict[Shape, float]] = {name: {} for name in engines}
    random = np.random.default_rng(0)
    for batch, tokens in shapes:
        input_ids = random.integers(5, 100, (batch, tokens), dtype=np.int64)
        mask = np.ones_like(input_ids)
        calls = max(1, _RUN_TOKENS // (batch * tokens))
        runs: dict[str, list[float]] = {name: [] for name in engines}
        for _run in range(_RUNS + 1):
            for name, engine in engines.items():
                begun = time.perf_counter()
                for _call in range(calls):
                    engine.forward(input_ids, mask)
                runs[name].append((time.perf_counter() - begun) / calls * 1000)
        for name, measured in runs.items():
            times[name][batch, tokens] = median(measured[1:])  # the first run warms up
    return times


def latency_ratio(slow: Mapping[Shape, float], fast: Mapping[Shape, float]) -> float:
    """Return how many times faster `fast` is: the geometric mean of the ratios over the shapes (Fleming and Wallace 1986)."""
    return math.exp(sum(math.log(slow[shape] / fast[shape]) for shape in slow) / len(slow))
