"""The HTTP interface of a real server: answers, refusals, and the same bits alone and under load."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from appliance.api_keys import add_key, revoke_key
from appliance.engine import on_onnx
from appliance.release.registry import promote, rollback
from appliance.store import Store
from tests.servers import Server, home_with_release, running
from tests.tiny_ngrams import add_ngrams
from tests.tiny_onnx import LABELS, MAX_TOKENS, add_model, text

SECRET = "110101194912310021"


@pytest.fixture(scope="module")
def store_and_key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, str]:
    return home_with_release(tmp_path_factory.mktemp("serve"))


@pytest.fixture(scope="module")
def server(store_and_key: tuple[Store, str]) -> Iterator[Server]:
    store, key = store_and_key
    with running(store.home, key, SKERRY_SERVE__MAX_BODY_BYTES="200000", SKERRY_SERVE__LOG_REQUESTS="true") as started:
        yield started


def ask(server: Server, *texts: str, **more: Any) -> httpx.Response:
    return server.client.post("/v1/predict", json={"inputs": list(texts)} | more)


def infer(server: Server, *texts: str, path: str = "/v2/models/triage/infer", **more: Any) -> httpx.Response:
    tensor = {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": list(texts)}
    return server.client.post(path, json={"inputs": [tensor]} | more)


# -- answers -------------------------------------------------------------------------------------------------------------


def test_predict_answers_each_text(server: Server) -> None:
    answer = ask(server, text(3), text(9), probabilities=True)
    assert answer.status_code == 200
    body = answer.json()
    assert body["model"] == "triage"
    assert answer.headers["x-model-version"] == body["version"]
    assert len(body["version"]) == 12
    for row in body["predictions"]:
        assert set(row["probabilities"]) == set(LABELS)
        assert row["probabilities"][row["label"]] == row["score"] == max(row["probabilities"].values())
        assert abs(sum(row["probabilities"].values()) - 1) < 1e-9
        assert row["truncated"] is False
    assert "probabilities" not in ask(server, text(3)).json()["predictions"][0]


def test_a_long_text_is_answered_and_flagged(server: Server) -> None:
    before = server.metric("skerry_truncated_total")
    assert ask(server, text(MAX_TOKENS * 3)).json()["predictions"][0]["truncated"] is True
    assert server.metric("skerry_truncated_total") == before + 1


def test_every_route_tells_of_texts_that_were_cut(server: Server) -> None:
    """Tensors and vectors have no place for a flag."""
    for long in (0, 1):
        texts = ["w1", text(MAX_TOKENS * 3 * long), text(MAX_TOKENS * 4 * long)]
        tensor = {"name": "text", "shape": [3], "datatype": "BYTES", "data": texts}
        bodies = {
            "/v1/predict": {"inputs": texts},
            "/v1/embeddings": {"input": texts},
            "/v2/models/triage/infer": {"inputs": [tensor]},
        }
        found = [server.client.post(path, json=body).headers.get("x-truncated-texts") for path, body in bodies.items()]
        assert found == (["2"] * 3 if long else [None] * 3)


def test_a_poisoned_text_does_not_fail_the_others(server: Server) -> None:
    answer = server.client.post("/v1/predict", content=b'{"inputs": ["w1", "\\ud800", ""]}')
    assert answer.status_code == 200
    good, bad, empty = answer.json()["predictions"]
    assert good["label"] in LABELS and empty["label"] in LABELS
    assert set(bad) == {"error"} and "surrogate" in bad["error"]["detail"]


def test_timings_and_ids_come_with_the_answer(server: Server) -> None:
    answer = server.client.post("/v1/predict", json={"inputs": ["w1"]}, headers={"x-request-id": "ward-3.0001"})
    assert answer.headers["x-request-id"] == "ward-3.0001"
    assert answer.headers["server-timing"].startswith("queue;dur=")
    made = {ask(server, "w1").headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    forged = server.client.get("/v2/health/live", headers={"x-request-id": "a b"})
    assert forged.headers["x-request-id"] != "a b"
    assert "server" not in answer.headers


def test_a_trace_goes_on_and_a_wrong_one_is_not_taken_up(server: Server) -> None:
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"  # W3C Trace Context, the example of 3.2.2
    answer = server.client.get("/v2/health/live", headers={"traceparent": f"00-{trace}-{span}-01"})
    version, found, own, flags = answer.headers["traceparent"].split("-")
    assert (version, found, flags) == ("00", trace, "01")
    assert own != span and len(own) == 16
    wait_until(lambda: any(line.get("trace") == trace for line in server.lines()))
    later = server.client.get("/v2/health/live", headers={"traceparent": f"cc-{trace}-{span}-01-what"})
    assert later.headers["traceparent"].startswith(f"00-{trace}-")
    for wrong in (f"00-{trace}-{span}-01-what", f"ff-{trace}-{span}-01", f"00-{'0' * 32}-{span}-01", SECRET):
        assert "traceparent" not in server.client.get("/v2/health/live", headers={"traceparent": wrong}).headers


def test_the_hash_of_what_is_loaded_is_the_registrys(server: Server, store_and_key: tuple[Store, str]) -> None:
    model = store_and_key[0].model("triage")
    for answer in (ask(server, "w1"), infer(server, "w1")):
        assert answer.headers["x-model-sha256"] == model.id
        assert answer.headers["x-model-version"] == model.id[:12]


def test_an_explanation_tells_what_each_word_did(server: Server) -> None:
    value = text(7)
    (row,) = ask(server, value, explain=True, probabilities=True).json()["predictions"]
    (plain,) = ask(server, value, probabilities=True).json()["predictions"]
    pieces = row.pop("explanation")
    assert row == plain
    assert [piece["word"] for piece in pieces] == value.split()
    for piece in pieces:
        assert value[piece["start"] : piece["end"]] == piece["word"]
        (shorter,) = ask(server, value[: piece["start"]] + value[piece["end"] :], probabilities=True).json()[
            "predictions"
        ]
        assert piece["change"] == plain["probabilities"][plain["label"]] - shorter["probabilities"][plain["label"]]
        assert piece["label"] == shorter["label"]
    assert ask(server, "w1", "w2", explain=True).status_code == 422
    assert ask(server, "...", explain=True).json()["field"] == "inputs[0]"


def test_embeddings_come_as_openais_clients_ask(server: Server, store_and_key: tuple[Store, str]) -> None:
    texts = [text(3), text(70), "你好"]
    answer = server.client.post("/v1/embeddings", json={"input": texts, "model": "triage"})
    body = answer.json()
    assert (body["object"], body["model"]) == ("list", "triage")
    assert [(row["object"], row["index"]) for row in body["data"]] == [("embedding", index) for index in range(3)]
    vectors = [row["embedding"] for row in body["data"]]
    loaded = on_onnx.load(store_and_key[0].model("triage").folder)
    assert vectors == [loaded.embed([one])[0].tolist() for one in texts]
    tokens = sum(min(len(one.split()) + 2, MAX_TOKENS) for one in texts)
    assert body["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert answer.headers["x-model-sha256"] == store_and_key[0].model("triage").id
    single = server.client.post("/v1/embeddings", json={"input": texts[0], "encoding_format": "base64"}).json()
    raw = base64.b64decode(single["data"][0]["embedding"])
    assert list(struct.unpack(f"<{len(raw) // 4}f", raw)) == vectors[0]


def test_below_the_limit_of_the_release_there_is_no_label(tmp_path: Path) -> None:
    store, key = home_with_release(tmp_path)
    promote(store, store.model("triage"), "triage", min_score=0.999)
    with running(store.home, key) as server:
        rows = ask(server, *(text(5, seed) for seed in range(8))).json()["predictions"]
    assert any(row.get("abstained") for row in rows)
    assert all(row.get("abstained", False) == (row["label"] is None) == (row["score"] < 0.999) for row in rows)


# -- refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic dTpw", "Bearer"])
@pytest.mark.parametrize(
    "path", ["/v1/predict", "/v1/models", "/metrics", "/v2", "/v2/models/triage", "/nothing", "//v1/models"]
)
def test_without_a_key_there_is_nothing(server: Server, path: str, header: str | None) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as stranger:
        answer = stranger.request(
            "POST" if "predict" in path else "GET",
            server.url + path,
            headers={"authorization": header} if header else {},
        )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert set(answer.json()) == (
        {"error"} if path.startswith("/v2") else {"type", "title", "status", "detail", "request_id"}
    )


@pytest.mark.parametrize(
    "path", ["/v2/health/live", "/v2/health/ready", "/docs", "/docs/static/start.js", "/openapi.json"]
)
def test_health_and_description_need_no_key(server: Server, path: str) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as stranger:
        assert stranger.get(path).status_code == 200


def test_a_problem_is_rfc_9457(server: Server) -> None:
    answer = ask(server, "w1", model="other")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    body = answer.json()
    assert (body["status"], body["request_id"]) == (404, answer.headers["x-request-id"])
    assert body["type"] == "urn:skerry:problem:not-found"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/predict", None, 405),
        ("POST", "/v1/models", b"{}", 405),
        ("GET", "/nothing", None, 404),
        ("PUT", "/v1/batches", None, 405),
        ("GET", "/v1/batches/" + "0" * 32, None, 404),
        ("GET", "/v1/batches/..%2f..%2freleases", None, 404),
        ("GET", "/v1/batches/../../home.json", None, 404),
        ("POST", "/v1/embeddings", b'{"input": 3}', 422),
        ("POST", "/v1/embeddings", b'{"input": [[1, 2]]}', 422),
        ("POST", "/v1/embeddings", b'{"input": "w1", "dimensions": 7}', 422),
        ("POST", "/v1/embeddings", b'{"input": "w1", "encoding_format": "hex"}', 422),
        ("POST", "/v1/embeddings", b'{"input": ["\\ud800"]}', 422),
        ("GET", "/docs/static/../../run.py", None, 404),
        ("GET", "/docs/static/%2e%2e/run.py", None, 404),
        ("POST", "/v1/predict", b"{", 400),
        ("POST", "/v1/predict", b"", 400),
        ("POST", "/v1/predict", b'{"inputs": "%s"}' % SECRET.encode(), 422),
        ("POST", "/v1/predict", b'{"inputs": ["%s"], "inputs": [1]}' % SECRET.encode(), 422),
        ("POST", "/v1/predict", b'{"inputs": [%s]}' % b",".join([b'"w1"'] * 2000), 413),
        ("POST", "/v1/predict", b'{"inputs": ["%s"]}' % (b"x" * 250_000), 413),
        ("POST", "/v2/models/triage/infer", b'{"inputs": [{"%s": 1}]}' % SECRET.encode(), 400),
        (
            "POST",
            "/v2/models/other/infer",
            b'{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}]}',
            404,
        ),
        ("GET", "/v2/models/other", None, 404),
        ("GET", "/v2/models/triage/versions/000000000000", None, 404),
        ("GET", "/v2/models/triage/versions/000000000000/ready", None, 404),
    ],
)
def test_refusals_name_the_fault_and_repeat_nothing(
    server: Server, method: str, path: str, body: bytes | None, status: int
) -> None:
    answer = server.client.send(server.client.build_request(method, server.url + path, content=body))
    assert answer.status_code == status
    assert SECRET not in answer.text
    if path.startswith("/v2"):
        assert set(answer.json()) == {"error"}
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


@pytest.mark.parametrize("given", ["0", "-1", "1.5", "soon", "9" * 30])
def test_a_deadline_must_be_a_number(server: Server, given: str) -> None:
    answer = server.client.post("/v1/predict", json={"inputs": ["w1"]}, headers={"x-request-timeout-ms": given})
    assert (answer.status_code, answer.json()["field"]) == (422, "X-Request-Timeout-Ms")


def test_a_chunked_body_is_limited_while_it_arrives(server: Server) -> None:
    def parts() -> Iterator[bytes]:
        yield b'{"inputs": ["'
        for _ in range(1000):
            yield b"x" * 1000

    # a connection of its own: the server closes it in its own time, maybe while we are still sending
    own = httpx.Client(base_url=server.url, headers=server.client.headers)
    with contextlib.suppress(httpx.WriteError), own as client:
        assert client.post("/v1/predict", content=parts()).status_code == 413
    assert ask(server, "w1").status_code == 200


# -- the Open Inference Protocol -------------------------------------------------------------------------------------------


def test_infer_answers_as_the_protocol_says(server: Server) -> None:
    texts = [text(3), text(9)]
    own = ask(server, *texts, probabilities=True).json()
    body = infer(
        server, *texts, id="42", outputs=[{"name": name} for name in ("label", "score", "probabilities")]
    ).json()
    assert (body["id"], body["model_name"], body["model_version"]) == ("42", "triage", own["version"])
    label, score, probabilities = body["outputs"]
    assert label == {
        "name": "label",
        "shape": [2],
        "datatype": "BYTES",
        "data": [row["label"] for row in own["predictions"]],
    }
    assert score == {
        "name": "score",
        "shape": [2],
        "datatype": "FP32",
        "data": [row["score"] for row in own["predictions"]],
    }
    assert (probabilities["shape"], probabilities["parameters"]) == ([2, 3], {"labels": list(LABELS)})
    assert probabilities["data"] == [row["probabilities"][name] for row in own["predictions"] for name in LABELS]


def test_infer_without_outputs_gives_label_and_score(server: Server) -> None:
    version = ask(server, "w1").json()["version"]
    body = infer(server, "w1", path=f"/v2/models/triage/versions/{version}/infer").json()
    assert [output["name"] for output in body["outputs"]] == ["label", "score"]
    assert "id" not in body


def test_infer_fails_whole_and_names_the_text(server: Server) -> None:
    tensor = '{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["w1", "\\ud800"]}'
    answer = server.client.post("/v2/models/triage/infer", content='{"inputs": [' + tensor + "]}")
    assert answer.status_code == 400
    assert "`inputs[0].data[1]`" in answer.json()["error"]


def elements(*texts: str) -> bytes:
    """Texts as the binary extension has them."""
    return b"".join(struct.pack("<I", len(one.encode())) + one.encode() for one in texts)


def test_infer_speaks_the_binary_extension(server: Server) -> None:
    """The bytes that tritonclient 2.73 sends by default for two texts, and what it needs in the answer."""
    texts = [text(3), "你好 w1"]
    behind = elements(*texts)
    wanted = [{"name": name, "parameters": {"binary_data": True}} for name in ("label", "score", "probabilities")]
    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(behind)}}
    head = json.dumps({"id": "7", "inputs": [tensor], "outputs": wanted}, separators=(",", ":")).encode()
    headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    answer = server.client.post("/v2/models/triage/infer", content=head + behind, headers=headers)
    assert answer.status_code == 200
    size = int(answer.headers["inference-header-content-length"])
    body, data = json.loads(answer.content[:size]), answer.content[size:]
    parts = []
    for output in body["outputs"]:
        assert "data" not in output
        parts.append(data[: output["parameters"]["binary_data_size"]])
        data = data[output["parameters"]["binary_data_size"] :]
    assert data == b""
    rows = ask(server, *texts, probabilities=True).json()["predictions"]
    assert parts[0] == elements(*(row["label"] for row in rows))
    assert parts[1] == struct.pack("<2f", *(row["score"] for row in rows))
    assert parts[2] == struct.pack("<6f", *(row["probabilities"][name] for row in rows for name in LABELS))


def test_infer_gives_the_error_of_each_text_where_it_is_asked_for(server: Server) -> None:
    tensor = '{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["w1", "\\ud800"]}'
    content = '{"inputs": [' + tensor + '], "outputs": [{"name": "label"}, {"name": "error"}]}'
    label, error = server.client.post("/v2/models/triage/infer", content=content).json()["outputs"]
    assert label["data"][0] in LABELS and label["data"][1] == ""
    assert error["data"][0] == "" and "surrogate" in error["data"][1]


def test_an_n_gram_model_answers_and_says_what_it_is(tmp_path: Path) -> None:
    store, key = home_with_release(tmp_path)
    model = add_ngrams(store, "small")
    promote(store, model, "triage")
    with running(store.home, key) as started:
        body = started.client.get("/v2/models/triage").json()
        assert (body["versions"], body["platform"]) == ([model.id[:12]], "skerry_ngrams")
        answer = ask(started, "my card", "我的卡", probabilities=True).json()
        assert answer["version"] == model.id[:12]
        assert all(abs(sum(row["probabilities"].values()) - 1) < 1e-9 for row in answer["predictions"])


def test_metadata_tells_names_and_shapes(server: Server) -> None:
    assert server.client.get("/v2").json()["name"] == "skerry"
    version = ask(server, "w1").json()["version"]
    for path in ("/v2/models/triage", f"/v2/models/triage/versions/{version}"):
        body = server.client.get(path).json()
        assert (body["name"], body["versions"], body["platform"]) == ("triage", [version], "onnx_onnxruntime")
        assert body["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
        assert [tensor["name"] for tensor in body["outputs"]] == ["label", "score", "probabilities"]
        assert server.client.get(path + "/ready").json() == {"name": "triage", "ready": True}
    assert server.client.get("/v2/health/live").json() == {"live": True}
    assert server.client.get("/v2/health/ready").json() == {"ready": True}


# -- models, metrics, description ------------------------------------------------------------------------------------------


def test_models_lists_what_serves(server: Server) -> None:
    body = server.client.get("/v1/models").json()
    (card,) = body["data"]
    assert body["object"] == "list"
    assert (card["id"], card["object"], card["labels"], card["format"]) == (
        "triage",
        "model",
        list(LABELS),
        "onnx-int8",
    )
    assert abs(card["created"] - time.time()) < 600


def test_metrics_add_up_with_what_was_asked(server: Server) -> None:
    names = (
        "skerry_texts_total",
        "skerry_infer_seconds_count",
        "skerry_request_seconds_count",
        "skerry_queue_seconds_count",
    )
    before = [server.metric(name) for name in names]
    for count in (1, 2, 3):
        ask(server, *["w1"] * count)
    assert [server.metric(name) - old for name, old in zip(names, before, strict=True)] == [6, 6, 3, 3]
    rejected = server.metric("skerry_rejected_total")
    ask(server)
    assert server.metric("skerry_rejected_total") == rejected + 1
    assert server.metric("skerry_queue_texts") == 0


def test_metrics_are_what_prometheus_reads(server: Server) -> None:
    asked = [ask(server, "w1"), ask(server, "w1", model="other"), ask(server, *["w1"] * 2000), ask(server)]
    assert [answer.status_code for answer in asked] == [200, 404, 413, 422]
    answer = server.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert all(name.startswith(("skerry_", "process_", "python_")) for name in families)
    codes = {sample.labels["code"] for sample in families["skerry_requests"].samples}
    assert {"200", "404", "413", "422"} <= codes
    assert SECRET not in answer.text
    openmetrics = server.client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert openmetrics.text.endswith("# EOF\n")


def test_the_description_lists_every_route_and_no_other(server: Server) -> None:
    document = server.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    models = "/v2/models/{model}"
    versions = models + "/versions/{version}"
    batch = "/v1/batches/{batch}"
    assert set(document["paths"]) == {
        "/v1/predict", "/v1/embeddings", "/v1/models", "/metrics", "/v2", "/v2/health/live", "/v2/health/ready",
        "/v1/feedback", "/v1/releases", "/v1/batches", batch, batch + "/cancel", batch + "/resume", batch + "/results",
        models, models + "/ready", models + "/infer", versions, versions + "/ready", versions + "/infer",
    }  # fmt: skip
    references = set(find_references(document))
    assert references <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def find_references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        for child in node.values():
            yield from find_references(child)
    elif isinstance(node, list):
        for child in node:
            yield from find_references(child)


def test_the_page_carries_its_policy(server: Server) -> None:
    page = server.client.get("/docs")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert server.client.get("/docs/static/swagger-ui-bundle.js").headers["content-type"].startswith("text/javascript")


def test_no_text_in_the_lines(server: Server) -> None:
    ask(server, SECRET)
    ask(server, SECRET, model=SECRET)
    server.client.get(f"/v2/models/{SECRET}")
    server.wait_for("request")
    assert SECRET not in server.file.read_text("utf-8")
    line = [line for line in server.lines() if line["event"] == "request"][-1]
    assert {"time", "id", "key", "status", "ms"} <= set(line)


# -- keys and versions that change while it serves -------------------------------------------------------------------------


def test_a_new_key_opens_and_a_revoked_one_does_not(server: Server, store_and_key: tuple[Store, str]) -> None:
    store, _key = store_and_key
    key, secret = add_key(store, "ward-3")
    header = {"authorization": f"Bearer {secret}"}
    wait_until(lambda: server.client.get("/v1/models", headers=header).status_code == 200)
    revoke_key(store, key.id)
    wait_until(lambda: server.client.get("/v1/models", headers=header).status_code == 401)


def test_promote_and_rollback_are_followed_without_a_failed_request(
    server: Server, store_and_key: tuple[Store, str]
) -> None:
    store, _key = store_and_key
    old = ask(server, "w1").json()["version"]
    new = add_model(store, seed=5)
    promote(store, new, "triage")
    assert versions_until(server, new.id[:12]) <= {old, new.id[:12]}
    rollback(store, "triage")
    assert versions_until(server, old) <= {old, new.id[:12]}


def versions_until(server: Server, wanted: str) -> set[str]:
    """Ask until the wanted version answers; returns the versions seen. Every answer must be whole."""
    seen: set[str] = set()
    until = time.monotonic() + 10
    while wanted not in seen:
        assert time.monotonic() < until
        answer = ask(server, "w1")
        assert (answer.status_code, answer.headers["x-model-version"]) == (200, answer.json()["version"])
        seen.add(answer.json()["version"])
        time.sleep(0.01)
    return seen


def wait_until(condition: Any) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


# -- load ------------------------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """An answer as it came over a bare connection."""

    status_code: int
    headers: dict[str, str]
    body: Any


async def bare_ask(server: Server, body: dict[str, Any]) -> Answer:
    """Ask over a connection of its own; 500 connections of an HTTP client would take longer than their answers."""
    content = json.dumps(body).encode()
    head = (
        f"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\nauthorization: {server.client.headers['authorization']}\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
    first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in rest if line)
    answer = await reader.readexactly(int(headers["content-length"]))
    writer.close()
    return Answer(int(first.split()[1]), headers, json.loads(answer))


async def all_at_once(server: Server, bodies: list[dict[str, Any]]) -> list[Answer]:
    return await asyncio.gather(*(bare_ask(server, body) for body in bodies))


def test_500_at_once_each_gets_its_own_answer_to_the_bit(server: Server) -> None:
    """Dynamic int8 answers would differ in a batch; here a text gets the same bits alone and among 500."""
    texts = [text(3 + number * 37 % (MAX_TOKENS + 10), seed=number) for number in range(500)]
    assert len(set(texts)) == 500
    alone = [ask(server, one, probabilities=True).json()["predictions"][0] for one in texts]
    answers = asyncio.run(all_at_once(server, [{"inputs": [one], "probabilities": True} for one in texts]))
    assert {answer.status_code for answer in answers} == {200}
    together = [answer.body["predictions"][0] for answer in answers]
    assert together == alone  # floats compared as they came: JSON carries all their bits
    assert len({json.dumps(row) for row in alone}) > 450  # the answers can tell the texts apart
    batch = ask(server, *texts, probabilities=True).json()["predictions"]
    assert batch == alone


def test_a_full_queue_is_429_with_the_time_to_wait(store_and_key: tuple[Store, str]) -> None:
    store, key = store_and_key
    with running(store.home, key, "--threads", "1", SKERRY_SERVE__QUEUE_TEXTS="8") as server:
        answers = asyncio.run(all_at_once(server, [{"inputs": [text(60, number)] * 6} for number in range(60)]))
        codes = {answer.status_code for answer in answers}
        assert codes == {200, 429}
        refused = [answer for answer in answers if answer.status_code == 429]
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert server.metric("skerry_rejected_total") == len(refused)
        assert ask(server, *["w1"] * 9).status_code == 413
        assert ask(server, *["w1"] * 8).status_code == 200


def test_a_passed_deadline_is_408_and_a_gone_client_frees_its_room(store_and_key: tuple[Store, str]) -> None:
    store, key = store_and_key
    room = {"SKERRY_SERVE__QUEUE_TEXTS": "30000", "SKERRY_SERVE__MAX_INPUTS": "30000"}
    with running(store.home, key, "--threads", "1", **room) as server:  # type: ignore[arg-type]
        many = json.dumps({"inputs": [text(30)] * 30_000}).encode()
        head = f"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-length: {len(many)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port)) as gone:
            gone.sendall(head.encode() + many)
            wait_until(lambda: server.metric("skerry_queue_texts") > 0)
        wait_until(lambda: server.metric("skerry_queue_texts") == 0)
        assert server.metric("skerry_texts_total") == 0
        late = server.client.post("/v1/predict", content=many, headers={"x-request-timeout-ms": "20"})
        assert late.status_code == 408
        assert server.metric("skerry_queue_texts") == 0
        assert ask(server, "w1").status_code == 200
        assert server.metric("skerry_texts_total") == 1


def test_only_the_files_of_the_page_lie_behind_it(server: Server) -> None:
    for name in ("", "run.py", "..%2frun.py", "%2e%2e%2f%2e%2e%2fstore.py"):
        assert server.client.get(f"{server.url}/docs/static/{name}").status_code in (404, 405)
