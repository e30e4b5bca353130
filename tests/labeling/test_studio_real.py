"""The exchange with a real Label Studio, in a process of its own on loopback. `SKERRY_RECORD=1` writes down what it says for `make test`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from appliance.annotations import answers, put, suggest
from appliance.errors import NotFoundError, PolicyError
from appliance.schema import Annotation
from appliance.store import Store
from labeling import studio, studio_json
from labeling.backend import Backend, build_app
from labeling.link import find_link, read_link
from labeling.studio import Studio
from tests import tiny_onnx
from tests.egress import HOSTILE, sealed, watch
from tests.labeling.studio_rig import (
    LABELS,
    RECORDED,
    ROOT,
    TOKEN,
    WORDS,
    People,
    Recorder,
    Server,
    conversation,
    free_port,
    held,
    label_studio,
    labeling,
    linked,
    program,
    proposal,
    record_id,
    said,
)

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with label_studio(tmp_path_factory.mktemp("there")) as running:
        yield running


@pytest.mark.parametrize("kind", ["single", "multi", "spans"])
def test_a_task_goes_there_and_comes_back(kind: str, server: Server) -> None:
    """The exchange that `make test` replays is the one that a real server has."""
    store, task = labeling(6, kind)
    linked(store, task, server.url)
    recorder = Recorder()
    with closing(Studio(server.url, TOKEN, transport=recorder)) as client:
        conversation(store, task, client, server)
    if os.environ.get("SKERRY_RECORD") == "1":
        recorder.write(kind)


class Running:
    """A backend on a free port of loopback, in a thread; keeps the bodies of the webhooks that it got."""

    def __init__(self, backend: Backend) -> None:
        self.backend, self.bodies, self.statuses = backend, [], []  # type: ignore[var-annotated]
        hear = backend.hear

        def listening(body: bytes) -> tuple[int, dict[str, Any]]:
            status, answer = hear(body)
            self.bodies.append(body)
            self.statuses.append(status)
            return status, answer

        backend.hear = listening  # type: ignore[method-assign]
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(build_app(backend), port=self.port, lifespan="off", log_config=None)
        self._server = uvicorn.Server(config)
        self._threads = [threading.Thread(target=self._server.run), threading.Thread(target=backend.follow)]

    def __enter__(self) -> Running:
        for thread in self._threads:
            thread.start()
        until(lambda: self._server.started)
        return self

    def __exit__(self, *_what: object) -> None:
        self._server.should_exit = True
        self.backend.over.set()
        self.backend.wake.set()
        for thread in self._threads:
            thread.join()


def until(happened: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def test_label_studio_calls_back(server: Server) -> None:
    """Its webhooks bring answers in at once, its ML backend is ours, and what is forged or replayed is refused."""
    store, task = labeling(6, "single", queued=4)
    linked(store, task, server.url, "calls")
    with store.draft("model", "triage", meta={"format": "onnx"}) as draft:
        tiny_onnx.write_model(draft.folder, "onnx", labels=("card lost", "transfer", "loan"))
    studio.push(store, "intents")
    people = People(server, store, task)
    queued: list[str] = []

    def train(learnt: str) -> dict[str, str]:
        queued.append(learnt)
        return {"job": "1"}

    with Running(Backend(store, "intents", "triage", train)) as running:
        studio.hook(store, "intents", running.url, "triage")
        studio.hook(store, "intents", running.url + "/", "triage")  # again, and nothing is doubled
        project = read_link(store, "intents").project
        hooks = server.ask("GET", "/api/webhooks/", params={"project": project})
        assert [(one["url"], list(one["headers"])) for one in hooks] == [
            (f"{running.url}/webhook", [studio.SECRET_HEADER])
        ]
        (connected,) = server.ask("GET", "/api/ml/", params={"project": project})
        assert (connected["state"], connected["model_version"]) == ("CO", draft.artifact.reference)

        people.answer(range(0, 1))
        until(lambda: held(store, task) == {0: said("single", 0)})
        people.change(0, says=1)
        until(lambda: held(store, task) == {0: said("single", 1)})
        people.delete(0)
        until(lambda: held(store, task) == {})
        assert running.statuses == [200, 200, 200]

        bodies = list(running.bodies)
        secret = {studio.SECRET_HEADER: read_link(store, "intents").secret}
        for body in bodies:
            replayed = httpx.post(f"{running.url}/webhook", content=body, headers=secret, trust_env=False)
            assert replayed.status_code == 409
            for headers in ({}, {studio.SECRET_HEADER: "forged"}):
                forged = httpx.post(f"{running.url}/webhook", content=body + b" ", headers=headers, trust_env=False)
                assert forged.status_code == 401

        chosen = {"selectedItems": {"all": True, "excluded": []}, "filters": {"conjunction": "and", "items": []}}
        server.ask(
            "POST", "/api/dm/actions/", params={"id": "retrieve_tasks_predictions", "project": project}, json=chosen
        )
        versions = server.ask("GET", f"/api/projects/{project}/model-versions/")
        assert versions[draft.artifact.reference] == 4
        server.ask("POST", f"/api/ml/{connected['id']}/train", json={})
        until(lambda: queued)
    if os.environ.get("SKERRY_RECORD") == "1":
        lines = ",\n".join(json.dumps(json.loads(body), ensure_ascii=False) for body in bodies)
        (RECORDED / "webhooks.json").write_text(f"[\n{lines}\n]\n")


def test_a_personal_token_is_let_in(server: Server) -> None:
    """The token that its page gives today buys short ones, as the legacy token needs not."""
    server.ask("POST", "/api/jwt/settings", json={"api_tokens_enabled": True, "legacy_api_tokens_enabled": True})
    token = server.ask("POST", "/api/token/", json={})["token"]
    with closing(Studio(server.url, token)) as client:
        assert client.ask("GET", "/api/current-user/whoami")["email"] == "admin@example.org"
    with closing(Studio(server.url, token[:-2])) as client, pytest.raises(PolicyError):
        client.ask("GET", "/api/current-user/whoami")


def test_the_least_sure_comes_first(server: Server) -> None:
    """Label Studio asks for the lowest score; what has no suggestion comes behind."""
    store, task = labeling(5, "single")
    linked(store, task, server.url, "order")
    scores = {0: 0.9, 1: 0.2, 2: 0.5, 3: 0.4}
    values = {record_id(row): proposal("single", row, score) for row, score in scores.items()}
    suggest(store, task, "model", "triage@1", values)
    studio.push(store, "intents")
    people, asked = People(server, store, task), []
    for _turn in range(5):
        project = read_link(store, "intents").project
        row = int(server.ask("GET", f"/api/projects/{project}/next")["data"]["record"], 16)
        people.answer(range(row, row + 1))
        asked.append(row)
    assert asked == [1, 3, 2, 0, 4]


def test_an_answer_that_was_changed_on_both_sides_is_kept_twice(server: Server) -> None:
    """Ours goes there, theirs stays beside it here: people disagree, and nothing is lost."""
    store, task = labeling(2, "single")
    linked(store, task, server.url, "both")
    ours = Annotation("cd" * 16, "intents", record_id(0), "wang", "import", said("single", 0))
    put(store, task, [ours])
    studio.push(store, "intents")
    people = People(server, store, task)
    people.change_ours(0, says=1)
    put(store, task, [replace(ours, value=said("single", 2))])
    assert studio.push(store, "intents")["changed"] == 1
    for _again in range(2):
        both = [(one.annotator, one.value) for one in answers(store, task, record_id(0))]
        assert sorted(both, key=str) == [("studio:1", said("single", 1)), ("wang", said("single", 2))]
        studio.push(store, "intents")
    (there,) = people.tasks()[0]["annotations"]
    assert studio_json.read_answer(task, "", there).value == said("single", 2)


def test_what_is_not_ours_is_left_alone_and_what_was_tampered_with_is_named(server: Server) -> None:
    store, task = labeling(3, "single")
    link = linked(store, task, server.url, "foreign")
    studio.push(store, "intents")
    people = People(server, store, task)
    project = read_link(store, "intents").project
    server.ask("POST", f"/api/projects/{project}/import", json=[{"data": {"text": "somebody else's"}}])
    server.ask("POST", f"/api/projects/{project}/import", json=[{"data": {"text": "x", "record": "no id"}}])
    people.answer(range(0, 2))
    changed = people.tasks()[1]
    server.ask("PATCH", f"/api/tasks/{changed['id']}/", json={"data": changed["data"] | {"text": "another text"}})
    got = studio.pull(store, "intents")
    assert (got["new"], got["foreign"], got["rejected"]) == (1, 2, 1)
    (fault,) = got["faults"]
    assert (fault["record"], "was changed" in fault["reason"]) == (record_id(1), True)
    assert "another text" not in json.dumps(got)
    assert studio.push(store, "intents")["tasks"] == 0
    assert link.marker == read_link(store, "intents").marker


class Cut(httpx.BaseTransport):
    """A line that breaks before or after the request of a number is answered."""

    def __init__(self, number: int, after: bool) -> None:
        self._real, self._left, self._after = httpx.HTTPTransport(), number, after
        self.broke = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._left -= 1
        if self._left == 0 and not self._after:
            self.broke = True
            raise KeyboardInterrupt
        answer = self._real.handle_request(request)
        answer.read()
        if self._left == 0:
            self.broke = True
            raise KeyboardInterrupt
        return httpx.Response(answer.status_code, content=answer.content)

    def close(self) -> None:
        self._real.close()


def broken_everywhere(store: Store, server: Server, after: bool) -> int:
    """Push, cut before or after its first request, its second, and so on, until one is not cut; returns how many were."""
    number, broke = 0, True
    while broke:
        number += 1
        cut = Cut(number, after)
        with suppress(KeyboardInterrupt), closing(Studio(server.url, TOKEN, transport=cut)) as client:
            studio.push(store, "intents", studio=client)
        broke = cut.broke
    return number - 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_push_may_die_at_any_request(after: bool, server: Server) -> None:
    """Cut before or after each of its requests and given again, it leaves what an unbroken one leaves, there and here."""
    store, task = labeling(4, "single")
    linked(store, task, server.url, f"cut {after}")
    suggest(store, task, "model", "triage@1", {record_id(row): proposal("single", row) for row in range(4)})
    given = [Annotation(f"{row:032x}", "intents", record_id(row), "wang", "import", said("single", row)) for row in range(2)]  # fmt: skip
    put(store, task, given)
    assert broken_everywhere(store, server, after) > 3
    people = People(server, store, task)
    assert {row: len(one["annotations"]) for row, one in people.tasks().items()} == {0: 1, 1: 1, 2: 0, 3: 0}
    assert held(store, task) == {0: said("single", 0), 1: said("single", 1)}

    put(store, task, [replace(given[0], value=said("single", 1)), replace(given[1], state="withdrawn")])
    suggest(store, task, "model", "triage@2", {record_id(row): proposal("single", row, 0.7) for row in range(4)})
    assert broken_everywhere(store, server, after) > 3
    there = people.tasks()
    assert [len(one["predictions"]) for one in there.values()] == [1] * 4
    assert {row: len(one["annotations"]) for row, one in there.items()} == {0: 1, 1: 0, 2: 0, 3: 0}
    assert studio_json.read_answer(task, "", there[0]["annotations"][0]).value == said("single", 1)
    studio.pull(store, "intents", everything=True)
    assert [(one.annotator, one.value) for one in answers(store, task)] == [("wang", said("single", 1))]

    put(store, task, [replace(given[1], value=said("single", 3))])  # given again after it was withdrawn
    assert studio.push(store, "intents")["changed"] == 1
    assert len(people.tasks()[1]["annotations"]) == 1
    marker = read_link(store, "intents").marker
    everywhere = server.ask("GET", "/api/projects/", params={"page_size": 100})["results"]
    assert sum(marker in one["description"] for one in everywhere) == 1


def test_a_project_that_is_gone_is_made_anew(server: Server) -> None:
    store, task = labeling(2, "single")
    linked(store, task, server.url, "gone")
    studio.push(store, "intents")
    server.ask("DELETE", f"/api/projects/{read_link(store, 'intents').project}/")
    with pytest.raises(NotFoundError, match="/api/projects/"):
        studio.push(store, "intents")
    studio.link_task(store, "intents", None, None, anew=True)
    assert studio.push(store, "intents")["tasks"] == 2


def skerry(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from appliance.cli import main; main()", "label", *words, "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(*words: str) -> dict[str, Any]:
    """Give a command again until it is done: exit 9 says that Label Studio did not answer."""
    for _try in range(20):
        process = skerry(*words)
        out, err = process.communicate(timeout=600)
        if process.returncode == 0:
            found: dict[str, Any] = json.loads(out)
            return found
        assert process.returncode == 9, err
        time.sleep(1)
    raise AssertionError("it never ended")


def killed_when(happened: Callable[[], object], *words: str) -> None:
    """Kill -9 a command in the middle of its work."""
    process = skerry(*words)
    until(lambda: happened() or process.poll() is not None, 300)
    process.kill()
    process.communicate()


def test_a_thousand_tasks_survive_restarts_of_either_side(server: Server, tmp_path: Path) -> None:
    """Killed here and there while it sends, while people answer and while it fetches, both sides end with the same answers."""
    rows = 1000
    store, task = labeling(rows, "single", queued=0)
    linked(store, task, server.url, "a thousand")
    suggest(store, task, "model", "triage@1", {record_id(row): proposal("single", row % 40) for row in range(rows)})
    here = [Annotation(f"{row:032x}", "intents", record_id(row), "wang", "import", said("single", row)) for row in range(0, rows, 51)]  # fmt: skip
    put(store, task, here)
    people = People(server, store, task)

    def tasks_there() -> int:
        project = (find_link(store, "intents") or linked(store, task)).project
        return int(server.ask("GET", f"/api/projects/{project}/")["task_number"]) if project else 0

    killed_when(lambda: tasks_there() >= 200, "push", "intents", "--all")
    process = skerry("push", "intents", "--all")
    until(lambda: tasks_there() >= 600 or process.poll() is not None, 300)
    server.restart()
    process.communicate()
    finished("push", "intents", "--all")
    assert set(people.tasks()) == set(range(rows))
    assert [len(one["predictions"]) for one in people.tasks().values()] == [1] * rows

    for begin, end in ((1, 480), (481, 960)):
        people.answer(range(begin, end, 3))
        server.restart()
    people.change(1, says=2)
    people.delete(4)
    killed_when(lambda: len(held(store, task)) >= len(here) + 100, "pull", "intents")
    process = skerry("pull", "intents")
    server.restart()
    process.communicate()
    finished("pull", "intents")
    finished("push", "intents")

    there = {
        row: [studio_json.read_answer(task, "", made).value for made in one["annotations"]]
        for row, one in people.tasks().items()
        if one["annotations"]
    }
    assert [row for row, made in there.items() if len(made) != 1] == []
    assert {row: made[0] for row, made in there.items()} == held(store, task)
    assert len(list(answers(store, task))) == len(there) > 300
    assert (held(store, task)[1], 4 in held(store, task)) == (said("single", 2), False)
    assert store.audit()["ok"]


def test_a_suggestion_stands_on_its_word_in_a_browser(server: Server) -> None:
    """Label Studio's page counts code points: what is suggested behind emoji and rare Han is marked there, and nothing beside it."""
    sync_api = pytest.importorskip("playwright.sync_api")
    store, task = labeling(2, "spans")
    linked(store, task, server.url, "browser")
    shown = [f"{WORDS[row % 4]} {row}" for row in range(2)]
    word = {"start": shown[1].index("野"), "end": shown[1].index("野") + 1, "label": LABELS[1].id}
    suggest(store, task, "model", "triage@1", {record_id(1): {"spans": [word], "score": 0.5}})
    studio.push(store, "intents")
    people = People(server, store, task)
    project, tasks = read_link(store, "intents").project, people.tasks()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.set_default_timeout(120_000)
        page.goto(f"{server.url}/user/login/")
        page.fill("input[name=email]", "admin@example.org")
        page.fill("input[name=password]", "a long password")
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "login" not in url)
        page.wait_for_load_state("networkidle")
        page.goto(f"{server.url}/projects/{project}/data?task={tasks[1]['id']}")
        page.wait_for_selector(".htx-highlight")
        assert page.eval_on_selector_all(".htx-highlight", "all => all.map(one => one.textContent)") == ["野"]
        browser.close()


def test_nothing_of_all_this_asks_outside() -> None:
    """The exchange again, the server's start with it, in a namespace without a network: no call of either side leaves the machine."""
    program()
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        "long",
        __file__,
        "-k",
        "comes_back and single or calls_back",
    ]
    done, attempts = watch(sealed(command), environment=HOSTILE, cwd=ROOT, timeout_s=900)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    assert attempts == []
