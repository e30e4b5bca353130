"""What a variant is worth on this machine: bytes, parameters, time, memory, and its answers beside the teacher's on the same rows."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import engine
from appliance.compress.bound import bounds
from appliance.engine import Engine
from appliance.engine.texts import Reader, softmax
from appliance.errors import HardwareError
from appliance.evaluate.metrics import calibration
from appliance.export.export import size_bytes
from appliance.export.latency import SHAPES, latency, latency_ratio, texts_of_length
from appliance.export.parity import loses
from appliance.jobs import progress
from appliance.train.classify import Rows
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Reference", "cost", "fault", "guesses", "logits_of", "quality", "reference"]

_BATCH_ROWS = 64
_TIMED_ROWS = 200
_MIN_AGREEMENT, _MAX_DROP = 0.98, 0.01
# Run in a process of its own, which has loaded nothing but the model: read texts until the input ends, then tell the peak.
_MEMORY = """
import json, sys
from appliance import engine
model = engine.load(sys.argv[1])
for line in sys.stdin:
    model.logits([json.loads(line)])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@dataclass(frozen=True, slots=True)
class Reference:
    """The teacher as fp32 ONNX: what every variant is held against.

    `true` and `guess` (rows,) are the label numbers of `rows` and the teacher's answers, `scores` their probabilities; `texts` are real ones of so many
    tokens each, for engines that read no tokens.
    """

    folder: Path
    engine: Engine
    rows: Rows
    true: Array
    guess: Array
    scores: Array
    texts: dict[int, list[str]]


def reference(folder: Path, rows: Rows, texts: Sequence[str]) -> Reference:
    """Load the fp32 ONNX model in `folder` and let it answer `rows`; `texts` are what texts of certain lengths are put together from."""
    import numpy as np

    loaded = engine.load(folder)
    guess, scores = guesses(logits_of(loaded, rows.texts))
    reader = Reader(folder, loaded.plan)
    of_length = {
        tokens: texts_of_length(lambda text: len(reader.read(text)[0]), texts, tokens)
        for tokens in dict.fromkeys(tokens for _batch, tokens in SHAPES)
    }
    return Reference(folder, loaded, rows, np.asarray(rows.targets, int), guess, scores, of_length)


def logits_of(model: Engine, texts: Sequence[str]) -> Array:
    """Return float32 logits (texts, labels), telling progress."""
    import numpy as np

    parts = []
    for start in range(0, len(texts), _BATCH_ROWS):
        progress("answer", start, len(texts))
        parts.append(model.logits(texts[start : start + _BATCH_ROWS]))
    return np.concatenate(parts)


def guesses(logits: Array) -> tuple[Array, Array]:
    """Return the number and the probability (softmax in float64) of each row's likeliest label: int (rows,), float (rows,)."""
    return logits.argmax(axis=1), softmax(logits).max(axis=1)


def quality(true: Array, teacher: Array, variant: Array, scores: Array) -> dict[str, Any]:
    """Hold two models' answers (label numbers, one a row) against each other and against the truth; `scores` are the variant's probabilities.

    `metric` and `teacher_metric` are accuracies, `drop` their difference (positive: the variant is worse) with its one-sided 95 % bounds `low` and `high`;
    `flips` counts rows with another label than the teacher's, `lost` and `won` the rows on which only the teacher and only the variant is right;
    `calibration_error` is that of Guo et al. 2017 with 15 bins.
    """
    rows = len(true)
    right = teacher == true, variant == true
    lost, won = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    low, high = bounds(lost, won, rows)
    flips = int((teacher != variant).sum())
    return {
        "rows": rows,
        "metric": float(right[1].mean()),
        "teacher_metric": float(right[0].mean()),
        "drop": (lost - won) / rows,
        "low": low,
        "high": high,
        "lost": lost,
        "won": won,
        "flips": flips,
        "agreement": 1 - flips / rows,
        "calibration_error": calibration(scores, right[1])[0],
    }


def fault(before: Array, after: Array, true: Array, learned_on: bool = False) -> str | None:
    """Return why a variant is refused: its whole numbers do not answer like the network that they were made of. None when they do.

    `before`, `after` are logits (rows, labels) of the same rows on this machine: at least 98 % same labels, at most one point of accuracy less (or one row).
    One that learned on with its numbers rounded (`learned_on`) may say something else, as long as it is as often right.
    """
    one, other = before.argmax(axis=1), after.argmax(axis=1)
    agreement = float((one == other).mean())
    lost = int((one == true).sum()) - int((other == true).sum())
    if (agreement >= _MIN_AGREEMENT or learned_on) and not loses(lost, len(true), _MAX_DROP):
        return None
    return _(
        "with whole numbers it gives the same label on {agreement:.1%} of {rows} real rows (asked: {least:.0%}) and loses {drop:+.4f} (allowed: {most})",
        agreement=agreement,
        rows=len(true),
        least=_MIN_AGREEMENT,
        drop=lost / len(true),
        most=_MAX_DROP,
    )


def cost(folder: Path, held_against: Reference) -> dict[str, Any]:
    """Measure the model in `folder` on this machine, in turns with the teacher: bytes of all that a server loads, milliseconds at each (batch x tokens),
    texts a second on one thread, and the largest memory of a process that serves it. The teacher's own folder may be given, too.
    """
    loaded = engine.load(folder)
    times = latency({"teacher": held_against.engine, "variant": loaded}, texts=held_against.texts)
    texts = held_against.rows.texts[:_TIMED_ROWS]
    begun = time.thread_time()
    loaded.logits(texts)
    seconds = time.thread_time() - begun
    size = size_bytes(folder)
    return {
        "format": loaded.plan.format,
        "size_bytes": size,
        "size_ratio": size_bytes(held_against.folder) / size,
        "latency_ratio": latency_ratio(times["teacher"], times["variant"]),
        "latency_ms": {f"{batch}x{tokens}": times["variant"][batch, tokens] for batch, tokens in times["variant"]},
        "texts_per_s": len(texts) / seconds,
        "memory_bytes": memory_bytes(folder, texts),
    }


def memory_bytes(folder: Path, texts: Sequence[str]) -> int:
    """Return the peak resident memory (`VmHWM` of proc(5)) of a process that loads the model in `folder` and answers `texts`, one by one."""
    import json

    lines = "".join(json.dumps(text) + "\n" for text in texts)
    command = [sys.executable, "-B", "-P", "-c", _MEMORY, str(folder.absolute())]
    variables = os.environ | {"OMP_NUM_THREADS": "1"}
    told = subprocess.run(command, input=lines, capture_output=True, text=True, env=variables)
    if told.returncode:
        raise HardwareError(
            _("a process that only serves the model `{folder}` failed; see `skerry doctor`", folder=folder)
        )
    return int(told.stdout) * 1024
