"""The work on batches: a server that stops leaves them open, and a text that kills the engine process fails alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.keys import open_keys
from appliance.schema import Prediction
from appliance.serve import batch_work
from appliance.serve.batch_work import BatchWork
from appliance.serve.batches import Batch, Batches, Row
from appliance.serve.problems import Problem
from appliance.store import Store


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    store = Store.open(tmp_path / "home")
    return Batches(store.home, "main", open_keys(store.home, store.settings.store.key_folder))


def upload(batches: Batches, texts: list[str]) -> Batch:
    draft = batches.begin("ward-3", "triage", False, None)
    for text in texts:
        draft.add(Row(text))
    return draft.finish()


class Workers:
    """Workers whose engine process dies of the text `killer`, and has to come up again after that."""

    def __init__(self, down: int = 0) -> None:
        self.down, self.deaths = down, 0

    def submit(self, _served: Any, texts: list[str], background: bool) -> Any:
        assert background
        done = asyncio.get_running_loop().create_future()
        lost = Problem("engine-lost", "it ended")
        self.down -= 1
        if self.down >= 0:
            raise lost
        if "killer" in texts:
            self.deaths, self.down = self.deaths + 1, 2
            done.set_exception(lost)
        else:
            done.set_result(None)
        return SimpleNamespace(done=done, started=1.0, answers=[Prediction("card", 0.5, {}) for _text in texts])


def work_with(batches: Batches, workers: Any) -> BatchWork:
    plan = SimpleNamespace(task="classify")
    served = SimpleNamespace(engine=SimpleNamespace(plan=plan), version="0123456789ab", abstain=lambda answer: answer)
    router = SimpleNamespace(ready=True, pick=lambda _name: served)
    settings = SimpleNamespace(batch_days=7)
    return BatchWork(batches, SimpleNamespace(router=router, settings=settings), workers)  # type: ignore[arg-type]


async def ended(batches: Batches, work: BatchWork, batch: Batch) -> Batch:
    task = asyncio.create_task(work.run())
    while batches.find(batch.id, None).state in ("queued", "running"):
        await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return batches.find(batch.id, None)


def test_a_text_that_kills_the_engine_fails_alone(batches: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_work, "_AGAIN_S", 0.0)
    workers = Workers(down=5)
    batch = upload(batches, ["a", "b", "killer", *"cdefghijklmnopqrst"])
    found = asyncio.run(asyncio.wait_for(ended(batches, work_with(batches, workers), batch), 20))
    assert (found.state, found.done, found.failed) == ("done", 21, 1)
    rows = [json.loads(line) for part in batches.answers(found) for line in part.splitlines()]
    assert [row["index"] for row in rows if "error" in row] == [2]
    assert workers.deaths < 10


@pytest.mark.parametrize("deleted", [False, True])
def test_a_batch_that_another_server_has_cancelled_stays_so(batches: Batches, deleted: bool) -> None:
    other = Batches(batches.folder.parents[2], "main", batches._keys)
    first, second = upload(batches, ["a", "b"]), upload(batches, ["c"])

    class Meanwhile(Workers):
        def submit(self, served: Any, texts: list[str], background: bool) -> Any:
            there = [batch for batch in other.all() if batch.id == first.id and batch.state == "running"]
            for batch in there if deleted else ():
                other.delete(batch)
            for batch in () if deleted else there:
                other.update(batch, state="cancelled")
            return super().submit(served, texts, background)

    found = asyncio.run(asyncio.wait_for(ended(batches, work_with(batches, Meanwhile()), second), 20))
    assert found.state == "done"
    assert [batch.state for batch in batches.all()] == (["done"] if deleted else ["cancelled", "done"])


def test_a_server_that_stops_while_it_reads_leaves_the_batch_open(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go_on, rest = threading.Event(), threading.Event(), batches.rest

    def slow(batch: Batch) -> Generator[tuple[int, list[Row]]]:
        reading.set()
        go_on.wait(10)
        yield from rest(batch)

    monkeypatch.setattr(batches, "rest", slow)
    batch = upload(batches, ["a", "b"])

    async def stopped() -> None:
        task = asyncio.create_task(work_with(batches, Workers()).run())
        await asyncio.to_thread(reading.wait, 10)
        task.cancel()
        done, _waiting = await asyncio.wait([task], timeout=5)
        go_on.set()
        assert done and task.cancelled()

    asyncio.run(stopped())
    assert batches.find(batch.id, None).state == "running"
