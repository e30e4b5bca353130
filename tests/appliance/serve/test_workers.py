"""The line of waiting texts: bounded, fair, and given up when nobody waits any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from appliance.errors import ApplianceError, InputError
from appliance.schema import Prediction
from appliance.serve.problems import Problem
from appliance.serve.workers import Workers


@asynccontextmanager
async def started(threads: int, capacity: int) -> AsyncIterator[Workers]:
    workers = Workers(threads, capacity)
    yield workers
    workers.stop()


class Gate:
    """A model that answers a text with itself, only when it is let, and remembers the order."""

    def __init__(self, opened: bool = True) -> None:
        self.seen: list[str] = []
        self.open = threading.Event()
        self.entered = threading.Event()
        if opened:
            self.open.set()

    def __call__(self, text: str) -> Prediction:
        self.entered.set()
        assert self.open.wait(20)
        self.seen.append(text)
        return Prediction(text, 1.0)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))


async def entered(gate: Gate) -> None:
    await asyncio.to_thread(gate.entered.wait, 20)


def test_answers_stand_in_the_order_of_their_texts() -> None:
    async def test() -> None:
        async with started(3, 100) as workers:
            job = workers.submit(Gate(), [str(number) for number in range(50)])
            await job.done
            assert [answer.label for answer in job.answers] == [str(number) for number in range(50)]  # type: ignore[union-attr]
            assert len(job.infer_s) == 50
            assert job.arrived <= job.started
            assert workers.waiting == 0

    run(test)


def test_many_requests_get_their_own_answers() -> None:
    async def test() -> None:
        async with started(4, 10_000) as workers:
            jobs = [workers.submit(Gate(), [f"{number}-{part}" for part in range(3)]) for number in range(300)]
            for number, job in enumerate(jobs):
                await job.done
                assert [answer.label for answer in job.answers] == [f"{number}-{part}" for part in range(3)]  # type: ignore[union-attr]

    run(test)


def test_a_full_line_is_told_with_the_time_to_wait() -> None:
    async def test() -> None:
        gate = Gate(opened=False)
        async with started(1, 4) as workers:
            jobs = [workers.submit(gate, ["being answered"])]
            await entered(gate)
            jobs += [workers.submit(gate, ["x", "x"]), workers.submit(gate, ["x"])]
            assert workers.waiting == 3
            with pytest.raises(Problem) as caught:  # many texts and one text: the same rule
                workers.submit(gate, ["x", "x"])
            assert (caught.value.status, caught.value.retry_after_s) == (429, 1)
            jobs.append(workers.submit(gate, ["x"]))
            with pytest.raises(Problem):
                workers.submit(gate, ["x"])
            gate.open.set()
            for job in jobs:
                await job.done
            await workers.submit(gate, ["x"] * 4).done

    run(test)


def test_what_can_never_fit_is_not_told_to_come_back() -> None:
    async def test() -> None:
        async with started(1, 4) as workers:
            with pytest.raises(Problem) as caught:
                workers.submit(Gate(), ["x"] * 5)
            assert (caught.value.status, caught.value.retry_after_s) == (413, None)

    run(test)


def test_a_short_request_does_not_wait_behind_a_long_one() -> None:
    async def test() -> None:
        gate = Gate(opened=False)
        async with started(1, 1000) as workers:
            long = workers.submit(gate, [f"long {number}" for number in range(100)])
            await entered(gate)
            short = workers.submit(gate, ["short"])
            gate.open.set()
            await short.done
            await long.done
            assert gate.seen.index("short") <= 2

    run(test)


def test_a_dropped_request_frees_its_room_and_is_not_run() -> None:
    async def test() -> None:
        gate = Gate(opened=False)
        async with started(1, 10) as workers:
            first = workers.submit(gate, ["first"])
            await entered(gate)
            dropped = workers.submit(gate, ["dropped"] * 10)
            workers.drop(dropped, Problem("client-gone", ""))
            assert workers.waiting == 0
            after = workers.submit(gate, ["after"] * 10)
            gate.open.set()
            with pytest.raises(Problem):
                await dropped.done
            await first.done
            await after.done
            assert "dropped" not in gate.seen

    run(test)


def test_dropping_twice_or_late_changes_nothing() -> None:
    async def test() -> None:
        async with started(1, 10) as workers:
            job = workers.submit(Gate(), ["x"])
            await job.done
            for _ in range(2):
                workers.drop(job, Problem("client-gone", ""))
            assert workers.waiting == 0
            assert job.done.exception() is None

    run(test)


def test_a_poisoned_text_fails_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def predict(text: str) -> Prediction:
        if text == "poison":
            raise InputError("cannot read it")
        if text == "fault":
            raise ZeroDivisionError("110101194912310021")
        return Prediction(text, 1.0)

    async def test() -> None:
        async with started(2, 10) as workers:
            job = workers.submit(predict, ["a", "poison", "fault", "b"])
            await job.done
            kinds = [type(answer) for answer in job.answers]
            assert kinds == [Prediction, InputError, ApplianceError, Prediction]
            assert "110101194912310021" not in str(job.answers[2])
            await workers.submit(predict, ["the threads live on"]).done

    run(test)
    assert "ZeroDivisionError" in (told := capsys.readouterr().err)
    assert "110101194912310021" not in told


def test_stopping_ends_the_threads() -> None:
    async def test() -> None:
        before = threading.active_count()
        workers = Workers(3, 10)
        assert threading.active_count() == before + 3
        workers.stop()
        assert threading.active_count() == before

    run(test)
