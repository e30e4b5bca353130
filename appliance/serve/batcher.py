"""Which texts run together, and running them: what the engine process does with a handful of texts.

On a CPU a padded token costs as much as a read one, so that texts share a run only with others of nearly their length.
Models whose answers depend on their company (dynamic int8) run each text alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from appliance.engine import LongTexts, Reads
from appliance.errors import InputError
from appliance.log import log
from appliance.serve import frames
from appliance.serve.frames import Item
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

    from appliance.engine import Engine
    from appliance.engine.texts import Reading

    Array = np.ndarray[Any, Any]

MOST_WASTE = 0.15  # of a batch's tokens may be padding


@dataclass(frozen=True, slots=True)
class Asked:
    """How a loaded model is asked: `together` lets texts share runs of at most `batch_tokens` tokens, padding counted."""

    engine: Engine
    together: bool
    batch_tokens: int
    long_texts: LongTexts


def groups(lengths: Sequence[int], most_tokens: int, most_waste: float = MOST_WASTE) -> list[list[int]]:
    """Cut row numbers, sorted by length, into batches of at most `most_tokens` tokens of which at most a part of `most_waste` is padding.

    Both count a batch as its rows times its longest; a row longer than `most_tokens` has a batch of its own.
    """
    found: list[list[int]] = []
    read = 0
    for row in sorted(range(len(lengths)), key=lambda row: (lengths[row], row)):
        read += lengths[row]
        padded = (len(found[-1]) + 1) * lengths[row] if found else 0
        if not found or padded > most_tokens or padded - read > most_waste * padded:
            found.append([])
            read = lengths[row]
        found[-1].append(row)
    return found


def answer(asked: Asked, kind: str, texts: Sequence[str]) -> tuple[list[Item], float]:
    """Answer texts with a loaded model: an item each, in their order, and the seconds of tokenizing.

    A text that fails, fails alone: unless a whole run does, which then is tried again text by text.
    """
    if not isinstance(asked.engine, Reads):
        return [_simple(asked.engine, kind, text) for text in texts], 0.0
    began = perf_counter()
    readings = [_read(asked, text) for text in texts]
    took_s = perf_counter() - began
    good = [index for index, reading in enumerate(readings) if not isinstance(reading, Item)]
    known: dict[int, Item] = {index: item for index, item in enumerate(readings) if isinstance(item, Item)}
    found = _run(asked, kind, [readings[index] for index in good])  # type: ignore[misc]
    known |= dict(zip(good, found, strict=True))
    return [known[index] for index in range(len(texts))], took_s


def _read(asked: Asked, text: str) -> Reading | Item:
    try:
        reading: Reading = asked.engine.read(text, asked.long_texts)  # type: ignore[attr-defined]
    except InputError as error:
        return _item(frames.REFUSED, str(error).encode())
    except Exception as error:  # a thread must outlive whatever a tokenizer does
        log("reading failed", error=type(error).__name__)
        return _item(frames.FAILED, _("the model failed on this text").encode())
    return reading


def _run(asked: Asked, kind: str, readings: Sequence[Reading]) -> list[Item]:
    """Run what has been read; windows of a long text are rows like any other."""
    engine: Any = asked.engine
    rows = [window for reading in readings for window in reading.windows]
    lengths = [len(row) for row in rows]
    cut = groups(lengths, asked.batch_tokens) if asked.together else [[row] for row in range(len(rows))]
    outputs: list[Array | None] = [None] * len(rows)
    told: list[tuple[float, int, int]] = [(0.0, 1, 0)] * len(rows)  # seconds, company, padding
    for group in cut:
        began = perf_counter()
        _fill(engine, kind, rows, group, outputs)
        seconds = (perf_counter() - began) / len(group)
        padding = len(group) * lengths[group[-1]] - sum(lengths[row] for row in group)
        for row in group:
            told[row] = (seconds, len(group), padding)
    items, position = [], 0
    for reading in readings:
        span = range(position, position := position + len(reading.windows))
        content, payload = _result(engine, kind, reading, [outputs[row] for row in span])
        seconds = sum(told[row][0] for row in span)
        items.append(Item(content, reading.truncated, sum(lengths[row] for row in span), seconds, *told[span[0]][1:], payload))  # fmt: skip
    return items


def _fill(engine: Any, kind: str, rows: Sequence[list[int]], group: list[int], outputs: list[Array | None]) -> None:
    try:
        for row, output in zip(group, engine.run([rows[row] for row in group], kind), strict=True):
            outputs[row] = output
    except Exception as error:  # a thread must outlive whatever a model does
        log("run failed", error=type(error).__name__, texts=len(group))
        if len(group) > 1:
            for row in group:
                _fill(engine, kind, rows, [row], outputs)


def _result(engine: Any, kind: str, reading: Reading, outputs: list[Array | None]) -> tuple[int, bytes]:
    """Return what an item holds, and its bytes."""
    import numpy as np

    whole = [output for output in outputs if output is not None]
    if len(whole) < len(outputs):
        return frames.FAILED, _("the model failed on this text").encode()
    if not all(np.isfinite(output).all() for output in whole):
        return frames.FAILED, _("the model's score for this text is no number").encode()
    if kind == "embed":
        return frames.EMBEDDING, engine.pool(reading, whole, kind).tobytes()
    if engine.plan.task == "tag":
        spans = engine.spans(reading, whole)
        numbers = {label: number for number, label in enumerate(engine.kinds)}
        parts = (frames.SPAN.pack(span.start, span.end, numbers[span.label], span.score) for span in spans)
        return frames.SPANS, b"".join(parts)
    return frames.SCORES, engine.probabilities(reading, whole).tobytes()


def _simple(engine: Engine, kind: str, text: str) -> Item:
    """Answer with an engine that has no tokens: one call does it all."""
    began = perf_counter()
    if kind == "embed":
        return _item(frames.REFUSED, _("this model has no embeddings; use one that was exported as `onnx`").encode())
    try:
        [prediction] = engine.predict([text])
    except InputError as error:
        return _item(frames.REFUSED, str(error).encode())
    except Exception as error:  # a thread must outlive whatever a model does
        log("text failed", error=type(error).__name__)
        return _item(frames.FAILED, _("the model failed on this text").encode())
    if not math.isfinite(prediction.score):
        return _item(frames.FAILED, _("the model's score for this text is no number").encode())
    import numpy as np

    payload = np.array([prediction.probabilities[label] for label in engine.labels]).tobytes()
    return Item(frames.SCORES, prediction.truncated, 1, perf_counter() - began, 1, 0, payload)


def _item(content: int, payload: bytes) -> Item:
    return Item(content, False, 0, 0.0, 1, 0, payload)
