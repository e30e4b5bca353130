"""Reading over processes: the same findings in the same order, and no text goes on that was not read."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.errors import Interrupted, MissingPartError
from appliance.privacy import Scrubber, policy, workers
from appliance.schema import Finding
from appliance.settings import ScrubSettings

# What a process runs whose recognizers fail on purpose: they raise, end the process, hang where a signal can stop them, or where none can.
FAILING = """
import os, signal, sys, time
from appliance.privacy import detect, workers
plain = detect.normalise
def failing(text):
    if "raise" in text:
        raise RuntimeError("recognizer")
    if "exit" in text:
        os._exit(3)
    if "sleep" in text:
        time.sleep(600)
    if "stop" in text:
        os.kill(os.getpid(), signal.SIGSTOP)
    return plain(text)
detect.normalise = failing
workers.serve(sys.stdin.buffer, sys.stdout.buffer)
"""
MAIL = "write to a{}@example.com"


def scrubber(**settings: object) -> Scrubber:
    """A scrubber without models, which starts fast."""
    structured = replace(policy.load("balanced"), mode="structured-only")
    return Scrubber.from_settings("en", ScrubSettings(**{"processes": 2} | settings), policy=structured)  # type: ignore[arg-type]


def batches(count: int, rows: int = 3) -> list[list[str]]:
    return [[MAIL.format(f"{batch}.{row}") for row in range(rows)] for batch in range(count)]


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every input is large enough for processes."""
    monkeypatch.setattr(workers, "_WORTH", 1)


@pytest.fixture
def failing(large: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_PROGRAM", ("-c", FAILING))


@pytest.mark.usefixtures("large")
def test_processes_find_what_one_process_finds_in_the_same_order() -> None:
    alone, texts = scrubber(processes=1), batches(20)
    assert list(workers.find_all(texts, scrubber())) == [alone.find(batch) for batch in texts]


@pytest.mark.long
@pytest.mark.usefixtures("large")
def test_processes_with_models_find_the_same() -> None:
    texts = [
        ["Dr. Jane Smith came on 3 May 2019.", "患者王小明，电话13800138000。"],
        ["", "\ud83d half a character, Anna Kovacs"],
    ]
    pair = Scrubber.from_settings(settings=ScrubSettings(processes=2))
    assert list(workers.find_all(texts, pair)) == [pair.find(batch) for batch in texts]


def test_small_inputs_stay_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_Worker", None)
    assert len(list(workers.find_all(batches(3), scrubber()))) == 3


def test_nothing_is_read_ahead_without_end() -> None:
    taken = 0

    def endless() -> Iterator[list[str]]:
        nonlocal taken
        while True:
            taken += 1
            yield [MAIL.format(taken)]

    with workers.Pool(scrubber(), 1) as pool:
        reading = pool.read(endless())
        for _batch in range(3):
            next(reading)
        assert taken <= 5


@pytest.mark.usefixtures("failing")
def test_only_the_guilty_text_has_no_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_seconds", lambda _texts, _settings: 1.2)
    texts = batches(4)
    for batch, failure in zip(texts, ("raise", "exit", "sleep", "stop"), strict=True):
        batch[1] = failure
    with workers.Pool(scrubber(), 1) as pool:
        found = list(pool.read(texts))
    assert [[each is None for each in batch] for batch in found] == [[False, True, False]] * 4


@pytest.mark.long
@pytest.mark.usefixtures("failing")
def test_a_batch_that_kills_every_process_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_DEATHS", 1)
    found = list(workers.find_all([["exit"] * 6, ["a1@example.com"]], scrubber()))
    assert found[0] == [None] * 6
    assert [each.kind for each in found[1][0] or []] == ["EMAIL"]


@pytest.mark.long
def test_a_process_that_is_killed_from_outside_costs_nothing() -> None:
    with workers.Pool(scrubber(), 2) as pool:
        reading = pool.read(batches(30))
        first = next(reading)
        for worker in list(pool._alive):
            os.kill(worker._child.pid, signal.SIGKILL)
        found = [first, *reading]
    assert found == [scrubber(processes=1).find(batch) for batch in batches(30)]


def test_no_process_is_left_behind() -> None:
    with workers.Pool(scrubber(), 1) as pool:
        next(pool.read(batches(200)))
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert not [pid for pid in children if b"privacy.workers" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_an_error_while_loading_is_told_not_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = scrubber()
    broken._reads = frozenset()
    monkeypatch.setattr(broken, "scope", replace(broken.scope, mode="balanced"))
    monkeypatch.setattr(broken, "spacy_folder", tmp_path)
    with pytest.raises(MissingPartError, match="holds no spaCy model"), workers.Pool(broken, 1) as pool:
        list(pool.read(batches(2)))


class Slow:
    """A scrubber whose recognizers take too long on the text `slow`."""

    settings = ScrubSettings()

    def find(self, texts: list[str]) -> list[list[Finding]]:
        if "slow" in texts:
            time.sleep(60)
        return [[] for _text in texts]


def test_a_text_that_takes_too_long_in_this_process_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_seconds", lambda _texts, _settings: 0.05)
    assert list(workers.find_all([["a", "slow", "b"]], Slow())) == [[[], None, []]]  # type: ignore[arg-type]
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_another_thread_reads_too() -> None:
    found: list[workers.Read] = []
    thread = threading.Thread(target=lambda: found.extend(workers.find_all(batches(2), scrubber())))
    thread.start()
    thread.join()
    assert len(found) == 2


def test_a_small_input_is_stopped_in_time_in_another_thread_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal reaches the main thread alone: the thread of a job has a process read, which can be ended."""
    monkeypatch.setattr(workers, "_PROGRAM", ("-c", FAILING))
    monkeypatch.setattr(workers, "_seconds", lambda _texts, _settings: 0.7)
    found: list[workers.Read] = []
    few = [[MAIL.format(1), "sleep"]]
    thread = threading.Thread(target=lambda: found.extend(workers.find_all(few, scrubber(processes=1))))
    thread.start()
    thread.join()
    assert [each is None for each in found[0]] == [False, True]


def test_a_cancelled_job_is_no_failure() -> None:
    class Cancelled(Slow):
        def find(self, texts: list[str]) -> list[list[Finding]]:
            raise Interrupted("stop")

    with pytest.raises(Interrupted):
        list(workers.find_all([["a"]], Cancelled()))  # type: ignore[arg-type]


def test_the_time_allowed_grows_with_the_text() -> None:
    settings = ScrubSettings(timeout_s=5)
    assert workers._seconds(["a"], settings) < 6 < workers._seconds(["a" * 10_000], settings)


def test_processes_follow_the_setting_then_cores_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.device, "threads", lambda: 8)
    monkeypatch.setattr(workers.device, "memory_bytes", lambda: (64 * 1024**3, 3 * 1024**3))
    assert workers.processes(ScrubSettings(processes=5)) == 5
    assert workers.processes(ScrubSettings()) == 3
