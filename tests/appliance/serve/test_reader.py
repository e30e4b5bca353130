"""Large bodies: parsed elsewhere, with the same answers, and nobody waits for them but those who sent them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.serve.body import Question, parse_predict
from appliance.serve.embeddings import parse_embeddings
from appliance.serve.problems import Problem
from appliance.serve.reader import LARGE_BYTES, Reader
from appliance.serve.tensors import parse_infer
from tests.servers import Server, home_with_release, running


def with_reader(test: Callable[[Reader], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        reader = Reader()
        try:
            await asyncio.wait_for(test(reader), 30)
        finally:
            process = reader._process
            reader.stop()
            if process is not None:
                await process.wait()

    asyncio.run(run())


BODIES: list[tuple[Any, Any, dict[bytes, bytes]]] = [
    (parse_predict, {"inputs": ["我的 card\ud800", ""], "model": "m", "probabilities": True}, {}),
    (parse_predict, {"inputs": ["one"], "explain": True}, {}),
    (parse_embeddings, {"input": ["a", "b"], "encoding_format": "base64"}, {}),
    (
        parse_infer,
        {
            "id": "x" * 100_000,
            "inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["w"]}],
            "outputs": [{"name": "label", "parameters": {"binary_data": True}}],
        },
        {},
    ),
]


@pytest.mark.parametrize(("parse", "content", "headers"), BODIES, ids=["predict", "explain", "embeddings", "infer"])
def test_what_is_asked_is_read_as_a_small_body_is(parse: Any, content: Any, headers: dict[bytes, bytes]) -> None:
    body = json.dumps(content).encode()

    async def test(reader: Reader) -> None:
        found: Question = await reader.read(parse, body, headers, 8)
        assert found == parse(body, headers, 8)

    with_reader(test)


def test_bytes_behind_the_json_are_read_as_texts() -> None:
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 7}}
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {b"inference-header-content-length": str(len(head)).encode()}

    async def test(reader: Reader) -> None:
        found = await reader.read(parse_infer, head + b"\x03\x00\x00\x00abc", headers, 8)
        assert found.texts == ["abc"]

    with_reader(test)


@pytest.mark.parametrize("body", [b"{", b'{"inputs": []}', b'{"inputs": ["a", "b", "c"]}', b'{"inputs": [1]}'])
def test_a_problem_is_told_as_for_a_small_body(body: bytes) -> None:
    async def test(reader: Reader) -> None:
        with pytest.raises(Problem) as wanted:
            parse_predict(body, {}, 2)
        for _again in range(2):
            with pytest.raises(Problem) as caught:
                await reader.read(parse_predict, body, {}, 2)
            assert caught.value.body("-") == wanted.value.body("-")

    with_reader(test)


def test_a_process_that_dies_costs_one_request() -> None:
    async def test(reader: Reader) -> None:
        body = b'{"inputs": ["w"]}'
        await reader.read(parse_predict, body, {}, 2)
        assert reader._process is not None
        os.kill(reader._process.pid, signal.SIGKILL)
        with pytest.raises(Problem) as caught:
            await reader.read(parse_predict, body * 100_000, {}, 2)
        assert (caught.value.status, caught.value.retry_after_s) == (503, 1)
        assert (await reader.read(parse_predict, body, {}, 2)).texts == ["w"]

    with_reader(test)


def test_a_client_that_goes_away_leaves_no_half_answer_behind() -> None:
    async def test(reader: Reader) -> None:
        many = json.dumps({"inputs": ["w" * 10] * 100_000}).encode()
        for _again in range(3):
            asking = asyncio.create_task(reader.read(parse_predict, many, {}, 200_000))
            await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert (await reader.read(parse_predict, b'{"inputs": ["own"]}', {}, 2)).texts == ["own"]

    with_reader(test)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    store, key = home_with_release(tmp_path_factory.mktemp("reader"))
    with running(store.home, key) as started:
        yield started


def test_others_are_answered_while_a_body_of_many_parts_is_parsed(server: Server) -> None:
    """200,000 names take Python a second and more on a slow machine."""
    body = b"{" + b",".join(b'"%d":1' % number for number in range(200_000)) + b"}"
    ends: list[float] = []

    def ask() -> None:
        assert server.client.post("/v1/predict", content=body).status_code == 422
        ends.append(time.monotonic())

    asking = threading.Thread(target=ask)
    asking.start()
    answered = 0
    while asking.is_alive():
        answered += server.client.post("/v1/predict", json={"inputs": ["w1"]}).status_code == 200
    asking.join()
    assert answered > 3 and len(ends) == 1


def test_a_large_body_is_answered_and_the_process_ends_with_the_server(tmp_path: Path) -> None:
    store, key = home_with_release(tmp_path)
    with running(store.home, key) as server:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        assert len(children.read_text().split()) == 1  # the engine alone: nobody has sent a large one yet
        texts = [f"w{number} " * 200 for number in range(100)]
        body = json.dumps({"inputs": texts})
        assert len(body) > LARGE_BYTES
        large = server.client.post("/v1/predict", content=body).json()["predictions"]
        small = [
            server.client.post("/v1/predict", json={"inputs": [text]}).json()["predictions"][0] for text in texts[:5]
        ]
        assert (len(large), large[:5]) == (100, small)
        pids = children.read_text().split()
        assert len(pids) == 2
        assert server.stop() == 0
        until = time.monotonic() + 20
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < until
            time.sleep(0.05)
