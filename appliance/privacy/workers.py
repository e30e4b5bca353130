"""Read many batches of texts, over processes across the cores where that pays, in order, with the same findings as in one process.

Fail closed: a text on which a recognizer raises, on which a process dies, or that takes too long has no findings but None, and its record is held
back. A batch that fails is read again text by text, so that only the guilty text is lost. The processes are `python -m appliance.privacy.workers`: they
read JSON lines from their standard input and answer in JSON lines; no text is written to disk.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, astuple
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import IO, Any

from appliance import device, errors
from appliance.privacy.detect import Scope, Scrubber
from appliance.privacy.site_rules import SiteRule
from appliance.schema import Finding
from appliance.settings import ScrubSettings
from appliance.words import _

__all__ = ["Pool", "Read", "find_all", "processes", "serve"]

Read = list[list[Finding] | None]

_PROGRAM = ("-m", "appliance.privacy.workers")
_WORTH = 200_000  # characters: what one core reads while a process loads its models
_MEMORY = 1024**3  # bytes that a process needs, its models included
_STARTS = 2  # a process that dies while it loads is tried again once
_LOAD_S = 300  # a process that has not loaded its models by then is broken
_CHARACTERS_A_SECOND = 2_000  # a twentieth of what a slow core reads
_PATIENCE = 3  # a process stops most slow texts itself, at the time allowed; it is killed when it does not
_DEATHS = 3  # processes that one batch may cost


class _TooLong(BaseException):
    """Reading took too long. No `Exception`: a recognizer must not swallow it."""


def find_all(batches: Iterable[Sequence[str]], scrubber: Scrubber) -> Iterator[Read]:
    """Yield the findings of each batch, in order: a list a text, or None for a text that could not be read.

    Small inputs are read in this process, unless this is no main thread: there only another process can be stopped in time.
    Raises `MissingPartError` when a model cannot be loaded.
    """
    waiting, head, characters = iter(batches), [], 0
    for batch in waiting:
        head.append(batch)
        characters += sum(map(len, batch))
        if characters >= _WORTH:
            break
    count = processes(scrubber.settings) if characters >= _WORTH else 1
    if count == 1 and threading.current_thread() is threading.main_thread():
        for batch in chain(head, waiting):
            yield _carefully(batch, scrubber)
        return
    with Pool(scrubber, count) as pool:
        yield from pool.read(chain(head, waiting))


def processes(settings: ScrubSettings) -> int:
    """Return how many processes read: `settings.processes`, or with 0 one a core, as many as have room in memory."""
    if settings.processes:
        return settings.processes
    return max(1, min(device.threads(), device.memory_bytes()[1] // _MEMORY))


def _carefully(texts: Sequence[str], scrubber: Scrubber) -> Read:
    """Find in all texts at once; when that fails, text by text, so that only the guilty ones are lost."""
    try:
        with _at_most(_seconds(texts, scrubber.settings)):
            return list(scrubber.find(texts))
    except (errors.Interrupted, errors.MissingPartError):
        raise
    except (Exception, _TooLong):  # whatever it is: what was not read does not go on
        return [found for text in texts for found in _carefully([text], scrubber)] if len(texts) > 1 else [None]


def _seconds(texts: Sequence[str], settings: ScrubSettings) -> float:
    return settings.timeout_s + sum(map(len, texts)) / _CHARACTERS_A_SECOND


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise `_TooLong` inside the block after `seconds`. Only the main thread can be stopped so; elsewhere a process has to be (`Pool`)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Pool:
    """So many processes with a scrubber each. Enter it; they end with the block."""

    def __init__(self, scrubber: Scrubber, count: int) -> None:
        self._order = _order(scrubber)
        self._settings = scrubber.settings
        self._count = count
        self._threads = ThreadPoolExecutor(count)  # one waits for each process
        self._free: SimpleQueue[_Worker | None] = SimpleQueue()
        self._alive: set[_Worker] = set()
        self._over = False
        self._lock = threading.Lock()
        for _number in range(count):
            self._free.put(None)

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._over = True
            for worker in self._alive:
                worker.end()
        self._threads.shutdown(cancel_futures=True)

    def read(self, batches: Iterable[Sequence[str]]) -> Iterator[Read]:
        """Yield the findings of each batch, in order. At most two batches a process are taken ahead."""
        waiting: deque[Future[Read]] = deque()
        for batch in batches:
            waiting.append(self._threads.submit(self._read, batch))
            if len(waiting) > 2 * self._count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _read(self, texts: Sequence[str]) -> Read:
        worker = self._free.get()
        try:
            worker = worker or self._start()
            found = worker.ask(texts, _PATIENCE * _seconds(texts, self._settings))
            if found is None:
                self._end(worker)
                found, worker = self._one_by_one(texts)
            return found
        finally:
            self._free.put(worker)

    def _one_by_one(self, texts: Sequence[str]) -> tuple[Read, _Worker | None]:
        """Read a batch again that a process died of. After so many deaths the rest of it is given up."""
        found: Read = []
        worker: _Worker | None = None
        deaths = 0
        for text in texts:
            if deaths == _DEATHS:
                found.append(None)
                continue
            worker = worker or self._start()
            answer = worker.ask([text], _PATIENCE * _seconds([text], self._settings))
            if answer is None:
                self._end(worker)
                worker, deaths = None, deaths + 1
            found += answer or [None]
        return found, worker

    def _start(self) -> _Worker:
        for _attempt in range(_STARTS):
            with self._lock:
                if self._over:
                    raise errors.Interrupted(_("reading was stopped"))
                worker = _Worker(self._order)
                self._alive.add(worker)
            if worker.load():
                return worker
            self._end(worker)
        raise errors.HardwareError(
            _("a process that reads records did not start; free some memory, or set `scrub.processes` to 1")
        )

    def _end(self, worker: _Worker) -> None:
        with self._lock:
            self._alive.discard(worker)
        worker.end()


class _Worker:
    """One process and the lines that go to and fro."""

    def __init__(self, order: bytes) -> None:
        # -P and PYTHONPATH: the package that runs here, never a module that happens to lie in the current folder.
        root = str(Path(errors.__file__).parents[1])
        one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._order = order
        self._child = subprocess.Popen(
            [sys.executable, "-B", "-P", *_PROGRAM],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ | one | {"PYTHONPATH": root},
        )  # fmt: skip

    def load(self) -> bool:
        """Let it load its models; False when it died of that. Raises the error that it met."""
        line = self._exchange(self._order, _LOAD_S)
        answer = json.loads(line or b'{"error": ""}')
        if answer["error"]:
            raise getattr(errors, answer["error"])(answer["message"])
        return bool(line)

    def ask(self, texts: Sequence[str], seconds: float) -> Read | None:
        """Return its findings; None when it died or took longer than `seconds`."""
        line = self._exchange(json.dumps(list(texts)).encode() + b"\n", seconds)
        if not line:
            return None
        return [None if found is None else [Finding(*each) for each in found] for found in json.loads(line)]

    def _exchange(self, line: bytes, seconds: float) -> bytes:
        assert self._child.stdin is not None and self._child.stdout is not None
        watch = threading.Timer(seconds, self._child.kill)
        watch.start()
        try:
            self._child.stdin.write(line)
            self._child.stdin.flush()
            answer = self._child.stdout.readline()
        except (OSError, ValueError):  # it is gone
            answer = b""
        finally:
            watch.cancel()
        return answer if answer.endswith(b"\n") else b""

    def end(self) -> None:
        """End the process, whatever it does."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _order(scrubber: Scrubber) -> bytes:
    """Return the line that makes a process read as `scrubber` does."""
    scope, folder = scrubber.scope, scrubber.spacy_folder
    order = {
        "language": scrubber.language,
        "mode": scope.mode,
        "kinds": sorted(scope.kinds),
        "min_score": scope.min_score,
        "settings": scrubber.settings.model_dump(mode="json"),
        "spacy_folder": str(folder) if folder else None,
        "rules": [asdict(rule) for rule in scrubber.site_rules],
    }
    return json.dumps(order).encode() + b"\n"


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Make a scrubber of the first line, then answer a line of texts with a line of findings until the end."""
    order = json.loads(requests.readline())
    scope = Scope(order["mode"], frozenset(order["kinds"]), order["min_score"])
    folder = Path(order["spacy_folder"]) if order["spacy_folder"] else None
    rules = [SiteRule(**rule) for rule in order["rules"]]
    scrubber = Scrubber(order["language"], scope, ScrubSettings(**order["settings"]), folder, rules)
    try:
        scrubber.load()
        _answer(answers, {"error": ""})
    except errors.ApplianceError as error:
        _answer(answers, {"error": type(error).__name__, "message": str(error)})
        return
    for line in requests:
        found = _carefully(json.loads(line), scrubber)
        _answer(answers, [each and [astuple(finding) for finding in each] for each in found])


def _answer(answers: IO[bytes], answer: Any) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    private = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not mix with the answers
    serve(sys.stdin.buffer, private)
