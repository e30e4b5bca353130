"""Label Studio's calls: who is let in, what a webhook does once, what the model answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from appliance.annotations import answers
from appliance.errors import BusyError, NotFoundError, PolicyError
from appliance.schema import Annotation
from appliance.store import Store
from labeling import backend as module
from labeling import studio
from labeling.backend import Backend, build_app, serve
from labeling.link import write_link
from tests import tiny_onnx
from tests.labeling.studio_rig import RECORDED, labeling, linked, record_id

PASSWORD = {"authorization": "Basic " + base64.b64encode(b"skerry:the secret of the webhooks").decode()}
HEADER = {studio.SECRET_HEADER: "the secret of the webhooks"}


class Rig:
    """A backend behind its gate, and the trainings that were asked for."""

    def __init__(self) -> None:
        self.store, self.task = labeling(6, "single")
        write_link(self.store, replace(linked(self.store, self.task), project=4))
        self.trainings: list[str] = []
        self.backend = Backend(self.store, "intents", "triage", self.train)
        self.client = TestClient(build_app(self.backend), raise_server_exceptions=False)

    def train(self, learnt: str) -> Mapping[str, Any]:
        self.trainings.append(learnt)
        return {"job": f"job{len(self.trainings)}"}

    def webhook(self, body: bytes, headers: Mapping[str, str] = HEADER) -> int:
        return int(self.client.post("/webhook", content=body, headers=dict(headers)).status_code)


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    with made.client:
        yield made


def recorded() -> list[bytes]:
    """The bodies that a real Label Studio sent when an answer was given, changed and deleted."""
    found: list[dict[str, Any]] = json.loads((RECORDED / "webhooks.json").read_text())
    return [json.dumps(one | {"project": one["project"] | {"id": 4}}).encode() for one in found]


# -- who is let in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/setup", "/predict", "/versions", "/webhook", "/anything"])
def test_nobody_is_let_in_without_the_secret(rig: Rig, path: str) -> None:
    """Neither without a secret nor with a wrong one, nor with the right one in the wrong place."""
    wrong = [{}, {studio.SECRET_HEADER: "x"}, {"authorization": "Basic !"}, {"authorization": "Basic " + base64.b64encode(b"skerry:x").decode()}]  # fmt: skip
    wrong += [{"authorization": "Basic " + base64.b64encode(b"root:the secret of the webhooks").decode()}]
    wrong += [{"authorization": "Bearer the secret of the webhooks"}]
    wrong += [HEADER] if path != "/webhook" else []
    for headers in wrong:
        assert rig.client.post(path, content=b"{}", headers=headers).status_code == 401
    assert rig.trainings == []
    assert not rig.backend.wake.is_set()


def test_everybody_may_ask_whether_it_lives(rig: Rig) -> None:
    for path in ("/", "/health"):
        assert rig.client.get(path).json()["status"] == "UP"


# -- webhooks ----------------------------------------------------------------------------------------------------------


def test_each_webhook_is_taken_once_and_wakes_the_fetching(rig: Rig) -> None:
    """Those of the real server are taken; every one of them that comes again is refused."""
    for body in recorded():
        rig.backend.wake.clear()
        assert rig.webhook(body) == 200
        assert rig.backend.wake.is_set()
    rig.backend.wake.clear()
    assert [rig.webhook(body) for body in recorded()] == [409] * len(recorded())
    assert not rig.backend.wake.is_set()


def test_a_replay_is_refused_after_a_restart(rig: Rig) -> None:
    body = recorded()[0]
    assert rig.webhook(body) == 200
    again = Backend(rig.store, "intents", "triage", rig.train)
    assert again.hear(body)[0] == 409


def test_a_torn_note_of_a_webhook_does_not_hide_the_others(rig: Rig) -> None:
    """A power cut leaves a part of a hash: what was noted before stays known, what comes after is noted whole."""
    first, second, *_more = recorded()
    assert rig.webhook(first) == 200
    with (rig.store.home / "projects" / "main" / "studio" / "intents.seen").open("ab") as file:
        file.write(b"torn")
    assert Backend(rig.store, "intents", "triage", rig.train).hear(second)[0] == 200
    again = Backend(rig.store, "intents", "triage", rig.train)
    assert [again.hear(first)[0], again.hear(second)[0]] == [409, 409]


def test_a_webhook_writes_nothing_that_it_says(rig: Rig) -> None:
    """It is a hint: a forged answer in a body that knows the secret reaches no table."""
    forged = json.loads(recorded()[0])
    forged["annotation"]["result"] = [{"type": "choices", "value": {"choices": ["aaaa0003"]}}]
    assert rig.webhook(json.dumps(forged).encode()) == 200
    assert list(answers(rig.store, rig.task)) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"action": "ANNOTATION_CREATED", "project": {"id": 5}}', 403),
        (b'{"action": "ANNOTATION_CREATED"}', 403),
        (b'{"action": "PROJECT_UPDATED", "project": {"id": 4}}', 200),
        (b'{"project": {"id": 4}}', 200),
        (b"[]", 422),
        (b"{", 422),
        (b"[" * 100_000, 422),
        (b"\xff\xfe", 422),
    ],
)
def test_what_is_no_webhook_of_this_project_does_nothing(rig: Rig, body: bytes, status: int) -> None:
    assert rig.webhook(body) == status
    assert not rig.backend.wake.is_set()


def test_a_body_that_never_ends_is_cut_off(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BODY_BYTES", 100)
    assert rig.webhook(b" " * 101) == 422


def test_answers_are_fetched_when_a_webhook_came(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of Label Studio ends nothing: the next webhook fetches again."""
    asked: list[str] = []

    def pull(_store: Store, task: str) -> dict[str, int]:
        asked.append(task)
        if len(asked) == 1:
            raise BusyError("down")
        rig.backend.over.set()
        return {"new": 1, "changed": 0, "withdrawn": 0}

    monkeypatch.setattr(studio, "pull", pull)
    monkeypatch.setattr(module, "_EVERY_S", 0.01)
    monkeypatch.setattr(module, "_STEP_S", 0.0)
    rig.backend.wake.set()
    rig.backend.follow()
    assert asked == ["intents", "intents"]


# -- the model ---------------------------------------------------------------------------------------------------------


def add_model(store: Store, seed: int = 0) -> str:
    labels = ("card lost", "transfer", "no label of the task")
    with store.draft("model", "triage", meta={"format": "onnx"}) as draft:
        tiny_onnx.write_model(draft.folder, "onnx", seed, labels)
    return str(draft.artifact.reference)


def tasks(count: int = 8) -> list[dict[str, Any]]:
    return [{"id": row, "data": {"text": tiny_onnx.text(5, row), "record": record_id(row)}} for row in range(count)]


def predict(rig: Rig, asked: Any) -> Any:
    body = json.dumps({"tasks": asked, "project": "4.1"})
    return rig.client.post("/predict", content=body, headers=PASSWORD)


def test_it_answers_for_its_own_project_only(rig: Rig) -> None:
    assert rig.client.post("/setup", json={"project": "4.1700000000", "schema": "<View/>"}, headers=PASSWORD).json() == {"model_version": "untrained"}  # fmt: skip
    assert rig.client.post("/setup", json={"project": "5.1700000000"}, headers=PASSWORD).status_code == 403


def test_before_a_model_is_trained_it_suggests_nothing(rig: Rig) -> None:
    found = predict(rig, tasks(2)).json()
    assert found == {"results": [{"result": [], "score": 0.0, "model_version": "untrained"}] * 2, "model_version": "untrained"}  # fmt: skip


def test_the_newest_model_answers_each_task(rig: Rig) -> None:
    """One result a task, in order, with the score that orders them; a new version of the model takes over without a restart."""
    first = add_model(rig.store)
    found = predict(rig, tasks()).json()
    assert found["model_version"] == first
    assert len(found["results"]) == 8
    for result in found["results"]:
        assert 0 <= result["score"] <= 1
        assert {choice for region in result["result"] for choice in region["value"]["choices"]} <= {"aaaa0001", "aaaa0002"}  # fmt: skip
    assert any(result["result"] for result in found["results"])
    second = add_model(rig.store, seed=1)
    assert predict(rig, tasks()).json()["model_version"] == second
    assert rig.client.get("/versions", headers=PASSWORD).json() == {"versions": [second]}


def test_odd_tasks_get_an_answer_each(rig: Rig) -> None:
    """Texts that are none, empty or with characters that no text has: as many results as tasks, or Label Studio throws all away."""
    add_model(rig.store)
    odd: list[Any] = [
        {},
        {"data": None},
        {"data": {"text": 7}},
        {"data": {"text": "\ud83d w1"}},
        {"data": {"text": ""}},
        "x",
    ]
    assert len(predict(rig, odd).json()["results"]) == len(odd)
    assert predict(rig, []).json()["results"] == []
    assert predict(rig, "all").status_code == 422


# -- training ----------------------------------------------------------------------------------------------------------

START = b'{"action": "START_TRAINING", "project": {"id": 4}}'


def test_a_training_is_queued_and_not_done_twice_for_the_same_answers(rig: Rig) -> None:
    """Pressed again when nobody has answered since, it has nothing to learn; with a new answer it has."""
    assert rig.client.post("/webhook", content=START, headers=PASSWORD).json() == {"status": "queued", "job": "job1"}
    learnt = rig.trainings[0]
    rig.store.add_job("j" * 12, "label_train", "f", "", "done")
    rig.store.update_job("j" * 12, result={"answers": learnt})
    assert rig.client.post("/webhook", content=START, headers=PASSWORD).json()["status"] == "nothing new to learn from"
    studio.answers_of.put(rig.store, rig.task, [Annotation("ab" * 16, "intents", record_id(0), "li", "import", {"label": "aaaa0001"})])  # fmt: skip
    assert rig.client.post("/webhook", content=START, headers=PASSWORD).json()["job"] == "job2"
    assert rig.trainings[1] != learnt


def test_a_training_that_runs_is_left_alone(rig: Rig) -> None:
    def busy(_learnt: str) -> Mapping[str, Any]:
        raise BusyError("it runs")

    rig.backend.train = busy
    assert rig.client.post("/webhook", content=START, headers=PASSWORD).json() == {"status": "running"}


# -- starting ----------------------------------------------------------------------------------------------------------


def test_a_task_without_a_project_has_no_backend() -> None:
    store, task = labeling(2)
    with pytest.raises(NotFoundError, match="skerry label push intents --url"):
        Backend(store, "intents", "triage", lambda _learnt: {})
    linked(store, task)
    with pytest.raises(NotFoundError, match="first run `skerry label push intents`"):
        Backend(store, "intents", "triage", lambda _learnt: {})


def test_a_network_address_needs_tls(rig: Rig) -> None:
    with pytest.raises(PolicyError, match="--tls-cert"):
        serve(rig.backend, "0.0.0.0", 0)


def test_what_goes_wrong_is_told_without_details(rig: Rig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    """A bug answers 500 and quotes nothing; a fault of ours says what to do."""

    def fails(_tasks: Any) -> Any:
        raise RuntimeError("my card is gone")

    monkeypatch.setattr(rig.backend, "predict", fails)
    answer = predict(rig, tasks(1))
    assert (answer.status_code, answer.json()) == (500, {"error": "the backend failed"})
    assert "my card" not in capsys.readouterr().err
