"""The work on batches: one after the other, in the background of the workers, which take it only while no request waits.

One server of a home works at a time (a lock on the
folder); what it has answered is on the disk, and another goes on behind it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from time import monotonic
from typing import Any

from appliance.errors import ApplianceError, NotFoundError
from appliance.log import log, now
from appliance.schema import Prediction
from appliance.serve.batches import FRAME_ROWS, OPEN, Batch, Batches, Row
from appliance.serve.inference import row_of
from appliance.serve.problems import Problem
from appliance.serve.router import Served
from appliance.serve.service import Service
from appliance.serve.workers import Answer, Workers

_TEXTS = 16  # at once
_PASSING = ("queue-full", "not-ready", "engine-lost")
_DEATHS = 3  # of the engine process, after which a text that it ran alone is given up
_AGAIN_S = 1.0  # after a refusal that passes
_LOCK_S = 5.0
_SWEEP_S = 3600.0
_NOTE_S = 1.0  # between two notes of how far it is


class BatchWork:
    """The one who works on the batches of a server."""

    def __init__(self, batches: Batches, service: Service, workers: Workers) -> None:
        self._batches, self._service, self._workers = batches, service, workers
        self._wake, self._changing = asyncio.Event(), asyncio.Lock()
        self._stopped: set[str] = set()

    def wake(self) -> None:
        """Tell that there is a new batch."""
        self._wake.set()

    async def stop(self, batch: Batch, **changes: Any) -> Batch:
        """Leave a batch at the frame that it is at, and write down what has changed."""
        async with self._changing:
            self._stopped.add(batch.id)
            return await asyncio.to_thread(self._batches.update, batch, **changes)

    async def delete(self, batch: Batch) -> None:
        """Leave a batch and destroy it."""
        async with self._changing:
            self._stopped.add(batch.id)
            await asyncio.to_thread(self._batches.delete, batch)

    async def run(self) -> None:
        """Work until cancelled. Raises nothing else: a batch that cannot be worked on fails alone, a disk that cannot be written is tried again."""
        while True:
            try:
                await self._take_turns()
            except (OSError, ApplianceError) as error:
                log("batches stopped", error=type(error).__name__)
                await asyncio.sleep(_LOCK_S)

    async def _take_turns(self) -> None:
        self._batches.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self._batches.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            await _locked(handle)
            swept = -_SWEEP_S
            while True:
                if monotonic() - swept > _SWEEP_S:
                    swept = monotonic()
                    await asyncio.to_thread(self._batches.sweep, self._service.settings.batch_days)
                self._wake.clear()
                waiting = [batch for batch in await asyncio.to_thread(self._batches.all) if batch.state in OPEN]
                if waiting and self._service.router.ready:
                    await self._try(waiting[0])
                else:
                    await _either(self._wake, _AGAIN_S if waiting else _SWEEP_S)
        finally:
            os.close(handle)

    async def _try(self, batch: Batch) -> None:
        try:
            async with self._changing:
                batch = await asyncio.to_thread(self._batches.find, batch.id, None)
                if batch.state not in OPEN:
                    return  # stopped before it began
                self._stopped.discard(batch.id)
            await self._work(await asyncio.to_thread(self._batches.counted, batch))
        except Exception as error:  # the others are worked on nevertheless
            log("batch failed", batch=batch.id, error=type(error).__name__)
            reason = (
                error.detail if isinstance(error, Problem) else type(error).__name__
            )  # others may name paths of ours
            try:
                await self._note(batch, state="failed", ended=now(), reason=reason)
            except OSError:  # no room: the same again, later
                await asyncio.sleep(_LOCK_S)

    async def _note(self, batch: Batch, **changes: Any) -> Batch:
        """Write down what has changed, unless somebody has stopped the batch and written why."""
        async with self._changing:
            if batch.id not in self._stopped and await asyncio.to_thread(self._open, batch):
                return await asyncio.to_thread(self._batches.update, batch, **changes)
            self._stopped.add(batch.id)
            return batch

    def _open(self, batch: Batch) -> bool:
        # Another server of this home may have been asked to cancel or delete it.
        try:
            return self._batches.find(batch.id, None).state in OPEN
        except NotFoundError:
            return False

    async def _work(self, batch: Batch) -> None:
        log("batch started", batch=batch.id, done=batch.done, total=batch.total)
        began, before_s = monotonic(), batch.used_s
        batch = await self._note(batch, state="running")
        state, noted = "done", began
        frames = self._batches.rest(batch)  # not closed here: a server that stops may leave it running in its thread
        while batch.id not in self._stopped and (frame := await asyncio.to_thread(next, frames, None)) is not None:
            used_s = before_s + monotonic() - began
            if batch.time_limit_s is not None and used_s > batch.time_limit_s:
                state = "expired"
                break
            lines = await self._lines(batch, *frame)
            if batch.id not in self._stopped:
                batch = await asyncio.to_thread(self._batches.answer, batch, frame[0], lines)
            if monotonic() - noted > _NOTE_S:
                noted = monotonic()
                batch = await self._note(batch, used_s=used_s)
        used_s = round(before_s + monotonic() - began, 3)
        await self._note(batch, state=state, used_s=used_s, ended=now())
        log("batch ended", batch=batch.id, state=state, done=batch.done, failed=batch.failed)

    async def _lines(self, batch: Batch, number: int, rows: list[Row]) -> list[dict[str, Any]]:
        """Answer one frame: a line for each of its rows."""
        asked = [row.text for row in rows if row.error is None]
        answers = iter(await self._answers(batch, asked))
        lines = []
        for place, row in enumerate(rows):
            line: dict[str, Any] = {"index": number * FRAME_ROWS + place} | ({"id": row.id} if row.id else {})
            if row.error is not None:
                lines.append(line | {"error": {"type": "urn:skerry:problem:row", "detail": row.error}})
            else:
                served, answer = next(answers)
                found = row_of(answer, served.engine.plan.task, batch.probabilities)
                lines.append(line | found | ({} if "error" in found else {"version": served.version}))
        return lines

    async def _answers(self, batch: Batch, texts: list[str]) -> list[tuple[Served, Answer | None]]:
        found: list[tuple[Served, Answer | None]] = []
        size, deaths = _TEXTS, 0
        while len(found) < len(texts):
            part = texts[len(found) : len(found) + size]
            job = None
            try:
                served = self._service.router.pick(batch.model)
                job = self._workers.submit(served, part, background=True)
                await job.done
            except Problem as problem:
                died = problem.kind == "engine-lost" and job is not None and job.started > 0
                if died or problem.kind == "content-too-large":  # of one of these texts; for the queue as it is set
                    size, alone = max(1, len(part) // 2), len(part) == 1
                    deaths += alone and died
                    if alone and (not died or deaths == _DEATHS):
                        found, deaths = [*found, (served, problem)], 0
                elif problem.kind not in _PASSING:
                    raise
                if problem.kind in _PASSING:
                    await asyncio.sleep(_AGAIN_S)
            else:
                found += [(served, served.abstain(one) if isinstance(one, Prediction) else one) for one in job.answers]
        return found


async def _locked(handle: int) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:  # another server of this home works on them
            await asyncio.sleep(_LOCK_S)


async def _either(event: asyncio.Event, timeout_s: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return
