"""Judgements: only of one's own answers, once, without any text, and kept under a key."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import IntegrityError
from appliance.monitor.prometheus import Metrics
from appliance.release.registry import promote
from appliance.schema import Prediction
from appliance.serve.feedback import Feedback, parse_feedback, read_feedback
from appliance.serve.problems import Problem
from appliance.serve.router import Router
from appliance.serve.service import Answered
from appliance.settings import ReleaseSettings
from appliance.store import Store
from tests.loading import load_here
from tests.tiny_onnx import LABELS, add_model

SECRET = "110101194912310021"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.open(tmp_path / "home")
    promote(store, add_model(store), "triage")
    promote(store, add_model(store, seed=1), "triage", "canary")
    return store


class Desk:
    """A server's feedback, and what it tells the guard."""

    def __init__(self, store: Store, **settings: Any) -> None:
        self.told: list[tuple[str, str, bool]] = []
        self.metrics = Metrics()
        self.router = Router(store.home, "main", 0.0, self.metrics, load_here)  # type: ignore[arg-type]
        self.router.load()
        self.feedback = Feedback(
            store.home,
            "main",
            store.keys,
            ReleaseSettings(**settings),
            self.metrics,
            lambda *one: self.told.append(one),
        )

    def answer(self, request: str, *labels: str | None, key: str = "ann", version: str | None = None) -> None:
        """Let the server have answered a request so."""
        served = self.router.pick("triage", version, key)
        answers: list[Any] = [Prediction(label, 0.9) for label in labels]
        self.feedback.answered(Answered(served, [SECRET] * len(labels), answers, 200, 0.1, request, key, "predict"))

    def judge(self, request: str, index: int, label: str, key: str = "ann") -> dict[str, Any]:
        """Judge one answer."""
        return asyncio.run(self.feedback.judge(key, request, index, label))


def test_a_judgement_counts_once_and_reaches_the_guard(store: Store) -> None:
    desk = Desk(store)
    desk.answer("r1", LABELS[0], LABELS[1])
    first = desk.judge("r1", 1, LABELS[1])
    assert (first["right"], first["counted"], first["kept"]) == (True, True, True)
    assert desk.judge("r1", 1, LABELS[0])["counted"] is False
    assert desk.judge("r1", 0, LABELS[1])["right"] is False
    version = desk.router.pick("triage", None, "ann").release.version
    assert desk.told == [("triage", version, True), ("triage", version, False)]
    labels = {"model": "triage", "version": version[:12]}
    for verdict in ("right", "wrong"):
        found = desk.metrics.registry.get_sample_value("skerry_feedback_total", labels | {"verdict": verdict})
        assert found == 1


def test_nobody_judges_anothers_answers(store: Store) -> None:
    desk = Desk(store)
    desk.answer("r1", LABELS[0])
    with pytest.raises(Problem) as caught:
        desk.judge("r1", 0, LABELS[0], key="bo")
    assert caught.value.status == 404
    desk.answer("r1", LABELS[1], key="bo")
    assert desk.judge("r1", 0, LABELS[0])["right"] is True  # two keys may use one request id


@pytest.mark.parametrize(("index", "label", "field"), [(1, LABELS[0], "index"), (0, SECRET, "label")])
def test_what_the_answer_does_not_have_is_refused(store: Store, index: int, label: str, field: str) -> None:
    desk = Desk(store)
    desk.answer("r1", LABELS[0])
    with pytest.raises(Problem) as caught:
        desk.judge("r1", index, label)
    assert (caught.value.status, caught.value.field) == (422, field)
    assert SECRET not in str(caught.value)


def test_an_answer_without_a_label_is_neither_right_nor_wrong(store: Store) -> None:
    desk = Desk(store)
    desk.answer("r1", None)
    assert desk.judge("r1", 0, LABELS[0])["right"] is None
    assert desk.told == []


def test_an_answer_of_a_version_by_name_does_not_reach_the_guard(store: Store) -> None:
    desk = Desk(store)
    desk.answer("r1", LABELS[0], version=desk.router.pick("triage").version)
    assert desk.judge("r1", 0, LABELS[0])["counted"] is True
    assert desk.told == []


def test_only_the_newest_answers_are_remembered(store: Store) -> None:
    desk = Desk(store, feedback_requests=2)
    for number in range(3):
        desk.answer(f"r{number}", LABELS[0])
    with pytest.raises(Problem):
        desk.judge("r0", 0, LABELS[0])
    assert desk.judge("r1", 0, LABELS[0])["right"] is True


def test_judgements_are_kept_sealed_and_without_text(store: Store) -> None:
    desk = Desk(store)
    desk.answer("r1", LABELS[0], LABELS[1])
    for index in range(2):
        desk.judge("r1", index, LABELS[0])
    kept = list(read_feedback(store.home, "main", store.keys))
    assert [(one["request_id"], one["index"], one["label"], one["right"]) for one in kept] == [
        ("r1", 0, 0, True),
        ("r1", 1, 0, False),
    ]
    (file,) = (store.home / "projects" / "main" / "feedback").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    content = file.read_bytes()
    assert b"r1" not in content and SECRET.encode() not in content
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(IntegrityError):
        list(read_feedback(store.home, "main", store.keys))


def test_a_full_file_or_a_missing_key_keeps_nothing_and_counts_all_the_same(store: Store) -> None:
    desk = Desk(store, feedback_bytes=1024)
    desk.answer("r1", *[LABELS[0]] * 20)
    kept = [desk.judge("r1", index, LABELS[0])["kept"] for index in range(20)]
    assert kept[0] and not kept[-1]
    store.keys.path.unlink()
    keyless = Desk(Store.open(store.home))
    keyless.answer("r2", LABELS[0])
    found = keyless.judge("r2", 0, LABELS[0])
    assert (found["right"], found["counted"], found["kept"]) == (True, True, False)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"request_id": "r1", "label": "card"}', ("r1", 0, "card")),
        (b'{"request_id": "r1", "index": 3, "label": "card"}', ("r1", 3, "card")),
        (b'{"prediction_id": "r.1-x/12", "label": "card"}', ("r.1-x", 12, "card")),
    ],
)
def test_bodies_are_read(body: bytes, found: tuple[str, int, str]) -> None:
    assert parse_feedback(body) == found


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 422),
        (b'{"label": "card"}', 422),
        (b'{"request_id": "r1"}', 422),
        (b'{"request_id": 1, "label": "card"}', 422),
        (b'{"request_id": "r1", "index": -1, "label": "card"}', 422),
        (b'{"request_id": "r1", "index": true, "label": "card"}', 422),
        (b'{"request_id": "r1", "label": "card", "text": "x"}', 422),
        (b'{"prediction_id": "r1", "label": "card"}', 422),
        (b'{"prediction_id": "r1/x", "label": "card"}', 422),
        (b'{"prediction_id": "r1/1", "index": 1, "label": "card"}', 422),
    ],
)
def test_wrong_bodies_are_refused(body: bytes, status: int) -> None:
    with pytest.raises(Problem) as caught:
        parse_feedback(body)
    assert caught.value.status == status
