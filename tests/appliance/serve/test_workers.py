"""The lines of waiting texts: bounded, fair, given up when nobody waits any more, and kept when the engine process dies."""

from __future__ import annotations

import asyncio
import errno
import os
import queue
import signal
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance import engine
from appliance.engine import Plan
from appliance.errors import ApplianceError, BusyError, InputError
from appliance.schema import Prediction
from appliance.serve.batcher import Asked
from appliance.serve.engine_child import answer_lane
from appliance.serve.engine_process import EngineProcess, Loaded
from appliance.serve.problems import Problem
from appliance.serve.workers import Job, Workers, cost_of
from appliance.settings import ServeSettings
from tests.servers import home_with_release, running
from tests.tiny_onnx import LABELS, text, write_model, write_tagger

PLAN = Plan("ngrams", "classify", ("a", "b"), 16, "", "tiny", ("en",))


class Model:
    """A model of the test's own in the place of a real one: answers `a`, only when it is let, and remembers the order."""

    plan, labels = PLAN, PLAN.labels

    def __init__(self, opened: bool = True) -> None:
        self.seen: list[str] = []
        self.open, self.entered = threading.Event(), threading.Event()
        if opened:
            self.open.set()

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        self.entered.set()
        assert self.open.wait(20)
        self.seen += texts
        if texts[0] == "poison":
            raise InputError("cannot read it")
        if texts[0] == "fault":
            raise ZeroDivisionError("110101194912310021")
        score = float(texts[0]) if texts[0] == "nan" or texts[0].replace(".", "").isdigit() else 0.75
        return [Prediction("a", score, {"a": score, "b": 1 - score})]


class Lanes:
    """The engine process's own threads, in this process, with the test's model in them."""

    def __init__(self, model: Model, lanes: int) -> None:
        self.lanes, self.restarts, self.told = lanes, 0, queue.SimpleQueue[Any]()
        self.loaded = {1: Asked(model, False, 512, "truncate")}  # type: ignore[arg-type]

    def connect(self, told: Callable[[Any], None]) -> None:
        pairs = [socket.socketpair() for _lane in range(self.lanes)]
        for _own, other in pairs:
            threading.Thread(target=answer_lane, args=(other, self.loaded), daemon=True).start()
        told(SimpleNamespace(lanes=[own for own, _other in pairs], handed_over=False))


SERVED = SimpleNamespace(engine=Loaded(1, PLAN, False, {}, 0))


@asynccontextmanager
async def started(model: Model, threads: int, **settings: Any) -> AsyncIterator[Workers]:
    workers = Workers(Lanes(model, threads), ServeSettings(**settings))  # type: ignore[arg-type]
    yield workers
    workers.stop()
    model.open.set()
    await asyncio.sleep(0.01)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))


async def entered(model: Model) -> None:
    await asyncio.to_thread(model.entered.wait, 20)


def scores(job: Job) -> list[float]:
    return [answer.score for answer in job.answers if isinstance(answer, Prediction)]


def test_answers_stand_in_the_order_of_their_texts() -> None:
    async def test() -> None:
        async with started(Model(), 3) as workers:
            job = workers.submit(SERVED, [str(number / 64) for number in range(32, 64)])
            await job.done
            assert scores(job) == [number / 64 for number in range(32, 64)]
            assert len(job.infer_s) == len(job.batch_texts) == 32
            assert job.arrived <= job.started
            assert workers.waiting == workers.waiting_tokens == 0

    run(test)


def test_many_requests_get_their_own_answers() -> None:
    async def test() -> None:
        async with started(Model(), 4, queue_texts=10_000) as workers:
            wanted = [[(512 + number + part) / 1024 for part in range(3)] for number in range(300)]
            jobs = [workers.submit(SERVED, list(map(str, three))) for three in wanted]
            for three, job in zip(wanted, jobs, strict=True):
                await job.done
                assert scores(job) == three

    run(test)


def test_a_full_line_is_told_with_the_time_to_wait() -> None:
    async def test() -> None:
        model = Model(opened=False)
        async with started(model, 1, queue_texts=4) as workers:
            await asyncio.sleep(0.05)
            jobs = [workers.submit(SERVED, ["being answered"])]
            await entered(model)
            jobs += [workers.submit(SERVED, ["x", "x"]), workers.submit(SERVED, ["x"])]
            assert workers.waiting == 3
            with pytest.raises(Problem) as caught:  # many texts and one text: the same rule
                workers.submit(SERVED, ["x", "x"])
            assert (caught.value.status, caught.value.retry_after_s) == (429, 1)
            jobs.append(workers.submit(SERVED, ["x"]))
            with pytest.raises(Problem):
                workers.submit(SERVED, ["x"])
            model.open.set()
            for job in jobs:
                await job.done
            await workers.submit(SERVED, ["x"] * 4).done

    run(test)


def test_long_texts_fill_the_line_sooner_than_short_ones() -> None:
    """Room is counted in tokens too, alike for one long text, for many short ones, and for many requests."""

    async def test() -> None:
        model, long = Model(opened=False), "w" * 1000
        async with started(model, 1, queue_tokens=64) as workers:
            await asyncio.sleep(0.05)
            workers.submit(SERVED, ["being answered"])
            await entered(model)
            for _request in range(4):
                workers.submit(SERVED, [long])
            assert workers.waiting_tokens == 64
            with pytest.raises(Problem) as caught:
                workers.submit(SERVED, ["x"])
            assert caught.value.status == 429
            with pytest.raises(Problem) as caught:
                workers.submit(SERVED, ["x"] * 33)  # 33 x 2 tokens: never
            assert caught.value.status == 413

    run(test)


@pytest.mark.parametrize(
    ("asked", "tokens"), [("", 2), ("card", 3), ("我的银行卡有问题", 8), ("w" * 10**6, 16), ("\ud800", 2)]
)
def test_tokens_are_estimated_by_bytes_up_to_what_the_model_reads(asked: str, tokens: int) -> None:
    assert cost_of(asked, 16) == tokens


def test_a_short_request_does_not_wait_behind_a_long_one() -> None:
    async def test() -> None:
        model = Model(opened=False)
        async with started(model, 1) as workers:
            long = workers.submit(SERVED, [f"long {number}" for number in range(100)])
            await entered(model)
            short = workers.submit(SERVED, ["short"])
            model.open.set()
            await short.done
            await long.done
            assert model.seen.index("short") <= 2

    run(test)


def test_while_many_requests_wait_a_lane_takes_a_short_text_of_each_of_a_handful() -> None:
    """Never two texts of one request, and no more tokens than one long text may have."""

    async def test() -> None:
        model = Model(opened=False)
        served = SimpleNamespace(engine=Loaded(1, replace(PLAN, max_tokens=256), False, {}, 0))
        async with started(model, 1) as workers:
            first = workers.submit(served, ["first"])
            await entered(model)
            taken: list[list[tuple[Job, int]]] = []
            [lane] = workers._lanes
            send, lane.send = lane.send, lambda batch: (taken.append(batch), send(batch))[1]  # type: ignore[method-assign, func-returns-value]
            few = workers.submit(served, ["few", "few"])
            many = [workers.submit(served, [f"asked {number}"]) for number in range(10)]
            long = [workers.submit(served, ["w" * 500]) for _request in range(3)]
            model.open.set()
            for job in [first, few, *many, *long]:
                await job.done
            assert [len(batch) for batch in taken[:2]] == [4, 4] and max(map(len, taken)) == 4
            assert all(len({job for job, _index in batch}) == len(batch) for batch in taken)
            assert all(len(batch) == 1 for batch in taken if batch[0][0] in long)
            assert sum(batch[0][0] in long for batch in taken) == 3

    run(test)


def test_background_work_runs_only_while_nobody_waits() -> None:
    async def test() -> None:
        model = Model(opened=False)
        async with started(model, 1) as workers:
            behind = workers.submit(SERVED, [f"behind {number}" for number in range(10)], background=True)
            await entered(model)
            asked = [workers.submit(SERVED, [f"asked {number}"]) for number in range(10)]
            model.open.set()
            for job in [*asked, behind]:
                await job.done
            assert model.seen[0] == "behind 0"
            assert model.seen[1:11] == [f"asked {number}" for number in range(10)]

    run(test)


def test_a_dropped_request_frees_its_room_and_is_not_run() -> None:
    async def test() -> None:
        model = Model(opened=False)
        async with started(model, 1, queue_texts=10) as workers:
            first = workers.submit(SERVED, ["first"])
            await entered(model)
            dropped = workers.submit(SERVED, ["dropped"] * 10)
            workers.drop(dropped, Problem("client-gone", ""))
            assert workers.waiting == workers.waiting_tokens == 0
            after = workers.submit(SERVED, ["after"] * 10)
            model.open.set()
            with pytest.raises(Problem):
                await dropped.done
            await first.done
            await after.done
            assert "dropped" not in model.seen

    run(test)


def test_dropping_twice_or_late_changes_nothing() -> None:
    async def test() -> None:
        async with started(Model(), 1) as workers:
            job = workers.submit(SERVED, ["x"])
            await job.done
            for _ in range(2):
                workers.drop(job, Problem("client-gone", ""))
            assert workers.waiting == 0
            assert job.done.exception() is None

    run(test)


def test_expired_texts_are_not_run() -> None:
    async def test() -> None:
        model = Model(opened=False)
        async with started(model, 1) as workers:
            first = workers.submit(SERVED, ["first"])
            await entered(model)
            late = workers.submit(SERVED, ["late"] * 3, deadline=time.perf_counter() + 0.01)
            after = workers.submit(SERVED, ["after"])
            await asyncio.sleep(0.02)
            model.open.set()
            with pytest.raises(Problem) as caught:
                await late.done
            assert caught.value.status == 408
            await first.done
            await after.done
            assert model.seen == ["first", "after"]

    run(test)


def test_background_work_goes_on_behind_an_expired_request() -> None:
    """Though no event follows that would look at the lines again."""

    async def test() -> None:
        model = Model(opened=False)
        async with started(model, 1) as workers:
            first = workers.submit(SERVED, ["first"])
            await entered(model)
            late = workers.submit(SERVED, ["late"], deadline=time.perf_counter() + 0.01)
            behind = workers.submit(SERVED, ["behind"], background=True)
            await asyncio.sleep(0.02)
            model.open.set()
            with pytest.raises(Problem):
                await late.done
            await first.done
            await asyncio.wait_for(behind.done, 5)

    run(test)


def test_a_poisoned_text_fails_alone(capsys: pytest.CaptureFixture[str]) -> None:
    async def test() -> None:
        async with started(Model(), 2) as workers:
            job = workers.submit(SERVED, ["x", "poison", "fault", "nan", "y"])
            await job.done
            kinds = [type(answer) for answer in job.answers]
            assert kinds == [Prediction, InputError, ApplianceError, ApplianceError, Prediction]
            assert "110101194912310021" not in str(job.answers[2])
            await workers.submit(SERVED, ["the threads live on"]).done

    run(test)
    assert "ZeroDivisionError" in (told := capsys.readouterr().err)
    assert "110101194912310021" not in told


def test_a_model_that_is_not_loaded_answers_no_text() -> None:
    async def test() -> None:
        async with started(Model(), 1) as workers:
            job = workers.submit(SimpleNamespace(engine=Loaded(2, PLAN, False, {}, 0)), ["x"])
            await job.done
            assert "not loaded" in str(job.answers[0])

    run(test)


# -- with a process of its own -------------------------------------------------------------------------------------------


@contextmanager
def process(lanes: int = 2, **settings: Any) -> Iterator[EngineProcess]:
    made = EngineProcess(ServeSettings(**settings), lanes)
    try:
        yield made
    finally:
        made.stop()


def test_the_process_answers_as_the_model_does_and_tells_what_it_has_loaded(tmp_path: Path) -> None:
    """Bit for bit, for many texts at once: through the frames nothing is rounded."""
    import hashlib

    folder = write_model(tmp_path)
    texts = [text(1 + number * 7 % 60, number) for number in range(40)]

    async def test(made: EngineProcess) -> None:
        loaded = await asyncio.to_thread(made.load, folder)
        assert (loaded.labels, loaded.together, loaded.embedding_width) == (LABELS, False, 32)
        names = ("model.json", "tokenizer.json", "model.onnx")
        assert loaded.files == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
        workers, served = Workers(made, ServeSettings()), SimpleNamespace(engine=loaded)
        job, embedded = workers.submit(served, texts), workers.submit(served, texts, kind="embed")
        await job.done
        await embedded.done
        model: Any = engine.load(folder)
        assert job.answers == model.predict(texts)
        assert b"".join(embedded.answers) == model.embed(texts).tobytes()  # type: ignore[arg-type]
        assert job.tokens == sum(len(model.read(one).windows[0]) for one in texts)
        workers.stop()

    with process() as made:
        asyncio.run(asyncio.wait_for(test(made), 30))


def test_a_killed_process_costs_the_texts_under_way_alone(tmp_path: Path) -> None:
    """Those are answered at once with the time to come back; what waits is answered by the process that takes its place."""

    async def test(made: EngineProcess) -> None:
        served = SimpleNamespace(engine=await asyncio.to_thread(made.load, write_model(tmp_path)))
        workers = Workers(made, ServeSettings())
        await workers.submit(served, ["w1"]).done
        os.kill(made.pid, signal.SIGSTOP)  # so that what it is at does not end before it is killed
        jobs = [workers.submit(served, [text(40, number)]) for number in range(50)]
        await asyncio.sleep(0.05)
        os.kill(made.pid, signal.SIGKILL)
        ends = await asyncio.gather(*(job.done for job in jobs), return_exceptions=True)
        lost = [(end.status, end.retry_after_s) for end in ends if isinstance(end, Problem)]
        assert set(lost) == {(503, 1)}
        assert 2 <= len(lost) <= 2 * 4  # a handful a lane at most
        assert workers.restarts == 1
        assert workers._patience and workers._patience.cancelled()  # the next death is waited for anew
        workers.stop()

    with process() as made:
        asyncio.run(asyncio.wait_for(test(made), 30))


def test_a_server_stops_while_the_process_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = EngineProcess(ServeSettings(), 1)
    loaded = made.load(write_model(tmp_path))

    def dies() -> None:
        os.kill(made.pid, signal.SIGKILL)
        raise BusyError("it died of what it loads again")

    monkeypatch.setattr(made, "_load_again", dies)
    os.kill(made.pid, signal.SIGKILL)
    made.lost(made._run)
    while made.restarts < 2:
        time.sleep(0.01)
    stopping = threading.Thread(target=made.stop, daemon=True)
    stopping.start()
    stopping.join(10)
    assert not stopping.is_alive()
    del loaded


def test_a_process_that_cannot_be_started_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    popen, refusals = subprocess.Popen, [OSError(errno.ENOMEM, "no memory"), OSError(errno.EAGAIN, "no process")]

    def start(*arguments: Any, **options: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return popen(*arguments, **options)

    with process(1) as made:
        monkeypatch.setattr(subprocess, "Popen", start)
        os.kill(made.pid, signal.SIGKILL)
        made.lost(made._run)
        loading = threading.Thread(target=made.load, args=(write_model(tmp_path),), daemon=True)
        loading.start()
        loading.join(20)
        assert not loading.is_alive() and not refusals


def test_a_model_that_has_changed_on_disk_is_not_loaded_into_the_next_process(tmp_path: Path) -> None:
    async def test(made: EngineProcess) -> None:
        served = SimpleNamespace(engine=await asyncio.to_thread(made.load, write_model(tmp_path)))
        workers = Workers(made, ServeSettings())
        await workers.submit(served, ["w1"]).done
        write_model(tmp_path, seed=1)
        os.kill(made.pid, signal.SIGKILL)
        job = workers.submit(served, ["w1"])
        while not (workers.restarts and workers.ready):
            await asyncio.sleep(0.01)
        job = workers.submit(served, ["w1"])
        await job.done
        assert "not loaded" in str(job.answers[0])
        workers.stop()

    with process(1) as made:
        asyncio.run(asyncio.wait_for(test(made), 30))


def test_what_nobody_holds_any_more_is_unloaded(tmp_path: Path) -> None:
    with process(1) as made:
        first, second = (made.load(write_model(tmp_path / str(seed), seed=seed)) for seed in range(2))
        assert set(made._held) == {first.number, second.number}
        number = second.number
        del first
        made.load(write_model(tmp_path / "third", seed=3))
        assert number in made._held
        assert 1 not in made._held


def test_a_folder_that_holds_no_model_is_refused_and_the_process_goes_on(tmp_path: Path) -> None:
    with process(1) as made:
        with pytest.raises(InputError, match=r"model\.json"):
            made.load(tmp_path)
        assert made.load(write_model(tmp_path / "good")).labels == LABELS
        assert made.restarts == 0


def test_a_server_whose_engine_is_killed_answers_again(tmp_path: Path) -> None:
    """`kill -9` of the process that holds the models: the server itself lives on, and no request hangs."""
    store, key = home_with_release(tmp_path)
    with running(store.home, key) as server:
        before = server.client.post("/v1/predict", json={"inputs": [text(5)]}).json()
        [child] = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)
        server.wait_for("engine replaced")
        assert server.client.post("/v1/predict", json={"inputs": [text(5)]}).json() == before
        assert server.stop() == 0


def test_what_marks_stretches_answers_with_spans(tmp_path: Path) -> None:
    loaded = engine.load(write_tagger(tmp_path))

    async def test() -> None:
        model: Any = Model()
        async with started(model, 1) as workers:
            workers._process.loaded[1] = Asked(loaded, False, 512, "chunk")  # type: ignore[attr-defined]
            served = SimpleNamespace(engine=Loaded(1, loaded.plan, False, {}, 0))
            job = workers.submit(served, ["我 w1 w2", "w9"])
            await job.done
            assert job.answers == loaded.predict(["我 w1 w2", "w9"])
            assert job.answers[0].spans[0].start == 2  # type: ignore[union-attr]

    run(test)
