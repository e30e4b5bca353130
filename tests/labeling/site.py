"""The labeling page in a test: served from a thread, and people who speak its HTTP as the page's script does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from appliance.annotations import create_task, enqueue, new_label
from appliance.schema import LabelName, LabelTask, QueueItem, Record
from appliance.store import Store
from appliance.web.listener import listen
from appliance.web.people import invite
from labeling.page import build_app

PASSWORD = "a calm sea in the morning"


def a_task(
    store: Store,
    name: str = "triage",
    kind: str = "single",
    texts: Iterable[str] = ("one", "two", "three", "four", "five"),
    labels: Iterable[LabelName | str] = ("yes", "no", "other"),
    guidelines: str = "",
    **more: Any,
) -> LabelTask:
    """Make a task whose queue holds every text; the record of row 3 has the id 3 in 32 digits."""
    records = [Record(f"{row:032x}", text) for row, text in enumerate(texts)]
    with store.draft("dataset", name, meta={"stage": "scrubbed", "scrubbed": True}) as draft:
        store.write_records(draft, records)
    known = [new_label(one) if isinstance(one, str) else one for one in labels]
    task = create_task(store, name, draft.artifact, kind, known, guidelines, **more)
    enqueue(store, task, [QueueItem(name, one.id, row, place=row) for row, one in enumerate(records)])
    return task


@contextmanager
def serving(store: Store) -> Iterator[str]:
    """Serve the page; yield its address."""
    with listen("127.0.0.1", 0) as socket:
        config = uvicorn.Config(build_app(store), log_config=None, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{socket.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join(10)


def started(port: int) -> subprocess.Popen[bytes]:
    """Start `skerry label serve` as a process of its own and wait until it listens."""
    command = [sys.executable, "-c", "from appliance.cli import main; main()", "label", "serve", "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ)
    assert process.stderr
    for line in process.stderr:
        if b'"listening"' in line:
            return process
    raise AssertionError("it did not start")


def ended(process: subprocess.Popen[bytes], how: signal.Signals) -> int:
    """End a process, wait, and return its exit code."""
    process.send_signal(how)
    code = process.wait(60)
    assert process.stderr
    process.stderr.close()
    return code


class Annotator:
    """One person at the page of one task, over HTTP."""

    def __init__(self, address: str, task: str, code: str, client: httpx.Client | None = None) -> None:
        """Join with an invitation code; `client` may be a test client."""
        self.client = client or httpx.Client(base_url=address, timeout=30, trust_env=False)
        self.task = task
        assert self.client.post("/join", data={"code": code, "password": PASSWORD}).status_code in (200, 303)
        found = re.search(r'name="csrf" content="([0-9a-f]{64})"', self.client.get("/").text)
        assert found
        self.token = found[1]

    def post(self, path: str, content: Mapping[str, Any]) -> httpx.Response:
        """Send what the script sends."""
        headers = {"x-csrf-token": self.token, "accept": "application/json"}
        return self.client.post(f"/tasks/{self.task}{path}", json=dict(content), headers=headers)

    def cards(self, *have: str) -> list[dict[str, Any]]:
        """Ask for the next cards."""
        answer = self.post("/cards", {"have": have})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["cards"]
        return found

    def answer(self, record: str, value: Mapping[str, Any], identity: str = "", **more: Any) -> httpx.Response:
        """Answer a record."""
        content = {"id": identity or uuid.uuid4().hex, "record": record, "value": dict(value), "seconds": 1.5}
        return self.post("/answers", content | more)


def invited(store: Store, name: str = "ann", role: str = "annotator") -> str:
    """Invite a person and return the code."""
    return invite(store, name, role, store.settings.web)[1]
