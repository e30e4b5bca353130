"""The threads that run models, and the bounded line of requests before them.

The line is counted in texts, by the same rule for one text and for many. Requests take turns text by text, so a short
one does not wait behind a long one. Each text runs alone: its answer does not depend on its company.
"""

from __future__ import annotations

import asyncio
import math
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from appliance.errors import ApplianceError
from appliance.log import log
from appliance.schema import Prediction
from appliance.serve.problems import Problem
from appliance.words import _

Answer = Prediction | ApplianceError
_SMOOTHING = 0.05  # weight of the newest text in the mean time of a text


@dataclass(eq=False, slots=True)
class Job:
    """One request's texts on their way through the threads, and what came back. Times are seconds of `perf_counter`."""

    predict: Callable[[str], Prediction]
    texts: list[str] = field(repr=False)
    done: asyncio.Future[None]
    arrived: float
    answers: list[Answer | None] = field(repr=False)
    started: float = 0.0  # when the first text was taken
    infer_s: list[float] = field(default_factory=list)  # of each text answered
    taken: int = 0
    stopped: bool = False


class Workers:
    """`threads` threads that answer texts, and room for `capacity_texts` that wait. Made and used in the event loop's thread."""

    def __init__(self, threads: int, capacity_texts: int) -> None:
        self.threads, self.capacity_texts = threads, capacity_texts
        self._loop = asyncio.get_running_loop()
        self._line: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._text_s = 0.0
        self._running = [threading.Thread(target=self._work, name=f"engine-{n}", daemon=True) for n in range(threads)]
        for thread in self._running:
            thread.start()

    @property
    def waiting(self) -> int:
        """How many texts wait for a thread."""
        return self._waiting

    def submit(self, predict: Callable[[str], Prediction], texts: list[str]) -> Job:
        """Let a request in; its `done` is set when every text has its answer.

        Raises `Problem`: 429 with the seconds after which to try again when its texts find no room, 413 when they
        never could.
        """
        if len(texts) > self.capacity_texts:
            raise Problem(
                "content-too-large",
                _(
                    "the request holds {count} texts, the queue {most}; send several requests",
                    count=len(texts),
                    most=self.capacity_texts,
                ),
            )
        with self._lock:
            free = self.capacity_texts - self._waiting
            if len(texts) <= free:
                self._waiting += len(texts)
        if len(texts) > free:
            wait_s = max(1, math.ceil(self._waiting * self._text_s / self.threads))
            raise Problem(
                "queue-full", _("the queue has no room for {count} more texts", count=len(texts)), retry_after_s=wait_s
            )
        job = Job(predict, texts, self._loop.create_future(), perf_counter(), [None] * len(texts))
        self._line.put(job)
        return job

    def drop(self, job: Job, reason: Problem) -> None:
        """Give up a request: what waits of it is not run, and `reason` is raised where its answer is awaited."""
        with self._lock:
            if not job.stopped:
                job.stopped = True
                self._waiting -= len(job.texts) - job.taken
        if not job.done.done():
            job.done.set_exception(reason)

    def stop(self, patience_s: float = 5.0) -> None:
        """End the threads after the text that each is at."""
        for _thread in self._running:
            self._line.put(None)
        for thread in self._running:
            thread.join(patience_s)

    def _work(self) -> None:
        while (job := self._line.get()) is not None:
            index = self._take(job)
            if index is not None:
                began = perf_counter()
                answer = _answer(job, index)
                self._finish(job, index, answer, perf_counter() - began)

    def _take(self, job: Job) -> int | None:
        with self._lock:
            if job.stopped:
                return None
            index = job.taken
            job.taken += 1
            self._waiting -= 1
            if index == 0:
                job.started = perf_counter()
        if index + 1 < len(job.texts):
            self._line.put(job)  # its next text waits behind everybody else's
        return index

    def _finish(self, job: Job, index: int, answer: Answer, took_s: float) -> None:
        with self._lock:
            job.answers[index] = answer
            job.infer_s.append(took_s)
            self._text_s += _SMOOTHING * (took_s - self._text_s)
            whole = len(job.infer_s) == len(job.texts)
        if whole and not job.stopped:
            self._loop.call_soon_threadsafe(_deliver, job)


def _answer(job: Job, index: int) -> Answer:
    try:
        return job.predict(job.texts[index])
    except ApplianceError as error:
        return error
    except Exception as error:  # a thread must outlive whatever a model does
        log("text failed", error=type(error).__name__)
        return ApplianceError(_("the model failed on this text"))


def _deliver(job: Job) -> None:
    if not job.done.done():
        job.done.set_result(None)
