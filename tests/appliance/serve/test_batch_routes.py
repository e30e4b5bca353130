"""Batches over HTTP: uploaded, worked on in the background, resumed after a kill, seen by their owner alone."""

from __future__ import annotations

import io
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from appliance.api_keys import add_key
from appliance.serve.batch_routes import _parquet
from appliance.store import Store
from tests.servers import Server, home_with_release, running
from tests.tiny_onnx import text

SECRET = "110101194912310021"
LINES = {"content-type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def store_and_key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, str]:
    return home_with_release(tmp_path_factory.mktemp("batches"))


@pytest.fixture(scope="module")
def server(store_and_key: tuple[Store, str]) -> Iterator[Server]:
    store, key = store_and_key
    limits = {"SKERRY_SERVE__MAX_BATCH_BYTES": "4000000", "SKERRY_STORE__KEY_FOLDER": str(store.keys.path.parent)}
    with running(store.home, key, "--threads", "1", **limits) as started:  # type: ignore[arg-type]
        yield started


def ended(client: httpx.Client, identity: str, state: str = "done", seconds: float = 60) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while (found := client.get(f"/v1/batches/{identity}").json())["state"] in ("queued", "running"):
        assert time.monotonic() < until, found
        time.sleep(0.02)
    assert found["state"] == state, found
    return dict(found)


def results(client: httpx.Client, identity: str) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/batches/{identity}/results")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.content.splitlines()]


def many(rows: int) -> bytes:
    return b"".join(
        json.dumps({"text": text(20, number), "id": f"row-{number}"}).encode() + b"\n" for number in range(rows)
    )


def test_a_batch_gets_the_answers_that_requests_get(server: Server) -> None:
    texts = [text(3, number) for number in range(70)]
    made = server.client.post("/v1/batches", json={"inputs": texts, "probabilities": True})
    assert (made.status_code, made.headers["location"]) == (202, f"/v1/batches/{made.json()['id']}")
    batch = ended(server.client, made.json()["id"])
    assert (batch["total"], batch["done"], batch["failed"]) == (70, 70, 0)
    answer = server.client.post("/v1/predict", json={"inputs": texts, "probabilities": True}).json()
    expected = [
        {"index": index} | row | {"version": answer["version"]} for index, row in enumerate(answer["predictions"])
    ]
    assert results(server.client, batch["id"]) == expected
    assert batch["versions"] == {answer["version"]: 70}
    listed = server.client.get("/v1/batches").json()["data"]
    assert batch["id"] in [one["id"] for one in listed]


def test_lines_that_cannot_be_read_fail_alone(server: Server) -> None:
    lines = [b'"w1 w2"', b'{"text": "w3", "id": "a"}', b"{", b'{"text": 3}', b'"\\ud800"', b"", '"你好"'.encode()]
    made = server.client.post("/v1/batches?probabilities=false", content=b"\n".join(lines), headers=LINES)
    batch = ended(server.client, made.json()["id"])
    rows = results(server.client, batch["id"])
    assert [("error" in row) for row in rows] == [False, False, True, True, True, False]
    assert (batch["total"], batch["done"], batch["failed"]) == (6, 6, 3)
    assert rows[1]["id"] == "a"


def test_parquet_holds_the_same_rows(server: Server) -> None:
    made = server.client.post("/v1/batches", content=b'"w1"\n{', headers=LINES)
    batch = ended(server.client, made.json()["id"])
    answer = server.client.get(f"/v1/batches/{batch['id']}/results?format=parquet")
    rows = pq.read_table(io.BytesIO(answer.content)).to_pylist()
    lines = results(server.client, batch["id"])
    assert [row["label"] for row in rows] == [line.get("label") for line in lines]
    assert json.loads(rows[1]["error"]) == lines[1]["error"]
    assert server.client.get(f"/v1/batches/{batch['id']}/results?format=xml").status_code == 422


def test_parquet_is_written_by_the_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lies in the folder that the server was started in."""
    (tmp_path / "appliance").mkdir()
    (tmp_path / "appliance" / "__init__.py").write_text("raise SystemExit(0)")
    monkeypatch.chdir(tmp_path)
    assert b"".join(_parquet(iter([b'{"index": 0, "label": "card"}\n'])))[:4] == b"PAR1"


@pytest.mark.parametrize(
    ("query", "content", "kind", "status"),
    [
        ("", b"", "application/x-ndjson", 422),
        ("?model=other", b'"w1"', "application/x-ndjson", 404),
        ("?time_limit_s=0", b'"w1"', "application/x-ndjson", 422),
        ("?probabilities=1", b'"w1"', "application/x-ndjson", 422),
        ("", b'"%s"\n' % (b"w " * 1000) * 2_100, "application/x-ndjson", 413),
        ("", b"{", "application/json", 400),
        ("", b'{"inputs": []}', "application/json", 422),
        ("", b'{"inputs": ["w1"], "file": "/etc/passwd"}', "application/json", 422),
        ("", b'{"inputs": ["w1"], "time_limit_s": true}', "application/json", 422),
    ],
)
def test_what_is_no_batch_is_refused_and_leaves_nothing(
    server: Server, store_and_key: tuple[Store, str], query: str, content: bytes, kind: str, status: int
) -> None:
    folder = store_and_key[0].home / "projects" / "main" / "batches"
    before = sorted(folder.iterdir())
    with httpx.Client(base_url=server.url, headers=server.client.headers, trust_env=False) as own:
        answer = own.post(f"/v1/batches{query}", content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert sorted(folder.iterdir()) == before


def test_an_upload_may_be_larger_than_a_request(tmp_path: Path) -> None:
    store, key = home_with_release(tmp_path)
    limits = {"SKERRY_SERVE__MAX_BODY_BYTES": "2000", "SKERRY_SERVE__MAX_BATCH_BYTES": "3000000"}
    with running(store.home, key, **limits) as server:  # type: ignore[arg-type]
        assert server.client.post("/v1/predict", json={"inputs": ["w1 " * 1000]}).status_code == 413
        made = server.client.post("/v1/batches", content=b'"w1 w2 w3"\n' * 10_000, headers=LINES)
        assert made.json()["total"] == 10_000
        assert server.client.post("/v1/batches", content=b'"%s"' % (b"w" * 5000), headers=LINES).status_code == 413


def test_a_batch_is_its_owners_alone(server: Server, store_and_key: tuple[Store, str]) -> None:
    made = server.client.post("/v1/batches", json={"inputs": ["w1"]}).json()
    other = {"authorization": f"Bearer {add_key(store_and_key[0], 'ward-4')[1]}"}
    until = time.monotonic() + 10
    while server.client.get("/v1/batches", headers=other).status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert server.client.get("/v1/batches", headers=other).json()["data"] == []
    for method, path in (("GET", ""), ("GET", "/results"), ("POST", "/cancel"), ("POST", "/resume"), ("DELETE", "")):
        answer = server.client.request(method, f"/v1/batches/{made['id']}{path}", headers=other)
        assert answer.status_code == 404
    ended(server.client, made["id"])


def test_cancel_resume_and_delete(server: Server, store_and_key: tuple[Store, str]) -> None:
    made = server.client.post("/v1/batches", content=many(20_000), headers=LINES).json()
    assert server.client.get(f"/v1/batches/{made['id']}/results").status_code == 409
    assert server.client.post(f"/v1/batches/{made['id']}/cancel").json()["state"] == "cancelled"
    rows = results(server.client, made["id"])
    assert len(rows) < 20_000
    assert server.client.post(f"/v1/batches/{made['id']}/cancel").status_code == 409
    assert server.client.post(f"/v1/batches/{made['id']}/resume").json()["state"] == "queued"
    assert server.client.post(f"/v1/batches/{made['id']}/resume").status_code == 409
    assert server.client.delete(f"/v1/batches/{made['id']}").status_code == 204
    assert server.client.get(f"/v1/batches/{made['id']}").status_code == 404
    after = server.client.post("/v1/batches", json={"inputs": ["w1"]}).json()
    ended(server.client, after["id"])
    assert not (store_and_key[0].home / "projects" / "main" / "batches" / made["id"]).exists()


def test_a_batch_that_is_resumed_needs_room_as_a_new_one_does(tmp_path: Path) -> None:
    store, key = home_with_release(tmp_path)
    limits = {"SKERRY_SERVE__MAX_BATCHES": "1", "SKERRY_STORE__KEY_FOLDER": str(store.keys.path.parent)}
    with running(store.home, key, "--threads", "1", **limits) as server:  # type: ignore[arg-type]
        first = server.client.post("/v1/batches", content=many(20_000), headers=LINES).json()["id"]
        assert server.client.post(f"/v1/batches/{first}/cancel").status_code == 200
        second = server.client.post("/v1/batches", content=many(20_000), headers=LINES).json()["id"]
        assert server.client.post(f"/v1/batches/{first}/resume").status_code == 429
        assert server.client.post(f"/v1/batches/{second}/cancel").status_code == 200
        assert server.client.post(f"/v1/batches/{first}/resume").json()["state"] == "queued"


def test_requests_go_before_a_batch(server: Server) -> None:
    made = server.client.post("/v1/batches", content=many(20_000), headers=LINES).json()
    for number in range(20):
        assert server.client.post("/v1/predict", json={"inputs": [text(20, number)]}).status_code == 200
    during = server.client.get(f"/v1/batches/{made['id']}").json()
    assert during["state"] in ("queued", "running")
    assert server.client.delete(f"/v1/batches/{made['id']}").status_code == 204


def test_out_of_time_it_keeps_what_it_has_and_goes_on_when_told(server: Server) -> None:
    made = server.client.post("/v1/batches?time_limit_s=1", content=many(30_000), headers=LINES).json()
    batch = ended(server.client, made["id"], "expired")
    assert 0 < batch["done"] < 30_000
    assert len(results(server.client, made["id"])) == batch["done"]
    server.client.post(f"/v1/batches/{made['id']}/resume")
    again = ended(server.client, made["id"], "expired" if batch["done"] < 10_000 else "done")
    assert again["done"] > batch["done"]
    server.client.delete(f"/v1/batches/{made['id']}")


def test_a_server_that_is_stopped_or_killed_goes_on_and_no_row_is_lost_or_twice(tmp_path: Path) -> None:
    store, key = home_with_release(tmp_path)
    rows = 4_000
    identity = ""
    for end, code in ((signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)):
        with running(store.home, key, "--threads", "1") as server:
            if not identity:
                identity = server.client.post("/v1/batches", content=many(rows), headers=LINES).json()["id"]
            before = server.client.get(f"/v1/batches/{identity}").json()["done"]
            path = store.home / "projects" / "main" / "batches" / identity / "answers"
            size = path.stat().st_size if path.exists() else 0
            while not path.exists() or path.stat().st_size < size + 5_000:
                time.sleep(0.01)
            server.process.send_signal(end)
            assert server.process.wait(20) == code
        assert before < rows
    with running(store.home, key, "--threads", "1") as server:
        batch = ended(server.client, identity)
        answered = results(server.client, identity)
    assert (batch["done"], batch["failed"]) == (rows, 0)
    assert [row["index"] for row in answered] == list(range(rows))
    assert [row["id"] for row in answered] == [f"row-{number}" for number in range(rows)]


def test_without_the_key_file_no_batch_is_taken(tmp_path: Path) -> None:
    store, key = home_with_release(tmp_path)
    with running(store.home, key) as server:
        made = server.client.post("/v1/batches", json={"inputs": ["w1"]}).json()
        ended(server.client, made["id"])
    store.keys.path.rename(tmp_path / "elsewhere")
    with running(store.home, key) as server:
        assert server.client.get(f"/v1/batches/{made['id']}/results").status_code == 503
        answer = server.client.post("/v1/batches", json={"inputs": ["w1"]})
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:skerry:problem:no-keys")
        assert server.client.post("/v1/predict", json={"inputs": ["w1"]}).status_code == 200


def test_nothing_of_a_text_is_readable_in_the_home(server: Server, store_and_key: tuple[Store, str]) -> None:
    made = server.client.post("/v1/batches", json={"inputs": [SECRET]}).json()
    ended(server.client, made["id"])
    for path in store_and_key[0].home.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in server.file.read_text("utf-8")
