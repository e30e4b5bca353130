"""Durable background work that survives `kill -9` and power cuts.

A job is one entry point, given as a string (`appliance.pipeline:train`), with JSON arguments. DBOS keeps in our store which of its steps
are done, so a job that was killed goes on behind its last finished step when the same command is given again. The arguments may name
files, so they are sealed with the key file; DBOS sees ids only.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import ApplianceError, BusyError, Interrupted, PolicyError
from appliance.log import log
from appliance.words import _

if TYPE_CHECKING:
    from appliance.store import Store

__all__ = ["cancel", "execute", "progress", "resume", "run", "running", "step", "void_unfinished", "work"]

Reporter = Callable[[str, int, int | None, dict[str, float]], None]
reporter: ContextVar[Reporter | None] = ContextVar("reporter", default=None)
_job: ContextVar[_Running | None] = ContextVar("job", default=None)
_REPORT_S = 0.5
_PURPOSE = "job request"
_CHORES_S = 3600
_OVER = ("done", "void")  # void: what it had read was erased


def progress(step: str, done: int, total: int | None = None, **numbers: float) -> None:
    """Report how far the current work has come; a no-op outside a job.

    `step` is a short English word from the code (`train`), never text of a record; `numbers` are shown
    beside it (`loss=0.31`). Raises `Interrupted` when the job was cancelled, so call it often in long loops.
    """
    current = reporter.get()
    if current is not None:
        current(step, done, total, dict(numbers))


def step(name: str, work: Callable[[], Any]) -> Any:
    """Do `work` once in the life of the current job and return its JSON result; later runs of the job get the kept result."""
    running = _job.get()
    if running is None:
        return work()
    from dbos import DBOS

    def once() -> Any:
        if name in running.inherited:
            return running.inherited[name]
        log("step started", stream=running.log, job=running.identity, step=name)
        begin = time.monotonic()
        result = work()
        log(
            "step done", stream=running.log, job=running.identity, step=name, seconds=round(time.monotonic() - begin, 3)
        )
        return result

    return DBOS.run_step({"name": name}, once)


def run(
    store: Store,
    verb: str,
    entry: str,
    arguments: dict[str, Any],
    *,
    stamp: Any = None,
    background: bool = False,
    report: Reporter | None = None,
) -> dict[str, Any]:
    """Run an entry point as a durable job and return its result; with `background`, only queue it for `skerry work`.

    The same verb, arguments and `stamp` (anything that must be unchanged, such as the sizes and times of input files) again go on with an unfinished
    job of theirs. Raises what the work raises, `BusyError` when that job is running elsewhere, `HardwareError` below the reserve of free room.
    """
    store.require_room()
    request = {"entry": entry, "arguments": arguments}
    fingerprint = store.hmac(
        "job", json.dumps([store.project, verb, request, stamp, store.settings.model_dump(mode="json")], sort_keys=True)
    )
    unfinished = [row for row in store.jobs() if row["fingerprint"] == fingerprint and row["state"] not in _OVER]
    if unfinished:
        identity = unfinished[-1]["id"]
    else:
        identity = uuid.uuid4().hex[:12]
        store.add_job(identity, verb, fingerprint, store.keys.seal(_PURPOSE, json.dumps(request).encode()), "queued")
    return _queue(store, identity) if background else execute(store, identity, report)


def resume(store: Store, identity: str, report: Reporter | None = None) -> dict[str, Any]:
    """Go on with a job that was killed, failed or cancelled. Raises `PolicyError` when it is over."""
    row = store.job(identity)
    if row["state"] == "done":
        raise PolicyError(_("job `{identity}` is done; there is nothing to resume", identity=row["id"]))
    if row["state"] == "void":
        raise PolicyError(_("what job `{identity}` had read was erased; give its command anew", identity=row["id"]))
    return execute(store, row["id"], report)


def cancel(store: Store, identity: str) -> dict[str, Any]:
    """Stop a job: at its next progress report when it runs, at once when it does not. Its finished steps are kept."""
    row = store.job(identity)
    if row["state"] in ("failed", "cancelled", *_OVER):
        raise PolicyError(_("job `{identity}` has ended: {state}", identity=row["id"], state=row["state"]))
    state = "cancelling" if _alive(row["owner"]) else "cancelled"
    store.update_job(row["id"], state=state)
    return {"job": row["id"], "state": state}


def running(store: Store) -> list[str]:
    """List the ids of the jobs of all projects that a living process runs."""
    return [
        row["id"]
        for row in store.jobs(all_projects=True)
        if row["state"] in ("running", "cancelling") and _alive(row["owner"])
    ]


def void_unfinished(store: Store) -> None:
    """Let no job of the project go on that was begun and not finished: what its steps made or read was erased. One that only waits stays."""
    busy = running(store)
    for row in store.jobs():
        waits = row["state"] == "queued" and row["attempt"] == 1
        if row["state"] not in _OVER and not waits and row["id"] not in busy:
            store.update_job(row["id"], state="void", ended=store.now())


def work(
    store: Store, once: bool = False, report: Reporter | None = None, chores: Callable[[], object] | None = None
) -> dict[str, Any]:
    """Run queued and orphaned jobs of every project, oldest first; for ever, or with `once` until none waits. Returns how many it ran.

    `chores` are done first and then every hour, between jobs.
    """
    ran = failed = 0
    due = time.monotonic()
    while True:
        if chores and time.monotonic() >= due:
            chores()
            due = time.monotonic() + _CHORES_S
        store.take_in_spool()
        waiting = [
            row
            for row in store.jobs(all_projects=True)
            if row["state"] in ("queued", "running") and not _alive(row["owner"])
        ]
        for row in waiting:
            try:
                execute(store.within(row["project"]), row["id"], report)
            except BusyError:
                continue  # another worker was faster
            except Exception as error:  # a worker outlives whatever a job does; the job's row says what it was
                failed += 1
                log("job failed", job=row["id"], error=type(error).__name__)
            ran += 1
        if once and not waiting:
            return {"ran": ran, "failed": failed}
        time.sleep(store.settings.jobs.poll_ms / 1000)


def error_of(store: Store, row: dict[str, Any]) -> str | None:
    """Return what a failed job said, in the clear."""
    try:
        return store.keys.open(_PURPOSE, row["error"]).decode() if row["error"] else None
    except ApplianceError as error:  # a list of jobs is not lost with the key file
        return str(error)


def log_path(store: Store, identity: str) -> Path:
    """Return the job's log file: JSON lines of ids and numbers."""
    return store.scratch("jobs") / f"{store.job(identity)['id']}.log"


def _queue(store: Store, identity: str) -> dict[str, Any]:
    row = store.job(identity)
    if row["state"] in ("running", "cancelling") and _alive(row["owner"]):
        raise _running_already(identity)
    store.update_job(identity, state="queued", attempt=_next_attempt(row), owner=None, ended=None, error=None)
    return {"job": identity, "state": "queued"}


def _next_attempt(row: dict[str, Any]) -> int:
    # The steps of a job that ended are inherited by a fresh attempt; a killed one is recovered as it is.
    return int(row["attempt"]) + (row["state"] in ("failed", "cancelled"))


def _running_already(identity: str) -> BusyError:
    return BusyError(
        _("job `{identity}` is running already; follow it with `skerry jobs log {identity}`", identity=identity)
    )


def execute(store: Store, identity: str, report: Reporter | None = None) -> dict[str, Any]:
    """Claim a job and run it to its end in this process."""
    row = store.job(identity)
    if _alive(row["owner"]) and row["state"] in ("running", "cancelling"):
        raise _running_already(row["id"])
    attempt = _next_attempt(row)
    if not store.claim_job(row["id"], row["owner"], _me(), attempt):
        raise _running_already(row["id"])
    request = json.loads(store.keys.open(_PURPOSE, row["request"]))
    with log_path(store, row["id"]).open("a") as stream:
        running = _Running(store, row["id"], row["verb"], attempt, request, stream, report)
        log("job started", stream=stream, job=row["id"], verb=row["verb"], attempt=attempt)
        with _dbos(running):
            return running.finish()


class _Running:
    """One attempt at a job in this process."""

    def __init__(
        self,
        store: Store,
        identity: str,
        verb: str,
        attempt: int,
        request: dict[str, Any],
        stream: Any,
        report: Reporter | None,
    ) -> None:
        self.store, self.identity, self.verb, self.attempt, self.request, self.log, self.show = (
            store,
            identity,
            verb,
            attempt,
            request,
            stream,
            report,
        )
        self.inherited: dict[str, Any] = {}
        self.error: BaseException | None = None
        self._reported = 0.0

    @property
    def workflow(self) -> str:
        return f"{self.identity}.{self.attempt}"

    def body(self) -> Any:
        """What DBOS runs (in a thread of its own): the entry point, with this job as the current one."""
        tokens = _job.set(self), reporter.set(self.report)
        try:
            module, _colon, name = self.request["entry"].partition(":")
            return getattr(importlib.import_module(module), name)(self.store, **self.request["arguments"])
        except BaseException as error:
            self.error = error
            raise
        finally:
            _job.reset(tokens[0])
            reporter.reset(tokens[1])

    def report(self, step: str, done: int, total: int | None, numbers: dict[str, float]) -> None:
        """Show the progress at once, write it (and look for a cancel) twice a second."""
        if self.show:
            self.show(step, done, total, numbers)
        if time.monotonic() - self._reported < _REPORT_S:
            return
        self._reported = time.monotonic()
        if self.store.job(self.identity)["state"] == "cancelling":
            raise Interrupted(
                _("job `{identity}` was cancelled; the same command goes on with it", identity=self.identity)
            )
        self.store.update_job(self.identity, progress={"step": step, "done": done, "total": total, **numbers})
        log("progress", stream=self.log, job=self.identity, step=step, done=done, total=total, **numbers)

    def finish(self) -> dict[str, Any]:
        """Start or recover the workflow, wait for it, write down how it ended."""
        from dbos import DBOS, SetWorkflowID

        for attempt in range(1, self.attempt):  # one that was cancelled in the queue has no steps
            earlier = DBOS.list_workflow_steps(f"{self.identity}.{attempt}")
            self.inherited |= {item["function_name"]: item["output"] for item in earlier if item["error"] is None}
        try:
            with SetWorkflowID(self.workflow):
                result: dict[str, Any] = DBOS.start_workflow(_workflow, self.identity).get_result()
        except Exception as raised:
            error = self.error or raised
            state = "cancelled" if isinstance(error, Interrupted) else "failed"
            message = (
                str(error) if isinstance(error, ApplianceError) else type(error).__name__
            )  # a bug's own message could quote a record
            sealed = self.store.keys.seal(_PURPOSE, message.encode())  # it may name a file
            self.store.update_job(self.identity, state=state, ended=self.store.now(), error=sealed)
            log(f"job {state}", stream=self.log, job=self.identity, error=type(error).__name__)
            raise error from None
        self.store.update_job(self.identity, state="done", ended=self.store.now(), result=result, error=None)
        log("job done", stream=self.log, job=self.identity)
        return result


_current: dict[str, _Running] = {}


def _workflow(identity: str) -> Any:
    return _current[identity].body()


@contextmanager
def _dbos(running: _Running) -> Iterator[None]:
    logging.getLogger("dbos").disabled = True  # its error lines print whole objects
    from dbos import DBOS

    DBOS(
        config={
            "name": "skerry",
            "system_database_engine": running.store.engine,
            "serializer": _json_serializer(),
            # launch() recovers what this executor left behind, so each attempt is an executor of its own
            "executor_id": running.workflow,
            "application_version": "1",
            "log_level": "CRITICAL",
            "notification_listener_polling_interval_sec": 0.05,
        }
    )
    DBOS.workflow(name="job", max_recovery_attempts=10_000)(_workflow)
    _current[running.identity] = running
    try:
        with running.store.alone():  # it makes tables of its own
            DBOS.launch()
        yield
    finally:
        DBOS.destroy(destroy_registry=True)
        del _current[running.identity]


def _json_serializer() -> Any:
    from dbos import Serializer

    class Json(Serializer):
        """JSON instead of pickle; of an error only the class is kept, since its text could quote a record."""

        def serialize(self, data: Any) -> str:
            return json.dumps({"error": type(data).__name__} if isinstance(data, BaseException) else {"value": data})

        def deserialize(self, serialized_data: str) -> Any:
            content = json.loads(serialized_data)
            return content["value"] if "value" in content else ApplianceError(content["error"])

        def name(self) -> str:
            return "json"

    return Json()


def _me() -> str:
    return f"{os.getpid()}:{_started(os.getpid())}"


def _alive(owner: str | None) -> bool:
    # A process number is used again after a while: its start time (and the boot) tell two of them apart.
    if owner is None:
        return False
    number, _colon, started = owner.partition(":")
    return _started(int(number)) == started


def _started(number: int) -> str | None:
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return None if fields[0] == "Z" else f"{fields[19]}:{boot}"  # field 22 of proc(5): start time in ticks since boot
