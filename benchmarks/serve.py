"""How fast the server starts and answers, and what it holds in memory, beside the bare ONNX Runtime loop.

`python benchmarks/serve.py [--model REFERENCE --home HOME] [--clients 32] [--seconds 5] [--rounds 3]`

Without `--model` it builds MiniLM with a random head of 77 labels as `onnx-int8`: the time of an answer does not depend
on what the head has learnt. Server and bare loop take turns, so that both see the same machine. The figure to trust on
a shared machine is texts per CPU second: of the server's process, or of the loop's. `short` are banking77's test
questions, `mixed` are parts of banking77, drug reviews and medical abstracts of 4 to 256 tokens.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance import device
from appliance.schema import Model
from appliance.settings import ExportSettings, load
from appliance.store import Store

DATA = Path(__file__).resolve().parents[1] / "../shared/data"
TICK = os.sysconf("SC_CLK_TCK")
LABELS = 77


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = given.home or Path(scratch) / "home"
        os.environ.setdefault("SKERRY_STORE__KEY_FOLDER", str(Path(scratch) / "keys"))
        store = Store.open(home)
        model = store.model(given.model) if given.model else build(store)
        key = release(store, model)
        processor, flags = device.cpu()
        print(
            f"{processor}, {device.cores():g} cores, VNNI: {'yes' if {'avx512_vnni', 'avx_vnni'} & flags else 'no'}, load {os.getloadavg()[0]:.1f}"
        )
        starts(home)
        for name, texts in corpora(model.folder).items():
            compare(home, key, model.folder, name, texts, given)
        alone_and_under_load(home, key, texts, given.clients)


def build(store: Store) -> Model:
    """Register MiniLM with a random head as `onnx-int8`."""
    import torch
    from safetensors.torch import load_file, save_file

    from appliance.base.folder import find
    from appliance.engine import on_torch
    from appliance.engine.plan import Plan, write_plan
    from appliance.export.export import export_folder

    base = find(load().bases, store.home, "minilm")
    encoder = on_torch.encoder_of(base)
    encoder.load_state_dict(load_file(base / "model.safetensors"), strict=False)
    network = on_torch.network(encoder, LABELS)
    torch.manual_seed(0)
    torch.nn.init.normal_(network["head"].weight)  # type: ignore[arg-type]
    trained = store.scratch("bench")
    save_file(network.state_dict(), trained / "model.safetensors")
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(base / name, trained)
    labels = tuple(f"label{number}" for number in range(LABELS))
    write_plan(trained, Plan("torch", "classify", labels, 256, "", "minilm", ("en",)))
    settings = ExportSettings(
        format="onnx-int8", min_agreement=0.01, max_drop=0.99
    )  # a random head cannot tell labels apart
    with store.draft("model", "bench", meta={"format": "onnx-int8"}) as draft:
        export_folder(trained, draft.folder, settings, ["my card has not arrived", "where is my payment"])
    built: Model = draft.artifact
    return built


def release(store: Store, model: Model) -> str:
    """Promote the model and return an API key."""
    from appliance.api_keys import add_key
    from appliance.release.registry import promote

    promote(store, model, "bench")
    return add_key(store, "bench")[1]


def corpora(folder: Path) -> dict[str, list[str]]:
    """Return the short and the mixed texts; made up of frequent words where the data sets are not here."""
    source = random.Random(0)
    if not (DATA / "banking77").exists():
        words = (
            "my",
            "card",
            "has",
            "not",
            "arrived",
            "yet",
            "please",
            "tell",
            "me",
            "where",
            "the",
            "payment",
            "went",
        )
        short = [" ".join(source.choices(words, k=source.randint(5, 20))) for _ in range(2000)]
        return {
            "short": short,
            "mixed": [
                " ".join(source.choices(words, k=min(250, int(source.paretovariate(1) * 5)))) for _ in range(2000)
            ],
        }
    short = [row["text"] for row in rows("banking77") if row["split"] == "test"]
    long = [row["text"] for name in ("drug_reviews", "medical_abstracts") for row in rows(name)][:2000]
    cut = [" ".join(text.split()[: source.choice((16, 32, 48, 64, 96, 180))]) for text in source.sample(long, 400)]
    mixed = source.sample(short, 1200) + cut
    source.shuffle(mixed)
    return {"short": short, "mixed": mixed}


def rows(name: str) -> Iterator[dict[str, str]]:
    """Read a data set's CSV."""
    with (DATA / name / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@contextlib.contextmanager
def server(home: Path) -> Iterator[tuple[int, int, float]]:
    """Start `skerry serve`; yields pid, port and the seconds from start to ready."""
    began = time.perf_counter()
    command = [sys.executable, "-c", "from appliance.cli import main; main()", "serve", "--port", "0"]
    with tempfile.TemporaryFile("w+") as lines:
        process = subprocess.Popen(command, stderr=lines, env=os.environ | {"SKERRY_HOME": str(home)})
        try:
            port = None
            while port is None or not asyncio.run(ready(port)):
                lines.seek(0)
                told = lines.read()
                found = re.search(r"http://127\.0\.0\.1:(\d+)", told)
                port = int(found[1]) if found else None
                assert process.poll() is None and time.perf_counter() - began < 60, f"the server did not start: {told}"
                time.sleep(0.01)
            yield process.pid, port, time.perf_counter() - began
        finally:
            process.terminate()
            process.wait()


async def ready(port: int) -> bool:
    """Ask whether requests may come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v2/health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.startswith(b"HTTP/1.1 200")


def starts(home: Path) -> None:
    """Print start to ready and memory, median of five starts."""
    seconds, megabytes = [], []
    for _ in range(5):
        with server(home) as (pid, _port, took_s):
            seconds.append(took_s)
            megabytes.append(memory_mb(pid))
    print(
        f"start to ready {statistics.median(seconds):.2f} s (worst {max(seconds):.2f}), memory when ready {statistics.median(megabytes):.0f} MB"
    )


def compare(home: Path, key: str, folder: Path, name: str, texts: list[str], given: argparse.Namespace) -> None:
    """Print texts per CPU second and per second of server and bare loop, in turns."""
    served, bare, rate, p50, p99, memory = [], [], [], [], [], 0.0
    with server(home) as (pid, port, _):
        asyncio.run(load_server(port, key, texts, given.clients, 1.0))
        for _ in range(given.rounds):
            before = cpu_s(pid)
            began = time.perf_counter()
            took = asyncio.run(load_server(port, key, texts, given.clients, given.seconds))
            served.append(len(took) / (cpu_s(pid) - before))
            rate.append(len(took) / (time.perf_counter() - began))
            p50.append(statistics.median(took) * 1000)
            p99.append(statistics.quantiles(took, n=100)[98] * 1000)
            bare.append(bare_loop(folder, texts, given.seconds))
            memory = max(memory, memory_mb(pid))
    middle = statistics.median
    shares = [mine / other for mine, other in zip(served, bare, strict=True)]
    print(
        f"{name:6s} {given.clients} clients: {middle(rate):.0f} texts/s, {middle(served):.0f} texts/CPU-s, bare loop {middle(bare):.0f}, "
        f"share {middle(shares):.1%} ({min(shares):.1%} to {max(shares):.1%}), p50 {middle(p50):.1f} ms, p99 {middle(p99):.1f} ms, memory {memory:.0f} MB"
    )


async def load_server(port: int, key: str, texts: list[str], clients: int, seconds: float) -> list[float]:
    """Ask with `clients` closed loops for so many seconds; returns the seconds of each request. Every answer must be 200."""
    until = time.perf_counter() + seconds
    took: list[float] = []

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        index = number * 97
        while (began := time.perf_counter()) < until:
            answer = await ask(reader, writer, key, [texts[index % len(texts)]])
            took.append(time.perf_counter() - began)
            assert "label" in answer["predictions"][0]
            index += 1
        writer.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    return took


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str, texts: list[str], probabilities: bool = False
) -> dict[str, Any]:
    """Send one request over an open connection."""
    body = json.dumps({"inputs": texts, "probabilities": probabilities}).encode()
    head = f"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", answer)[1])
    content = await reader.readexactly(length)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    return json.loads(content)


def bare_loop(folder: Path, texts: list[str], seconds: float) -> float:
    """Tokenize and run one text after the other, nothing else, in one process a core, so that cores that share a cache or
    an arithmetic unit slow each other down as they do under the server; returns texts per CPU second.
    """
    code = """
import json, resource, sys, time
import numpy as np, onnxruntime
from tokenizers import Tokenizer
folder, seconds = sys.argv[1], float(sys.argv[2])
texts = json.load(sys.stdin)
tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
plan = json.load(open(folder + "/model.json"))
tokenizer.enable_truncation(plan["max_tokens"])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
if plan["format"] == "onnx-int8" and not plan["reduce_range"]:
    options.add_session_config_entry("session.x64quantprecision", "1")
session = onnxruntime.InferenceSession(folder + "/model.onnx", options, providers=["CPUExecutionProvider"])
def run(text):
    ids = np.array([tokenizer.encode_batch([text])[0].ids], np.int64)
    return session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
for text in texts[:50]:
    run(text)
done, began, until = 0, time.process_time(), time.perf_counter() + seconds
while time.perf_counter() < until:
    run(texts[done * 97 % len(texts)])
    done += 1
print(done / (time.process_time() - began))
"""
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-c", code, str(folder), str(seconds)]
    loops = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(device.threads())
    ]
    for loop in loops:
        assert loop.stdin is not None
        loop.stdin.write(json.dumps(texts))
        loop.stdin.close()
    return statistics.mean(float(loop.stdout.read()) for loop in loops if loop.stdout)


def alone_and_under_load(home: Path, key: str, texts: list[str], clients: int) -> None:
    """Print how many answers differ in a bit between alone and under load."""
    sample = random.Random(1).sample(texts, min(1000, len(texts)))

    async def run(port: int, at_once: int) -> dict[str, str]:
        answers: dict[str, str] = {}
        waiting = iter(sample)

        async def client() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for text in waiting:
                answers[text] = json.dumps((await ask(reader, writer, key, [text], probabilities=True))["predictions"])
            writer.close()

        await asyncio.gather(*(client() for _ in range(at_once)))
        return answers

    with server(home) as (_pid, port, _):
        alone = asyncio.run(run(port, 1))
        loaded = asyncio.run(run(port, clients))
    print(
        f"{sum(alone[text] != loaded[text] for text in alone)} of {len(alone)} answers differ in a bit between alone and {clients} at once"
    )


def tree(pid: int) -> list[int]:
    """Return a process and all that it has started, those that still run."""
    found = [pid]
    for process in found:
        for thread in Path(f"/proc/{process}/task").glob("*"):
            with contextlib.suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return found


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process and those it has started have used, all their threads."""
    fields = [Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split() for one in tree(pid)]
    return sum(int(one[11]) + int(one[12]) for one in fields) / TICK


def memory_mb(pid: int) -> float:
    """Return the memory of a process and those it has started in megabytes (10**6 bytes): what they share is counted once (`Pss`)."""
    pages = [Path(f"/proc/{one}/smaps_rollup").read_text() for one in tree(pid)]
    return sum(int(re.search(r"Pss:\s+(\d+) kB", page)[1]) for page in pages) * 1024 / 1e6


if __name__ == "__main__":
    main()
