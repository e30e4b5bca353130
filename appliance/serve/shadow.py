"""The mirror of a shadow version: copies of requests, run when nobody waits, answered to nobody, compared and counted.

Copies are made after the answer was sent and run in the background of the workers. Their line is bounded: under load
it fills, and further copies are dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.errors import ApplianceError
from appliance.monitor.prometheus import Metrics
from appliance.schema import Prediction
from appliance.serve.router import Router, Served

if TYPE_CHECKING:
    from appliance.serve.service import Answered
    from appliance.serve.workers import Workers


@dataclass(frozen=True, slots=True)
class _Copy:
    """The texts of one request for the shadow, and what the live version said."""

    shadow: Served
    texts: list[str] = field(repr=False)
    expected: list[Prediction]


class Mirror:
    """The line of copies, at most `most_texts` long. Made anywhere, used in the event loop."""

    def __init__(self, router: Router, most_texts: int, metrics: Metrics) -> None:
        self._router, self._most_texts, self._metrics = router, most_texts, metrics
        self._line: deque[_Copy] = deque()
        self._more = asyncio.Event()
        self.waiting = 0  # texts

    def answered(self, answered: Answered) -> None:
        """Copy a request that the live version has answered, if its release has a shadow; only append and count."""
        served = answered.served
        if served.release.shadow is None or served.stage != "live" or answered.kind != "predict":
            return
        serving = self._router.serving().get(served.release.name)
        if serving is None or serving.shadow is None:
            return
        pairs = answered.predictions
        if not pairs:
            return
        if self.waiting + len(pairs) > self._most_texts:
            self._tell(serving.shadow, "dropped", len(pairs))
            return
        self.waiting += len(pairs)
        self._line.append(_Copy(serving.shadow, [text for text, _one in pairs], [one for _text, one in pairs]))
        self._more.set()

    async def run(self, workers: Workers) -> None:
        """Ask the shadows, one request after the other, for ever."""
        while True:
            await self._more.wait()
            if not self._line:
                self._more.clear()
                continue
            copy = self._line.popleft()
            try:
                await self._ask(copy, workers)
            finally:
                self.waiting -= len(copy.texts)

    async def _ask(self, copy: _Copy, workers: Workers) -> None:
        try:
            job = workers.submit(copy.shadow, copy.texts, background=True)
            await job.done
        except ApplianceError:  # no room, or the process died of it
            self._tell(copy.shadow, "dropped", len(copy.texts))
            return
        copy.shadow.metrics.mirrored(job.infer_s)
        for expected, answer in zip(copy.expected, job.answers, strict=True):
            same = isinstance(answer, Prediction) and _same(expected, copy.shadow.abstain(answer))
            self._tell(copy.shadow, "yes" if same else "no", 1)

    def _tell(self, shadow: Served, agrees: str, texts: int) -> None:
        self._metrics.shadow.labels(shadow.release.name, shadow.version, agrees).inc(texts)


def _same(one: Prediction, other: Prediction) -> bool:
    marked = [[(span.start, span.end, span.label) for span in answer.spans] for answer in (one, other)]
    return one.label == other.label and marked[0] == marked[1]
