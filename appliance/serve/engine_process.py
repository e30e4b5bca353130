"""The one process that holds the models, seen from the server: started, told what to load, replaced when it dies.

The server's own process loads no model library: whatever a model does to its process (no memory left, a fault in a
kernel, `kill -9`), the server goes on, and loses the texts under way alone.
"""

from __future__ import annotations

import contextlib
import io
import json
import queue
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from appliance import errors
from appliance.engine import Plan
from appliance.engine.tags import kinds_of
from appliance.errors import ApplianceError, BusyError, HardwareError
from appliance.log import log
from appliance.settings import ServeSettings
from appliance.words import _

_LONGEST_PAUSE_S = 5.0  # between two tries to replace a process; the first is made at once
_STOP_S = 5.0


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model that the engine process holds, as long as somebody holds this.

    `together` tells that texts may share a run, `files` the SHA-256 of each file's bytes as they were loaded, `embedding_width` the numbers of an embedding,
    0 where it has none.
    """

    number: int
    plan: Plan
    together: bool
    files: Mapping[str, str]
    embedding_width: int

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the probabilities."""
        return self.plan.labels

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the spans of a model for the task `tag` can be, in the order of their numbers."""
        return kinds_of(self.plan.labels)


@dataclass(eq=False)
class Run:
    """One run of the process; `lanes` are the server's ends of the sockets to its threads."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    orders: io.BufferedRWPair
    lanes: list[socket.socket]
    handed_over: bool = False  # the lanes' sockets belong to somebody else, who closes them

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Give an order and wait until it is done. Raises `BusyError` when the process has died."""
        line = b""
        with contextlib.suppress(OSError):
            self.orders.write(json.dumps(order).encode() + b"\n")
            self.orders.flush()
            line = self.orders.readline()
        if not line.endswith(b"\n"):
            raise BusyError(_("the engine process has ended; it is being replaced"))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """Let it go, and see that it has gone."""
        with contextlib.suppress(OSError):  # an order that nobody will read
            self.orders.close()
        for plug in (self.control, *(() if self.handed_over else self.lanes)):
            plug.close()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class EngineProcess:
    """The process and what it holds. A thread of its own starts it, gives the orders and replaces it."""

    def __init__(self, settings: ServeSettings, lanes: int) -> None:
        """Start the process with so many `lanes`: threads that answer."""
        self.lanes = lanes
        self.restarts = 0
        names = ("provider", "long_texts", "batch_tokens")
        self._settings = json.dumps({name: getattr(settings, name) for name in names})
        self._numbers = 0
        self._held: dict[int, tuple[Path, Mapping[str, str]]] = {}
        self._connect: Callable[[Run], None] | None = None
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._over = threading.Event()
        self._run = self._start()
        self._thread = threading.Thread(target=self._work, name="engine-process", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._run.process.pid

    def load(self, folder: Path) -> Loaded:
        """Load and warm up a model, from any thread. Raises what `engine.load` raises, and `HardwareError` when the process dies of it."""
        done: Future[Loaded] = Future()
        self._orders.put(partial(self._load, folder, done))
        return done.result()

    def connect(self, told: Callable[[Run], None]) -> None:
        """Tell `told`, in the thread of this process, of the run that answers now, and of each that takes its place."""

        def begin() -> None:
            self._connect = told
            told(self._run)

        self._orders.put(begin)

    def lost(self, run: Run) -> None:
        """Note that a run has died: it is replaced, unless that has been done."""
        self._orders.put(partial(self._replace, run))

    def stop(self) -> None:
        """End the process, whatever it is at."""
        self._over.set()
        self._orders.put(None)
        while self._thread.is_alive():
            with contextlib.suppress(OSError):
                self._run.control.shutdown(socket.SHUT_RDWR)  # nobody waits for an order that is under way
            self._thread.join(0.1)
        self._run.end()

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            order()

    def _start(self) -> Run:
        pairs = [socket.socketpair() for _plug in range(self.lanes + 1)]
        theirs = [other.fileno() for _own, other in pairs]
        command = [sys.executable, "-P", "-m", "appliance.serve.engine_child", self._settings, *map(str, theirs)]
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=theirs)
        except OSError:
            for own, _other in pairs:
                own.close()
            raise
        finally:
            for _own, other in pairs:
                other.close()
        control, *lanes = (own for own, _other in pairs)
        return Run(process, control, control.makefile("rwb"), lanes)

    def _load(self, folder: Path, done: Future[Loaded]) -> None:
        self._numbers += 1
        try:
            loaded = self._ask_to_load(self._numbers, folder)
        except BusyError:
            done.set_exception(HardwareError(_("loading `{folder}` ended the engine process; is there memory for it?", folder=folder)))  # fmt: skip
            self._replace(self._run)
        except ApplianceError as error:
            done.set_exception(error)
        else:
            self._held[loaded.number] = (folder, loaded.files)
            weakref.finalize(loaded, self._orders.put, partial(self._unload, loaded.number)).atexit = False
            done.set_result(loaded)

    def _ask_to_load(self, number: int, folder: Path) -> Loaded:
        found = self._run.ask({"do": "load", "number": number, "folder": str(folder)})
        if "error" in found:
            raise getattr(errors, found["error"], ApplianceError)(found["message"])
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in found["plan"].items()
        }
        return Loaded(number, Plan(**fields), found["together"], found["files"], found["embedding_width"])

    def _unload(self, number: int) -> None:
        self._held.pop(number, None)
        try:
            self._run.ask({"do": "unload", "number": number})
        except BusyError:
            self._replace(self._run)

    def _replace(self, run: Run) -> None:
        """Put another run in the place of a dead one, with everything loaded that it held."""
        if run is not self._run:
            return
        pause_s = 0.0
        while not self._over.wait(pause_s):
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s + 0.1)
            self._run.end()
            self.restarts += 1
            log("engine lost", restarts=self.restarts)
            try:
                self._run = self._start()
                self._load_again()
            except (BusyError, OSError):  # it died of it, or there is no memory for it now
                continue
            log("engine replaced", models=len(self._held))
            if self._connect:
                self._connect(self._run)
            return

    def _load_again(self) -> None:
        for number, (folder, files) in list(self._held.items()):
            try:
                if self._ask_to_load(number, folder).files != files:
                    self._run.ask({"do": "unload", "number": number})
                    log("model not loaded again", error="changed")
            except BusyError:
                raise
            except ApplianceError as error:  # its requests are told that it is not loaded; the others go on
                log("model not loaded again", error=type(error).__name__)
