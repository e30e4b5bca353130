"""A labeling task to exchange, a real Label Studio in a process of its own, and exchanges with one that were recorded."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.annotations import answers, change_labels, create_task, enqueue, labels_of, put, suggest
from appliance.annotations import task as find_task
from appliance.schema import Annotation, Dataset, LabelName, LabelTask, QueueItem, Record
from appliance.store import Store
from labeling import studio, studio_json
from labeling.link import Link, read_link, write_link
from labeling.studio import Studio

ROOT = Path(__file__).resolve().parents[2]
RECORDED = Path(__file__).parent / "studio"
VERSION = "1.23.2"
TOKEN = "0123456789" * 4
LABELS = (LabelName("aaaa0001", "card lost", "卡丢失"), LabelName("aaaa0002", "transfer", "转账"), LabelName("aaaa0003", "loan", "贷款"))  # fmt: skip
WORDS = ("my card 😀 is gone", "把钱转给𠮷野", "e\u0301tat <b>du</b>\r\npre\u0302t", "a loan, 👨‍👩‍👧 & more")


def record_id(row: int) -> str:
    return f"{row:032x}"


def dataset(store: Store, rows: int) -> Dataset:
    """Make a scrubbed data set of synthetic texts with ids that are the same in each run."""
    with store.draft("dataset", "tickets", meta={"stage": "scrubbed"}) as draft:
        store.write_records(draft, (Record(record_id(row), f"{WORDS[row % 4]} {row}") for row in range(rows)))
    made: Dataset = draft.artifact
    return made


def labeling(rows: int = 6, kind: str = "single", queued: int | None = None, **more: Any) -> tuple[Store, LabelTask]:
    """Make a home with a task of which the first `queued` records (default: all) wait."""
    store = Store.open()
    task = create_task(store, "intents", dataset(store, rows), kind, LABELS, "Read it <b>twice</b>.", **more)
    items = [QueueItem(task.name, record_id(row), row, 1, row) for row in range(rows if queued is None else queued)]
    enqueue(store, task, items)
    return store, task


# -- the real one ------------------------------------------------------------------------------------------------------


def program() -> Path:
    """Find Label Studio in an environment of its own: `SKERRY_LABEL_STUDIO`, else `.cache/label-studio`; skip where there is none."""
    found = Path(os.environ.get("SKERRY_LABEL_STUDIO") or ROOT / ".cache" / "label-studio" / "bin" / "label-studio")
    if not found.exists():
        pytest.skip(f"no Label Studio: python3 -m venv .cache/label-studio && .cache/label-studio/bin/pip install label-studio=={VERSION}")  # fmt: skip
    return found


def free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


@dataclass
class Server:
    """A running Label Studio and what it keeps."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    client: httpx.Client

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        self.kill()
        self.process = _started(self.folder, int(self.url.rsplit(":", 1)[1]))
        _wait(self)

    def ask(self, method: str, path: str, **how: Any) -> Any:
        answer = self.client.request(method, path, **how)
        assert answer.is_success, (method, path, answer.status_code, answer.text[:500])
        return answer.json() if answer.content else None


def _started(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start it with everything off that would ask outside; `tests/egress.py` and a namespace without a network watch that nothing does."""
    quiet = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder), "DJANGO_DB": "sqlite", "COLLECT_ANALYTICS": "false", "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": "",
        "LATEST_VERSION_CHECK": "false", "FEATURE_FLAGS_OFFLINE": "true", "SSRF_PROTECTION_ENABLED": "false", "ML_BLOCK_LOCAL_IP": "false", "PATH": os.environ["PATH"],
        "HOME": str(folder),
    }  # fmt: skip
    options = ["--internal-host", "127.0.0.1", "-p", str(port), "--username", "admin@example.org", "--password", "a long password"]  # fmt: skip
    options += ["--user-token", TOKEN, "--enable-legacy-api-token", "--data-dir", str(folder)]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [str(program()), "start", "-b", *options], env=quiet, stdout=log, stderr=log, cwd=folder
        )


def _wait(server: Server) -> None:
    until = time.monotonic() + 600  # its tables are made with some hundred migrations
    while True:
        try:
            if server.client.get("/health").is_success:
                return
        except httpx.TransportError:
            pass
        assert server.process.poll() is None and time.monotonic() < until, (server.folder / "log").read_text()[-2000:]
        time.sleep(0.2)


@contextmanager
def label_studio(folder: Path) -> Iterator[Server]:
    """Run a real Label Studio on loopback, with nothing in it but a user."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    headers = {"authorization": f"Token {TOKEN}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=120) as client:
        server = Server(url, folder, _started(folder, port), client)
        try:
            _wait(server)
            yield server
        finally:
            server.kill()


# -- recorded ----------------------------------------------------------------------------------------------------------


class Recorder(httpx.BaseTransport):
    """Passes requests on to the real one and keeps what was asked and answered."""

    def __init__(self) -> None:
        self._real = httpx.HTTPTransport()
        self.exchanges: list[dict[str, Any]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._real.handle_request(request)
        answer.read()
        said = {"status": answer.status_code, "answer": json.loads(answer.content) if answer.content else None}
        self.exchanges.append(_asked(request) | said)
        return httpx.Response(answer.status_code, content=answer.content)

    def close(self) -> None:
        self._real.close()

    def write(self, name: str) -> None:
        """Keep the exchanges as `tests/labeling/studio/NAME.json`."""
        RECORDED.mkdir(exist_ok=True)
        lines = ",\n".join(json.dumps(one, ensure_ascii=False, sort_keys=True) for one in self.exchanges)
        (RECORDED / f"{name}.json").write_text(f"[\n{lines}\n]\n")


class Replayer(httpx.BaseTransport):
    """Answers as the real one did, and fails when something else is asked, or in another order."""

    def __init__(self, name: str) -> None:
        self._left: list[dict[str, Any]] = json.loads((RECORDED / f"{name}.json").read_text())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert self._left, f"asked more than was recorded: {_asked(request)}"
        there = self._left.pop(0)
        asked = _asked(request)
        assert asked == {key: there[key] for key in asked}
        content = b"" if there["answer"] is None else json.dumps(there["answer"]).encode()
        return httpx.Response(there["status"], content=content)

    def done(self) -> bool:
        return not self._left


def _asked(request: httpx.Request) -> dict[str, Any]:
    body = json.loads(request.content) if request.content else None
    return {"method": request.method, "path": request.url.raw_path.decode(), "body": body}


# -- one exchange, with the real one or as it was recorded -------------------------------------------------------------


def linked(store: Store, task: LabelTask, url: str = "http://127.0.0.1:1", name: str = "") -> Link:
    """Link the task with a marker that is the same in each run."""
    marker = hashlib.sha256((name or task.kind).encode()).hexdigest()[:32]
    return write_link(store, Link("intents", url, marker, TOKEN, "the secret of the webhooks", "zh"))


def proposal(kind: str, row: int, score: float = 0.0) -> dict[str, Any]:
    """What a model says of a record."""
    text = f"{WORDS[row % 4]} {row}"
    values: dict[str, dict[str, Any]] = {
        "single": {"label": LABELS[row % 3].id},
        "multi": {"labels": [LABELS[row % 3].id, LABELS[(row + 1) % 3].id]},
        "spans": {"spans": [{"start": 2, "end": len(text) - 1, "label": LABELS[row % 3].id, "score": 0.5}]},
    }
    return values[kind] | {"score": score or 0.1 + row / 100}


def said(kind: str, row: int) -> dict[str, Any]:
    """What a person says of a record: something else than the model."""
    value = {key: part for key, part in proposal(kind, row + 1).items() if key != "score"}
    if kind == "spans":
        text = f"{WORDS[row % 4]} {row}"
        value["spans"] = [{"start": len(text) - 3, "end": len(text), "label": LABELS[row % 3].id}]
    return value


class People:
    """Those who label over there; with a recording they have done so already."""

    def __init__(self, server: Server | None, store: Store, task: LabelTask) -> None:
        self.server, self.store, self.task = server, store, task
        self.made: dict[int, int] = {}

    def tasks(self) -> dict[int, dict[str, Any]]:
        """The tasks over there by the row of their record."""
        assert self.server
        query = {"project": read_link(self.store, "intents").project, "fields": "all", "page_size": 10_000}
        there = self.server.ask("GET", "/api/tasks/", params=query)["tasks"]
        return {int(one["data"]["record"], 16): one for one in there if len(one["data"].get("record", "")) == 32}

    def answer(self, rows: range, skip: bool = False) -> None:
        if self.server is None:
            return
        there = self.tasks()
        for row in rows:
            made = self.result(row) | {"was_cancelled": skip, "lead_time": 2.5}
            path = f"/api/tasks/{there[row]['id']}/annotations/"
            self.made[row] = self.server.ask("POST", path, json=made)["id"]

    def result(self, row: int, says: int | None = None) -> dict[str, Any]:
        text = f"{WORDS[row % 4]} {row}"
        value = said(self.task.kind, row if says is None else says)
        return {"result": studio_json.regions(self.task, text, value)}

    def change(self, row: int, says: int) -> None:
        if self.server:
            self.server.ask("PATCH", f"/api/annotations/{self.made[row]}/", json=self.result(row, says))

    def change_ours(self, row: int, says: int) -> None:
        """Edit the answer that stands on a record without having been given there."""
        if self.server:
            self.made[row] = self.tasks()[row]["annotations"][0]["id"]
            self.change(row, says)

    def delete(self, row: int) -> None:
        if self.server:
            self.server.ask("DELETE", f"/api/annotations/{self.made[row]}/")


def conversation(store: Store, task: LabelTask, client: Studio, server: Server | None = None) -> None:
    """Send six records, let people answer, change and delete, send what was answered here, and hold both sides against each other."""
    people = People(server, store, task)
    kind = task.kind
    suggest(store, task, "model", "triage@1", {record_id(row): proposal(kind, row) for row in range(5)})
    first = studio.push(store, "intents", studio=client)
    assert (first["tasks"], first["predictions"], first["answers"]) == (6, 5, 0)
    again = studio.push(store, "intents", studio=client)
    assert (again["tasks"], again["predictions"], again["answers"]) == (0, 0, 0)

    people.answer(range(0, 2))
    people.answer(range(2, 3), skip=True)
    got = studio.pull(store, "intents", studio=client)
    assert (got["new"], got["changed"], got["foreign"], got["rejected"]) == (3, 0, 0, 0)
    assert studio.pull(store, "intents", studio=client)["new"] == 0
    assert held(store, task) == {0: said(kind, 0), 1: said(kind, 1), 2: {}}

    people.change(0, says=0 if kind == "spans" else 4)
    people.delete(1)
    put(store, task, [Annotation("cd" * 16, "intents", record_id(3), "wang", "import", said(kind, 3), seconds=4.0)])
    both = studio.push(store, "intents", studio=client)
    assert (both["answers"], both["pulled"]["withdrawn"]) == (1, 1)
    assert both["pulled"]["changed"] == (0 if kind == "spans" else 1)
    assert 1 not in held(store, task)

    people.change_ours(3, says=3 if kind == "spans" else 4)
    suggest(store, task, "model", "triage@2", {record_id(row): proposal(kind, row, 0.9) for row in range(6)})
    change_labels(store, "intents", [LABELS[0], replace(LABELS[1], name="transfers", chinese="汇款"), LABELS[2]])
    last = studio.push(store, "intents", studio=client)
    assert (last["tasks"], last["predictions"], last["answers"]) == (0, 6, 0)
    assert held(store, task)[3] == said(kind, 3 if kind == "spans" else 4)
    assert studio.pull(store, "intents", everything=True, studio=client)["rejected"] == 0
    people.answer(range(4, 5))
    people.change(4, says=4 if kind == "spans" else 0)
    change_labels(store, "intents", [LABELS[0], replace(LABELS[1], into=LABELS[0].id), LABELS[2]])
    merged = studio.push(store, "intents", studio=client)
    assert (merged["pulled"]["new"], merged["pulled"]["rejected"]) == (1, 0)
    assert LABELS[0].id in labels_of(task, held(store, find_task(store, "intents"))[4])
    if server:
        link = read_link(store, "intents")
        assert server.ask("GET", f"/api/projects/{link.project}/model-versions/") == {link.versions[0]: 6}
        screen = server.ask("GET", f"/api/projects/{link.project}/")["label_config"]
        assert "卡丢失" in screen
        assert "✕ transfer" in screen


def held(store: Store, task: LabelTask) -> dict[int, dict[str, Any]]:
    """What people have said, by row."""
    return {int(one.record, 16): dict(one.value) for one in answers(store, task)}
