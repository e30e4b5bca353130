"""Releases of a real server: its canary's share, feedback, the hash of what answers, and swaps under load."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from appliance.api_keys import add_key
from appliance.release.registry import promote, releases, rollback
from appliance.schema import Event, Model
from appliance.store import Store
from tests.loading import load_here
from tests.servers import Server, open_store, running
from tests.tiny_onnx import add_model, text, write_model

TEXT = text(9, seed=4)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Model, Model, str]:
    store = open_store(tmp_path_factory.mktemp("releases"))
    first, second = (add_model(store, seed=seed) for seed in range(2))
    promote(store, first, "triage")
    return store, first, second, add_key(store, "tester")[1]


@pytest.fixture(scope="module")
def server(site: tuple[Store, Model, Model, str]) -> Iterator[Server]:
    store, _first, _second, key = site
    with running(store.home, key, "--threads", "1", SKERRY_STORE__KEY_FOLDER=str(store.keys.path.parent)) as started:
        yield started


def versions(server: Server, sessions: int) -> Counter[str]:
    """Ask once for each of so many sessions; count which version answered."""
    asked = (
        server.client.post("/v1/predict", json={"inputs": [TEXT]}, headers={"x-session": f"s{n}"})
        for n in range(sessions)
    )
    return Counter(answer.headers["x-model-version"] for answer in asked)


def wait_until(server: Server, version: str, sessions: int = 40) -> None:
    until = time.monotonic() + 15
    while version not in versions(server, sessions):
        assert time.monotonic() < until, server.lines()
        time.sleep(0.1)


def test_every_answer_names_the_hash_of_what_was_loaded(site: tuple[Store, Model, Model, str], server: Server) -> None:
    store, first, _second, _key = site
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": [TEXT]}
    answers = [
        server.client.post("/v1/predict", json={"inputs": [TEXT]}),
        server.client.post("/v2/models/triage/infer", json={"inputs": [tensor]}),
    ]
    for answer in answers:
        assert answer.headers["x-model-sha256"] == first.id == store.model(first.reference).id


def test_a_canary_answers_its_share_and_says_so(site: tuple[Store, Model, Model, str], server: Server) -> None:
    store, first, second, _key = site
    promote(store, second, "triage", "canary", percent=50)
    wait_until(server, second.id[:12])
    found = versions(server, 200)
    assert set(found) == {first.id[:12], second.id[:12]}
    assert 60 <= found[second.id[:12]] <= 140
    listed = server.client.get("/v2/models/triage").json()["versions"]
    assert listed == [first.id[:12], second.id[:12]]
    (told,) = server.client.get("/v1/releases").json()["data"]
    assert (told["name"], told["live"]["sha256"], told["shadow"]) == ("triage", first.id, None)
    assert (told["canary"]["sha256"], told["canary"]["percent"]) == (second.id, 50)
    assert set(told["canary"]["metrics"]) == {"errors", "latency", "accuracy"}
    named = server.client.get(f"/v2/models/triage/versions/{second.id[:12]}/ready")
    assert named.json()["ready"] is True
    rollback(store, "triage")
    server.wait_for("release loaded", 3)
    assert set(versions(server, 40)) == {first.id[:12]}


def test_a_judgement_of_an_answer_is_taken(server: Server) -> None:
    answer = server.client.post("/v1/predict", json={"inputs": [TEXT]})
    label, identity = answer.json()["predictions"][0]["label"], answer.headers["x-request-id"]
    judged = server.client.post("/v1/feedback", json={"prediction_id": f"{identity}/0", "label": label})
    assert (judged.status_code, judged.json()["right"], judged.json()["kept"]) == (200, True, True)
    assert server.client.post("/v1/feedback", json={"request_id": "nothing", "label": label}).status_code == 404
    assert server.metric("skerry_feedback_total") == 1
    stranger = httpx.post(f"{server.url}/v1/feedback", json={"request_id": identity, "label": label}, trust_env=False)
    assert stranger.status_code == 401
    assert "/v1/feedback" in server.client.get("/openapi.json").json()["paths"]


def test_a_shadow_answers_copies_that_nobody_sees(site: tuple[Store, Model, Model, str], server: Server) -> None:
    store, first, second, _key = site
    promote(store, second, "triage", "shadow")
    server.wait_for("release loaded", 4)
    assert set(versions(server, 30)) == {first.id[:12]}
    until = time.monotonic() + 10
    while server.metric("skerry_shadow_texts_total") < 30:
        assert time.monotonic() < until
        time.sleep(0.05)
    rollback(store, "triage")


QUICK = {
    "SKERRY_RELEASE__CANARY_PERCENTS": "[50, 100]",
    "SKERRY_RELEASE__STEP_REQUESTS": "20",
    "SKERRY_RELEASE__STEP_S": "0",
    "SKERRY_RELEASE__MAX_ERROR_RISE": "0.2",
    "SKERRY_RELEASE__MAX_SLOW_RISE": "0.8",
}


def add_broken(store: Store) -> Model:
    """Register a model that loads and then answers no text: its scores are no numbers."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    with store.draft("model", "broken", meta={"format": "onnx"}) as draft:
        write_model(draft.folder, "onnx")
        model = onnx.load(draft.folder / "model.onnx")
        bias = next(constant for constant in model.graph.initializer if constant.name == "bias")
        bias.CopyFrom(numpy_helper.from_array(np.full(3, np.nan, np.float32), "bias"))
        onnx.save(model, draft.folder / "model.onnx")
    broken: Model = draft.artifact
    return broken


def ask_until_decided(store: Store, server: Server) -> Event:
    """Let sessions ask until there is no canary any more; returns the event that says why."""
    until = time.monotonic() + 40
    while releases(store.home, "main")[0].canary:
        versions(server, 50)
        assert time.monotonic() < until, server.lines()
    return Store.open(store.home, settings=store.settings).events("triage")[-1]


def test_the_server_rolls_a_bad_canary_back_and_lets_a_good_one_go_live(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    live, good, broken = add_model(store, seed=0), add_model(store, seed=1), add_broken(store)
    promote(store, live, "triage")
    with running(store.home, add_key(store, "tester")[1], "--threads", "1", **QUICK) as server:  # type: ignore[arg-type]
        promote(store, broken, "triage", "canary", percent=50)
        event = ask_until_decided(store, server)
        assert (event.verb, event.actor, event.details["reason"]) == ("rollback", "guard", "errors")
        assert event.artifacts == (live.id, broken.id)
        assert server.client.get("/v2/models/triage").json()["versions"] == [live.id[:12]]
        promote(store, good, "triage", "canary", percent=50)
        event = ask_until_decided(store, server)
        assert (event.verb, event.actor, event.details["stage"]) == ("promote", "guard", "live")
        assert releases(store.home, "main")[0].version == good.id
        assert server.client.post("/v1/predict", json={"inputs": [TEXT]}).headers["x-model-sha256"] == good.id
        assert server.metric("skerry_release_changes_total") == 2
    assert store.audit()["ok"]


class Load(threading.Thread):
    """A client that asks on and on, and holds every answer against the version that it names."""

    def __init__(self, server: Server, key: str, expected: dict[str, str]) -> None:
        super().__init__()
        self.server, self.key, self.expected = server, key, expected
        self.over = threading.Event()
        self.seen: Counter[str] = Counter()
        self.faults: list[str] = []
        self.start()

    def run(self) -> None:
        """Ask until it is over."""
        headers = {"authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=self.server.url, headers=headers, timeout=30, trust_env=False) as client:
            while not self.over.is_set():
                answer = client.post("/v1/predict", json={"inputs": [TEXT, TEXT]})
                version = answer.headers.get("x-model-version", "none")
                self.seen[version] += 1
                if answer.status_code != 200:
                    self.faults.append(f"status {answer.status_code}")
                elif {repr(row["score"]) for row in answer.json()["predictions"]} != {self.expected[version]}:
                    self.faults.append("an answer of another version")
                time.sleep(0.005)


def swaps(site: tuple[Store, Model, Model, str], server: Server, count: int) -> list[Load]:
    """Promote and roll back `count` times under the load of three clients."""
    store, first, second, key = site
    expected = {model.id[:12]: repr(load_here(model.folder).predict([TEXT])[0].score) for model in (first, second)}
    assert len(set(expected.values())) == 2
    clients = [Load(server, key, expected) for _client in range(3)]
    loaded = sum(line["event"] == "release loaded" for line in server.lines())
    for turn in range(count):
        if turn % 2:
            rollback(store, "triage", "live")
        else:
            promote(store, second, "triage")
        server.wait_for("release loaded", loaded + turn + 1)
    for client in clients:
        client.over.set()
        client.join(60)
    assert releases(store.home, "main")[0].version == (second if count % 2 else first).id
    return clients


def test_swaps_under_load_fail_no_request_and_mix_no_versions(
    site: tuple[Store, Model, Model, str], server: Server
) -> None:
    clients = swaps(site, server, 4)
    assert [client.faults for client in clients] == [[], [], []]
    assert all(len(client.seen) == 2 for client in clients)


@pytest.mark.long
def test_a_thousand_swaps_under_load_fail_no_request_and_mix_no_versions(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    first, second = (add_model(store, seed=seed) for seed in range(2))
    promote(store, first, "triage")
    key = add_key(store, "tester")[1]
    with running(store.home, key, "--threads", "1") as server:
        swaps((store, first, second, key), server, 2)
        before = resident_bytes(server)
        clients = swaps((store, first, second, key), server, 1000)
        assert [client.faults for client in clients] == [[], [], []]
        assert resident_bytes(server) < 1.25 * before  # what no longer serves is let go


def resident_bytes(server: Server) -> int:
    """The memory of the server and its engine process."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in (server.process.pid, *children)]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")
