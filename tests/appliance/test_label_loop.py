"""`skerry label loop` as a job: it asks, waits, learns, ends for a reason it names, trains in the end, and goes on behind its last step."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from appliance import jobs
from appliance.annotations import queue
from appliance.cli import app
from appliance.errors import ApplianceError, InputError, Interrupted, NotFoundError, SettingsError
from appliance.schema import LabelTask
from appliance.store import Store
from tests.labeling.people import answer_all, small_store, small_task


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SKERRY_BASES__FOLDER", str(tmp_path / "bases"))
    monkeypatch.setenv("SKERRY_TRAIN__BASE", "tiny")
    monkeypatch.setenv("SKERRY_TRAIN__METHOD", "probe")
    return small_store(tmp_path)


class Anna(threading.Thread):
    """One person who answers whatever waits, until told to stop."""

    def __init__(self, store: Store, task: LabelTask, truth: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self.store, self.made, self.truth, self.over = store, task, truth, threading.Event()

    def run(self) -> None:
        """Answer, a few records at a time."""
        while not self.over.is_set():
            answer_all(self.store, self.made, self.truth, most=10)
            time.sleep(0.05)

    def __enter__(self) -> Anna:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.over.set()
        self.join(30)


def loop(store: Store, **arguments: Any) -> dict[str, Any]:
    """Run the loop as the command line does."""
    return jobs.run(
        store,
        "label_loop",
        "appliance.pipeline:label_loop",
        {"task": "triage", "count": 25, "follow": False} | arguments,
    )


def test_it_asks_until_the_budget_is_spent(store: Store) -> None:
    task, truth = small_task(store)
    with Anna(store, task, truth):
        found = loop(store, budget=70)
    assert (found["ended"], found["labelled"]) == ("budget", 70)
    assert sum(each["queued"] for each in found["rounds"]) == len(queue(store, "triage")) == 70
    assert [each["batch"] for each in found["rounds"]] == sorted(each["batch"] for each in found["rounds"])
    assert [event.verb for event in store.events()].count("label-next") == len(found["rounds"])


def test_it_ends_when_nothing_is_left(store: Store) -> None:
    task, truth = small_task(store, rows=40)
    with Anna(store, task, truth):
        found = loop(store)
    assert (found["ended"], found["labelled"]) == ("all", 40)


def test_the_model_in_the_end_has_learnt_what_people_said(store: Store) -> None:
    task, truth = small_task(store)
    with Anna(store, task, truth):
        found = loop(store, budget=120, name="late")
    model = store.model(found["model"])
    assert sorted(model.meta["labels"]) == sorted(label.name for label in task.choices)
    assert store.dataset("tickets").id in model.parents


def test_a_cancelled_loop_goes_on_where_it_was(store: Store) -> None:
    """Nobody answers the second round: it waits, is cancelled, and given again it asks nothing anew."""
    task, truth = small_task(store)
    failed: list[BaseException] = []

    def first() -> None:
        try:
            loop(store, budget=50)
        except Interrupted as error:
            failed.append(error)

    runs = threading.Thread(target=first)
    runs.start()
    until = time.monotonic() + 60
    while answer_all(store, task, truth) < 25:
        assert time.monotonic() < until
        time.sleep(0.1)
    while len(queue(store, "triage", batch=2)) < 25:
        assert time.monotonic() < until
        time.sleep(0.1)
    jobs.cancel(store, store.jobs()[-1]["id"])
    runs.join(60)
    assert [type(error) for error in failed] == [Interrupted]
    with Anna(store, task, truth):
        found = loop(store, budget=50)
    assert (found["ended"], found["labelled"], len(queue(store, "triage"))) == ("budget", 50, 50)
    assert len(store.jobs()) == 1


def test_no_word_of_a_record_is_anywhere_but_in_its_data_set(store: Store) -> None:
    """Heads, embeddings, tables, events, logs of jobs: after all verbs of the loop no file outside the data sets holds a record's words."""
    task, truth = small_task(store, canary="Quixandria")
    jobs.run(store, "label_next", "appliance.pipeline:label_next", {"task": "triage", "count": 20})
    wanted = {"label": "card", "words": ["card"], "records": [next(iter(truth))], "examples": ["a card ."]}
    jobs.run(store, "label_seed", "appliance.pipeline:label_seed", {"task": "triage", "count": 5} | wanted)
    with Anna(store, task, truth):
        loop(store, budget=60, name="late")
    sets = store.home / "artifacts" / "dataset"
    files = [path for path in store.home.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [path for path in files if sets not in path.parents and b"Quixandria" in path.read_bytes()] == []
    assert any("Quixandria" in record.text for record in store.records(store.dataset("tickets")))


def skerry(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """Run `skerry label ... --json` and return the one object that it prints."""
    capsys.readouterr()
    app(["label", *arguments, "--json"], standalone_mode=False)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_verbs_choose_and_seed(store: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    small_task(store)
    found = skerry(capsys, "next", "triage", "--count", "12")
    assert (found["task"], found["batch"], found["queued"], found["waiting"]) == ("triage", 1, 12, 12)
    (tmp_path / "examples.txt").write_text("my card does not work\n我的银行卡有问题\n", "utf-8")
    given = ["--keyword", "card", "--keyword", "银行卡", "--example", str(tmp_path / "examples.txt"), "--count", "6"]
    found = skerry(capsys, "seed", "triage", "--label", "银行卡", *given)
    assert (found["label"], found["queued"]) == ("card", 6)
    assert {item.reason for item in queue(store, "triage")[:6]} == {"seed"}


def test_a_person_reads_lines_and_no_field_without_content(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    small_task(store)
    app(["label", "next", "triage"], standalone_mode=False)
    said = capsys.readouterr().out
    assert "queued: 20" in said
    assert "fell_back" not in said
    assert "accuracy" not in said


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("next", "nothing"), NotFoundError),
        (("next", "triage", "--model", "nothing"), NotFoundError),
        (("loop", "nothing", "--budget", "1"), NotFoundError),
        (("seed", "triage", "--label", "card"), SettingsError),
        (("seed", "triage", "--label", "weather", "--keyword", "rain"), InputError),
        (("seed", "triage", "--label", "card", "--keyword", " "), InputError),
        (("seed", "triage", "--label", "card", "--like", "f" * 32), InputError),
        (("seed", "triage", "--label", "card", "--example", "/nowhere/examples.txt"), InputError),
    ],
)
def test_what_cannot_be_done_says_why(store: Store, arguments: tuple[str, ...], error: type[ApplianceError]) -> None:
    small_task(store, rows=40)
    with pytest.raises(error):
        app(["label", *arguments], standalone_mode=False)
    assert queue(store, "triage") == []
