"""How long models take, side by side: one thread, interleaved runs, the median of each."""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from appliance.engine import Engine, Network
from appliance.errors import InputError
from appliance.words import _

Shape = tuple[int, int]
SHAPES: tuple[Shape, ...] = ((1, 16), (1, 64), (32, 16))  # (batch, tokens)
_RUN_TOKENS = 512  # a run repeats the call until it has seen this many tokens, so that a short call is timed well
_RUNS = 5
_ON_GPU = "tensorrt"


def latency(
    engines: Mapping[str, Engine], shapes: Sequence[Shape] = SHAPES, texts: Mapping[int, Sequence[str]] | None = None
) -> dict[str, dict[Shape, float]]:
    """Time each engine's network on random tokens: milliseconds a call by engine and (batch, tokens).

    The engines take turns, so that whatever slows the machine down slows all of them; each figure is the median of 5 runs. It is CPU time of the calling
    thread, which does all the work, so that other work on the machine does not count; with a GPU in play it is the time on the clock. One that reads no token ids
    answers `texts` instead, real ones of so many tokens each (see `texts_of_length`): from text to logits, which for a network would count its tokenizer too.
    Raises `InputError` where it has none.
    """
    times: dict[str, dict[Shape, float]] = {name: {} for name in engines}
    clock = time.perf_counter if any(engine.plan.format == _ON_GPU for engine in engines.values()) else time.thread_time
    for batch, tokens in shapes:
        calls = {name: _call(engine, batch, tokens, (texts or {}).get(tokens, ())) for name, engine in engines.items()}
        repeats = max(1, _RUN_TOKENS // (batch * tokens))
        runs: dict[str, list[float]] = {name: [] for name in engines}
        for _run in range(_RUNS + 1):
            for name, call in calls.items():
                begun = clock()
                for number in range(repeats):
                    call(number)
                runs[name].append((clock() - begun) / repeats * 1000)
        for name, measured in runs.items():
            times[name][batch, tokens] = median(measured[1:])  # the first run warms up
    return times


def _call(engine: Engine, batch: int, tokens: int, texts: Sequence[str]) -> Callable[[int], object]:
    """Return what is timed: the network on tokens, always the same, or the engine on texts, other ones each time."""
    import numpy as np

    if isinstance(engine, Network):
        input_ids = np.random.default_rng(0).integers(5, 100, (batch, tokens), dtype=np.int64)
        mask = np.ones_like(input_ids)
        network: Network = engine
        return lambda _number: network.forward(input_ids, mask)
    if not texts:
        raise InputError(
            _("no text has {tokens} tokens, so the model cannot be timed; give it more rows", tokens=tokens)
        )
    batches = [[texts[(start + row) % len(texts)] for row in range(batch)] for start in range(len(texts))]
    return lambda number: engine.logits(batches[number % len(batches)])


def texts_of_length(count: Callable[[str], int], texts: Sequence[str], tokens: int, most: int = 64) -> list[str]:
    """Make up to `most` texts in which `count` finds just `tokens` tokens, special ones too: each the start of one of `texts` and those behind it."""
    found: list[str] = []
    for start in range(len(texts)):
        if len(found) == most:
            break
        long, following = texts[start], start + 1
        while count(long) < tokens and following < min(len(texts), start + tokens):
            long, following = f"{long} {texts[following]}", following + 1
        cut = long[: bisect_right(range(len(long) + 1), tokens, key=lambda end: count(long[:end])) - 1]
        if count(cut) == tokens:
            found.append(cut)
    return found


def latency_ratio(slow: Mapping[Shape, float], fast: Mapping[Shape, float]) -> float:
    """Return how many times faster `fast` is: the geometric mean of the ratios over the shapes (Fleming and Wallace 1986)."""
    return math.exp(sum(math.log(slow[shape] / fast[shape]) for shape in slow) / len(slow))
