"""What clients that misbehave cost the others: their 99th percentile with and without an attack, interleaved.

    .venv/bin/python benchmarks/hostile.py --home HOME [--seconds 4] [--rounds 5]

HOME has a live release (`skerry promote MODEL --to live`); the program adds an API key for itself.

Four honest clients ask one short text at a time in a closed loop with their own connections. Each attack runs in a process
of its own, so that its work is not theirs: slow clients (200 connections, a byte now and then), bodies of 10 MB with a length
and in chunks, bodies of 8 MB that are read to the end, and requests in 10,000 chunks of a byte. The figure is the median over
the rounds of (p99 with the attack / p99 before it). The attackers share the cores with the server, so on a small machine a part of what is
seen is their own work; `spin` is a process that only counts, for comparison.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import socket
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from serve import server

from appliance.api_keys import add_key
from appliance.store import Store

CLIENTS = 4
TEXTS = ["my card has not arrived yet", "where is my payment", "please tell me why it was declined"]


def main() -> None:
    """Run each attack and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    _key, secret = add_key(Store.open(given.home), "bench")
    with server(given.home) as (_pid, port, _seconds):
        asyncio.run(victims(port, secret, given.seconds))  # warm
        print(f"{'attack':>21} {'p99 before ms':>14} {'p99 during ms':>14} {'ratio':>6} {'failed':>6}")
        for attack in (nothing, spin, slow_loris, ten_megabytes, ten_megabytes_chunked, eight_megabytes, tiny_chunks):
            report(attack, port, secret, given.seconds, given.rounds)


def report(attack: Callable[[int, str], None], port: int, key: str, seconds: float, rounds: int) -> None:
    """Measure one attack in turns with nothing."""
    before, during, failed = [], [], 0
    for _round in range(rounds):
        before.append(asyncio.run(victims(port, key, seconds))[0])
        attacker = multiprocessing.get_context("spawn").Process(target=attack, args=(port, key), daemon=True)
        attacker.start()
        time.sleep(1.5)  # to start and connect
        p99, wrong = asyncio.run(victims(port, key, seconds))
        attacker.terminate()
        attacker.join()
        during.append(p99)
        failed += wrong
    ratio = statistics.median(after / earlier for earlier, after in zip(before, during, strict=True))
    name = attack.__name__.replace("_", " ")
    print(
        f"{name:>21} {statistics.median(before):14.1f} {statistics.median(during):14.1f} {ratio:6.2f} {failed:6d}",
        flush=True,
    )


async def victims(port: int, key: str, seconds: float) -> tuple[float, int]:
    """Ask for a while; returns the 99th percentile in ms and how many answers were not 200."""
    took: list[float] = []
    failed = 0

    async def client(number: int) -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            began = time.perf_counter()
            writer.write(request(key, json.dumps({"inputs": [TEXTS[number % len(TEXTS)]]}).encode()))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            took.append((time.perf_counter() - began) * 1000)
            failed += not head.startswith(b"HTTP/1.1 200")
        writer.close()

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return sorted(took)[int(len(took) * 0.99)], failed


def request(key: str, body: bytes) -> bytes:
    """Return a request for predictions."""
    return head(key, f"content-length: {len(body)}") + body


def head(key: str, more: str) -> bytes:
    """Return a request's head."""
    return f"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n{more}\r\n\r\n".encode()


def nothing(_port: int, _key: str) -> None:
    """Sleep: what the noise of this machine makes of the figure."""
    time.sleep(3600)


def spin(_port: int, _key: str) -> None:
    """Count: what any other process on this machine costs."""
    while True:
        sum(range(100_000))


def slow_loris(port: int, key: str) -> None:
    """Hold 200 connections open with a byte now and then."""
    plugs = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    for plug in plugs:
        plug.sendall(head(key, "content-length: 1000")[:-2])
    while True:
        for plug in plugs:
            with contextlib.suppress(OSError):
                plug.sendall(b"x")
        time.sleep(0.5)


def ten_megabytes(port: int, key: str) -> None:
    """Send bodies of 10 MB with their length, over the limit."""
    repeat(port, head(key, f"content-length: {10 * 1024**2}") + b'{"inputs": ["' + b"x" * (10 * 1024**2 - 13))


def ten_megabytes_chunked(port: int, key: str) -> None:
    """Send bodies of 10 MB in chunks, whose length nobody knows before."""
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    repeat(port, head(key, "transfer-encoding: chunked") + chunk * 160)


def eight_megabytes(port: int, key: str) -> None:
    """Send bodies just below the limit, which are parsed and answered."""
    body = json.dumps({"inputs": ["x " * (4 * 1024**2 - 100)]}).encode()
    repeat(port, request(key, body))


def tiny_chunks(port: int, key: str) -> None:
    """Send requests in 10,000 chunks of one byte."""
    body = json.dumps({"inputs": ["w " * 4990]}).encode()[:10_000]
    body = body[:-3] + b'"]}'
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    repeat(port, head(key, "transfer-encoding: chunked") + chunks + b"0\r\n\r\n")


def repeat(port: int, content: bytes) -> None:
    """Send the same again and again, each time over a connection of its own, ten times a second at most."""
    while True:
        began = time.monotonic()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10) as plug:
            plug.sendall(content)
            plug.recv(65536)
        time.sleep(max(0.0, 0.1 - (time.monotonic() - began)))


if __name__ == "__main__":
    main()
