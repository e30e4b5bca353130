"""Clients that hold a connection for nothing, and clients that send too much: each is closed, the others notice nothing."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server, home_with_release, running

LIMITS = {
    "SKERRY_SERVE__READ_S": "0.5",
    "SKERRY_SERVE__MAX_BODY_BYTES": "100000",
    "SKERRY_SERVE__MAX_CONNECTIONS": "40",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    store, key = home_with_release(tmp_path_factory.mktemp("connection"))
    with running(store.home, key, **LIMITS) as started:  # type: ignore[arg-type]
        yield started


def plug(server: Server) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=15)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def head(server: Server, length: int, more: str = "") -> bytes:
    key = server.client.headers["authorization"]
    return f"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\nauthorization: {key}\r\ncontent-length: {length}\r\n{more}\r\n".encode()


def read_all(connection: socket.socket) -> bytes:
    """Read until the server closes."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /v2/health/live HTTP/1.1\r\nx-slow: ", b"POST /v1/predict HTTP/1.1\r\ncontent-length: 50\r\n\r\n{"],
    ids=["nothing", "half a head", "half a body"],
)
def test_what_does_not_arrive_in_time_is_closed(server: Server, sent: bytes) -> None:
    with plug(server) as connection:
        connection.sendall(sent)
        began = time.monotonic()
        answer = read_all(connection)
    assert 0.4 < time.monotonic() - began < 8
    assert answer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 401"))
    assert server.client.post("/v1/predict", json={"inputs": ["w1"]}).status_code == 200


def test_a_body_that_goes_on_after_its_refusal_is_refused_once(server: Server) -> None:
    """A second answer on the connection would be taken for the answer to the next request."""
    key = server.client.headers["authorization"]
    chunk = b"%x\r\n" % 10_000 + b"x" * 10_000 + b"\r\n"
    with plug(server) as connection:
        connection.sendall(
            f"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\nauthorization: {key}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        )
        for _chunk in range(15):  # over the limit of a body, below that of a whole request
            connection.sendall(chunk)
        answer = connection.recv(65536)
        with contextlib.suppress(ConnectionError):
            for _chunk in range(15):
                connection.sendall(chunk)
        answer += read_all(connection)
    assert answer.count(b"HTTP/1.1 413") == 1
    assert answer.count(b"HTTP/1.1") == 1


def test_a_trickle_does_not_keep_a_connection(server: Server) -> None:
    """Slow-loris: a byte now and then never makes a request."""
    with plug(server) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\n")
        began = time.monotonic()
        try:
            while time.monotonic() - began < 10:
                connection.sendall(b"x")
                time.sleep(0.1)
        except ConnectionError:
            pass
        assert time.monotonic() - began < 8


def test_empty_lines_do_not_keep_a_connection(server: Server) -> None:
    """RFC 9112 lets a server skip empty lines before a request; not for ever."""
    with plug(server) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        try:
            while time.monotonic() - began < 12:
                connection.sendall(b"\r\n")
                time.sleep(0.1)
        except ConnectionError:
            pass
        assert time.monotonic() - began < 10


def test_a_huge_head_is_refused(server: Server) -> None:
    with plug(server) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nx-large: " + b"x" * 200_000)
        assert read_all(connection).startswith(b"HTTP/1.1 431")


def test_a_body_without_end_is_cut_off(server: Server) -> None:
    with plug(server) as connection:
        connection.sendall(head(server, 10**9))
        try:
            for _ in range(10_000):
                connection.sendall(b"x" * 65536)
        except ConnectionError:
            pass
        else:
            raise AssertionError("the server took it all")


def test_trailers_without_end_are_cut_off(server: Server) -> None:
    """Fields behind a chunked body are kept by the parser, so they count too."""
    key = server.client.headers["authorization"]
    begin = f"POST /v1/predict HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"
    with plug(server) as connection:
        connection.sendall(begin.encode())
        try:
            for number in range(100_000):
                connection.sendall(b"x-%d: %s\r\n" % (number, b"x" * 100))
        except ConnectionError:
            pass
        else:
            raise AssertionError("the server took it all")


def test_ten_thousand_tiny_chunks_make_a_body(server: Server) -> None:
    body = json.dumps({"inputs": ["w1 " * 3000]}).encode()
    key = server.client.headers["authorization"]
    begin = f"POST /v1/predict HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    with plug(server) as connection:
        connection.sendall(begin.encode() + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 200")


def test_requests_sent_in_a_row_are_answered_in_order(server: Server) -> None:
    bodies = [json.dumps({"inputs": [f"w{number}"] * (number + 1)}).encode() for number in range(5)]
    with plug(server) as connection:
        connection.sendall(b"".join(head(server, len(body)) + body for body in bodies))
        received = b""
        while received.count(b'"predictions"') < 5:
            received += connection.recv(65536)
    counts = [answer.count(b'"label"') for answer in received.split(b'{"predictions"')[1:]]
    assert counts == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "sent",
    [b"\x00\xff\xfe\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00"],
    ids=["bytes", "version", "TLS"],
)
def test_what_is_no_http_is_refused_and_named_by_its_place_only(server: Server, sent: bytes) -> None:
    with plug(server) as connection:
        connection.sendall(sent)
        assert read_all(connection)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 408", b"HTTP/1.1 404")
    assert all(
        set(line) <= {"time", "event", "place", "level", "error"}
        for line in server.lines()
        if line["event"] == "library"
    )


def test_too_many_connections_are_turned_away_and_the_server_recovers(server: Server) -> None:
    plugs = [plug(server) for _ in range(60)]
    try:
        for connection in plugs:
            connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        answers = [connection.recv(65536) for connection in plugs]
    finally:
        for connection in plugs:
            connection.close()
    turned_away = [answer for answer in answers if not answer.startswith(b"HTTP/1.1 200")]
    assert turned_away
    assert all(answer.startswith(b"HTTP/1.1 503") and b"retry-after: 1\r\n" in answer for answer in turned_away)
    until = time.monotonic() + 5
    while server.client.post("/v1/predict", json={"inputs": ["w1"]}).status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose line is full, because its engine process stands still."""
    store, key = home_with_release(tmp_path_factory.mktemp("full"))
    with (
        running(store.home, key, "--threads", "1", SKERRY_SERVE__QUEUE_TEXTS="1", SKERRY_SERVE__READ_S="2") as started,
        contextlib.ExitStack() as stack,
    ):
        child = int(Path(f"/proc/{started.process.pid}/task/{started.process.pid}/children").read_text())
        os.kill(child, signal.SIGSTOP)
        waiting = [stack.enter_context(plug(started)) for _request in range(2)]
        for connection in waiting:  # one at the engine, one in the line
            connection.sendall(head(started, 18) + b'{"inputs": ["w1"]}')
        until = time.monotonic() + 20
        while started.metric("skerry_queue_texts") != 1:
            assert time.monotonic() < until
            time.sleep(0.02)
        yield started
        os.kill(child, signal.SIGCONT)
        for connection in waiting:
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_full_server_answers_before_the_body_has_come(full: Server) -> None:
    """And the connection goes on behind it: what comes of the body is thrown away."""
    refused = full.metric("skerry_rejected_total")
    with plug(full) as connection:
        connection.sendall(
            head(full, 50_000, "x-request-id: mine\r\ntraceparent: 00-" + "1" * 32 + "-" + "2" * 16 + "-01\r\n")
        )
        answer = connection.recv(65536)
        told, body = answer.split(b"\r\n\r\n", 1)
        assert told.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
        assert b"x-request-id: mine" in told and b"retry-after: 1" in told and b"traceparent: 00-" + b"1" * 32 in told
        assert json.loads(body)["type"] == "urn:skerry:problem:queue-full"
        connection.sendall(b"x" * 50_000 + b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    assert full.metric("skerry_rejected_total") == refused + 1


def test_a_full_server_answers_each_of_many_requests_once(full: Server) -> None:
    with plug(full) as connection:
        connection.sendall(
            (head(full, 18) + b'{"inputs": ["w1"]}') * 20 + b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n"
        )
        received = b""
        while b'{"live":true}' not in received:
            received += connection.recv(65536)
    assert (received.count(b"HTTP/1.1 429"), received.count(b"HTTP/1.1")) == (20, 21)


def test_a_full_server_uses_the_error_object_of_the_protocol_below_its_path(full: Server) -> None:
    answer = full.client.post("/v2/models/triage/infer", json={})
    assert (answer.status_code, list(answer.json())) == (429, ["error"])


def test_a_full_server_tells_a_stranger_that_he_is_one(full: Server) -> None:
    with plug(full) as connection:
        connection.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}")
        assert connection.recv(65536).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("more", ["expect: 100-continue\r\n", "connection: close\r\n"])
def test_a_full_server_reads_a_body_that_a_client_asks_about_or_closes_behind(full: Server, more: str) -> None:
    with plug(full) as connection:
        connection.sendall(head(full, 18, more) + b'{"inputs": ["w1"]}')
        received = b""
        while b"queue-full" not in received:
            received += connection.recv(65536)
    assert received.count(b"HTTP/1.1 429") == 1


def test_a_refused_request_whose_body_never_comes_is_closed(full: Server) -> None:
    with plug(full) as connection:
        connection.sendall(head(full, 50))
        assert read_all(connection).count(b"HTTP/1.1") == 1


def test_a_problem_in_answer_to_head_has_no_body(server: Server) -> None:
    with plug(server) as connection:
        connection.sendall(b"HEAD /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 401") and answer.endswith(b"\r\n\r\n")
