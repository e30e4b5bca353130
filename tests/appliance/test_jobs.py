"""Jobs: once a step, on after a kill, on after a failure, cancelled, in the background."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appliance import jobs
from appliance.errors import ApplianceError, BusyError, HardwareError, InputError, Interrupted, PolicyError
from appliance.settings import load
from appliance.store import Store

ENTRY = "tests.appliance.test_jobs:story"


def story(store: Store, marks: str, steps: int = 3, fail_at: int = -1, seconds: float = 0.0) -> dict[str, object]:
    """The entry point under test: each step leaves a mark in a file; step `fail_at` fails while the file `ok` is missing."""

    def work(number: int) -> dict[str, int]:
        with Path(marks).open("a") as file:
            file.write(f"{number}\n")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            jobs.progress("story", number, steps, loss=0.5)
            time.sleep(0.02)
        if number == fail_at and not Path(marks).with_name("ok").exists():
            raise InputError("the file is bad")
        return {"number": number}

    return {"steps": [jobs.step(f"step {number}", lambda number=number: work(number)) for number in range(steps)]}


def done(marks: Path) -> list[int]:
    return [int(line) for line in marks.read_text().split()]


def start(store: Store, marks: Path, **arguments: object) -> dict[str, object]:
    return jobs.run(store, "story", ENTRY, {"marks": str(marks), **arguments})


def test_a_job_returns_its_result_and_leaves_a_row(tmp_path: Path) -> None:
    store = Store.open()
    assert start(store, tmp_path / "m", steps=2) == {"steps": [{"number": 0}, {"number": 1}]}
    row = store.jobs()[0]
    assert (row["state"], row["verb"], row["error"]) == ("done", "story", None)


def test_the_same_command_after_the_end_is_a_new_job(tmp_path: Path) -> None:
    store = Store.open()
    start(store, tmp_path / "m", steps=1)
    start(store, tmp_path / "m", steps=1)
    assert done(tmp_path / "m") == [0, 0] and len(store.jobs()) == 2


def test_a_killed_job_goes_on_behind_its_last_finished_step(tmp_path: Path) -> None:
    """`kill -9` in the second of three steps; the same command does not do the first again."""
    store, marks = Store.open(), tmp_path / "m"
    code = f"from tests.appliance.test_jobs import *; start(Store.open(), Path({str(marks)!r}), steps=3, seconds=0.4)"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 60
    while not (marks.exists() and done(marks) == [0, 1]):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    result = start(store, marks, steps=3, seconds=0.4)
    assert result == {"steps": [{"number": number} for number in range(3)]}
    assert done(marks) == [0, 1, 1, 2]
    assert [row["state"] for row in store.jobs()] == ["done"]


def test_a_failed_job_keeps_its_finished_steps(tmp_path: Path) -> None:
    store, marks = Store.open(), tmp_path / "m"
    with pytest.raises(InputError, match="the file is bad"):
        start(store, marks, fail_at=1)
    assert jobs.error_of(store, store.jobs()[0]) == "the file is bad"
    (tmp_path / "ok").touch()
    start(store, marks, fail_at=1)
    assert done(marks) == [0, 1, 1, 2]


def test_a_bug_is_recorded_by_its_class_only(tmp_path: Path) -> None:
    store = Store.open()
    with pytest.raises(TypeError):
        start(store, tmp_path / "m", steps="not a number")
    assert jobs.error_of(store, store.jobs()[0]) == "TypeError"


def test_jobs_are_listed_without_the_key_file(tmp_path: Path) -> None:
    store = Store.open()
    with pytest.raises(InputError):
        start(store, tmp_path / "m", fail_at=0)
    store.keys.path.unlink()
    locked = Store.open()
    assert "no key file" in str(jobs.error_of(locked, locked.jobs()[0]))


def test_another_stamp_is_another_job(tmp_path: Path) -> None:
    """A changed input file must not be answered from an earlier, unfinished job."""
    store, arguments = Store.open(), {"marks": str(tmp_path / "m"), "fail_at": 1}
    for stamp in (1, 2):
        with pytest.raises(InputError):
            jobs.run(store, "story", ENTRY, arguments, stamp=stamp)
    assert done(tmp_path / "m") == [0, 1, 0, 1]


def test_a_running_job_is_busy_and_can_be_cancelled(tmp_path: Path) -> None:
    store, marks = Store.open(), tmp_path / "m"
    code = f"from tests.appliance.test_jobs import *; start(Store.open(), Path({str(marks)!r}), seconds=30)"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2], stderr=subprocess.PIPE)
    while not marks.exists():
        assert process.poll() is None
        time.sleep(0.02)
    identity = store.jobs()[0]["id"]
    with pytest.raises(BusyError, match=identity):
        start(store, marks, seconds=30)
    assert jobs.cancel(store, identity)["state"] == "cancelling"
    _out, error = process.communicate(timeout=30)
    assert process.returncode != 0 and b"cancelled" in error
    assert store.job(identity)["state"] == "cancelled"
    with pytest.raises(PolicyError):
        jobs.cancel(store, identity)


def test_a_background_job_waits_for_a_worker(tmp_path: Path) -> None:
    store, marks = Store.open(), tmp_path / "m"
    queued = jobs.run(store, "story", ENTRY, {"marks": str(marks)}, background=True)
    assert queued["state"] == "queued" and not marks.exists()
    assert jobs.work(Store.open(project="other"), once=True) == {"ran": 1, "failed": 0}
    assert store.job(queued["job"])["state"] == "done"


def test_a_failed_job_given_again_in_the_background_waits_for_a_worker(tmp_path: Path) -> None:
    """Also after it was cancelled in the queue, before any attempt went on: no finished step is done again."""
    store, marks = Store.open(), tmp_path / "m"
    arguments = {"marks": str(marks), "fail_at": 1}
    with pytest.raises(InputError):
        jobs.run(store, "story", ENTRY, arguments)
    queued = jobs.run(store, "story", ENTRY, arguments, background=True)
    jobs.cancel(store, queued["job"])
    assert jobs.run(store, "story", ENTRY, arguments, background=True) == queued
    assert [(row["state"], row["error"]) for row in store.jobs()] == [("queued", None)]
    (tmp_path / "ok").touch()
    assert jobs.work(store, once=True) == {"ran": 1, "failed": 0}
    assert done(marks) == [0, 1, 1, 2] and store.job(queued["job"])["state"] == "done"


def test_a_worker_outlives_a_bug(tmp_path: Path) -> None:
    store = Store.open()
    for steps in ("no number", 1):
        jobs.run(store, "story", ENTRY, {"marks": str(tmp_path / "m"), "steps": steps}, background=True)
    assert jobs.work(store, once=True) == {"ran": 2, "failed": 1}
    assert [row["state"] for row in store.jobs()] == ["failed", "done"]


def test_two_workers_share_the_queue(tmp_path: Path) -> None:
    store = Store.open()
    for number in range(6):
        jobs.run(store, "story", ENTRY, {"marks": str(tmp_path / str(number)), "steps": 1}, background=True)
    code = "from appliance import jobs\nfrom appliance.store import Store\nprint(jobs.work(Store.open(), once=True)['ran'])"
    workers = [
        subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for worker in workers:
        worker.communicate(timeout=60)
    assert [row["state"] for row in store.jobs()] == ["done"] * 6
    assert [done(tmp_path / str(number)) for number in range(6)] == [[0]] * 6


def test_resume_by_id(tmp_path: Path) -> None:
    store = Store.open()
    with pytest.raises(InputError):
        start(store, tmp_path / "m", fail_at=0)
    (tmp_path / "ok").touch()
    identity = store.jobs()[0]["id"]
    assert len(jobs.resume(store, identity)["steps"]) == 3
    with pytest.raises(PolicyError, match="done"):
        jobs.resume(store, identity)


def test_arguments_lie_sealed(tmp_path: Path) -> None:
    """A file's name can be personal data; no table holds it in the clear."""
    store, marks = Store.open(), tmp_path / "Jan_Novak_notes"
    start(store, marks, steps=1)
    files = [path for path in store.home.rglob("*") if path.is_file()]
    assert files and not [path for path in files if b"Jan_Novak" in path.read_bytes()]


def test_the_log_holds_steps_and_numbers(tmp_path: Path) -> None:
    store = Store.open()
    start(store, tmp_path / "m", steps=1, seconds=0.6)
    lines = [json.loads(line) for line in jobs.log_path(store, store.jobs()[0]["id"]).read_text().splitlines()]
    assert [line["event"] for line in lines if line["event"] != "progress"] == [
        "job started",
        "step started",
        "step done",
        "job done",
    ]
    assert any(line["event"] == "progress" and line["loss"] == 0.5 for line in lines)


def test_no_job_starts_below_the_reserve(tmp_path: Path) -> None:
    store = Store.open(settings=load(store={"reserve_bytes": 10**18}))
    with pytest.raises(HardwareError):
        start(store, tmp_path / "m")
    assert store.jobs() == []


def test_outside_a_job_steps_and_progress_just_work() -> None:
    assert jobs.step("x", lambda: 5) == 5
    jobs.progress("x", 1, 2)


def test_a_dead_process_does_not_hold_a_job() -> None:
    assert jobs._alive(jobs._me()) and not jobs._alive(f"{os.getpid()}:1:other-boot") and not jobs._alive(None)


def test_errors_are_stored_without_their_text() -> None:
    serializer = jobs._json_serializer()
    kept = serializer.serialize(ValueError("patient Jan Novak"))
    assert "Novak" not in kept and isinstance(serializer.deserialize(kept), ApplianceError)
    assert serializer.deserialize(serializer.serialize({"a": [1]})) == {"a": [1]}
    assert issubclass(Interrupted, ApplianceError)
