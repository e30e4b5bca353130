"""The training that Label Studio's button queues: from people's answers to a model that suggests."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance import jobs
from appliance.annotations import answers, enqueue
from appliance.cli import app
from appliance.errors import InputError, NotFoundError
from appliance.schema import QueueItem
from appliance.store import Store
from labeling.backend import Backend
from labeling.link import Link, write_link
from labeling.texts import Texts, dataset_of
from tests.labeling.people import answer_all, small_store, small_task


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SKERRY_BASES__FOLDER", str(tmp_path / "bases"))
    monkeypatch.setenv("SKERRY_TRAIN__BASE", "tiny")
    monkeypatch.setenv("SKERRY_TRAIN__METHOD", "probe")
    return small_store(tmp_path)


def test_a_queued_training_learns_and_suggests(store: Store) -> None:
    """A hundred answers, the worker, a model of that name; what waits has its suggestions, and the backend answers with it."""
    task, truth = small_task(store, rows=120)
    ids = Texts(store, dataset_of(store, task)).ids
    enqueue(store, task, [QueueItem("triage", record, row, 1, row, "seed") for row, record in enumerate(ids)])
    assert answer_all(store, task, truth, most=100) == 100

    def train(learnt: str) -> dict[str, str]:
        arguments = {"task": "triage", "name": "helper", "answers": learnt}
        return jobs.run(store, "label_train", "appliance.pipeline:label_train", arguments, background=True)

    made = Link("triage", "http://127.0.0.1:1", "ab" * 16, "token", "secret", project=4)
    write_link(store, made)
    backend = Backend(store, "triage", "helper", train)
    status, said = backend.hear(b'{"action": "START_TRAINING", "project": {"id": 4}}')
    assert (status, said["status"], said["state"]) == (201, "queued", "queued")
    jobs.work(store, once=True)
    assert store.job(said["job"])["state"] == "failed"  # nobody answers at port 1
    (store.home / "projects" / "main" / "studio" / "triage.json").unlink()
    done = jobs.resume(store, said["job"])
    assert done["model"].startswith("helper@")
    proposed = list(answers(store, task, sources=("model",)))
    assert len(proposed) == 20
    assert {one.annotator for one in proposed} == {done["model"]}
    assert backend.version() == done["model"]
    assert len(backend.predict([{"data": {"text": "card"}}, {"data": {"text": "卡"}}])["results"]) == 2
    assert backend.hear(b'{"action": "START_TRAINING", "project": {"id": 4}}')[1]["status"].startswith("nothing new")


def test_the_verbs_say_what_is_missing(store: Store, tmp_path: Path) -> None:
    """Without a task, a link, or a token that is one."""
    small_task(store, rows=8)
    token = tmp_path / "token"
    token.write_text("one\ntwo\n")
    for words, error, says in [
        (["pull", "triage"], NotFoundError, "--token-file"),
        (["push", "nothing", "--url", "http://127.0.0.1:1"], NotFoundError, "no labeling task"),
        (["push", "triage", "--url", "http://127.0.0.1:1", "--token-file", str(token)], InputError, "one line"),
        (["backend", "triage", "--model", "helper"], NotFoundError, "--token-file"),
    ]:
        with pytest.raises(error, match=says):
            app(["label", *words], standalone_mode=False)
