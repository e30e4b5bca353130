"""How fast the server starts and answers, and what it holds in memory, beside the bare ONNX Runtime loop and other servers.

`python benchmarks/serve.py [--model REFERENCE --home HOME] [--clients 32] [--seconds 5] [--rounds 3] [--peers FOLDER]
[--batched] [--overload] [--minutes 10] [--answers 10000]`

Without `--model` it builds MiniLM with a random head of 77 labels as `onnx-int8` (and with `--batched` as
`onnx-int8-static`, whose texts may share a run): the time of an answer does not depend on what the head has learnt.
All servers and the bare loop take turns within each round, so that they see the same machine. The figure to trust on a
shared machine is texts per CPU second, of all processes of a server. `short` are banking77's test questions, `mixed`
are parts of banking77, drug reviews and medical abstracts of 4 to 256 tokens.

Peers: the articles' handler (torch, eager, one thread) and FastAPI with ONNX Runtime always run with `--peers`; FOLDER
holds an environment each for `litserve` (litserve==0.2.19), `mosec` (mosec==0.9.8) and `bentoml` (bentoml==1.4.40),
with onnxruntime, tokenizers and numpy; what is missing is left out and said so.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import json
import os
import platform
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from appliance import device
from appliance.api_keys import add_key
from appliance.engine.on_onnx import saturates
from appliance.engine.plan import INT8, read_plan
from appliance.schema import Model
from appliance.settings import ExportSettings, load
from appliance.store import Store

DATA = Path(__file__).resolve().parents[1] / "../shared/data"
TICK = os.sysconf("SC_CLK_TCK")
LABELS = 77
ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "benchmarks" / "peers"
PATHS: dict[int, tuple[str, bool]] = {}  # what a peer on a port answers, and whether it wants a list of texts
PEER_FAULTS = OSError, asyncio.IncompleteReadError, AssertionError
CONNECTIONS, QUEUE = 800, 256  # of an open loop, and the texts that may wait then: fewer than there are connections


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--batched", action="store_true")
    parser.add_argument("--overload", action="store_true")
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--answers", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = given.home or Path(scratch) / "home"
        os.environ.setdefault("SKERRY_STORE__KEY_FOLDER", str(Path(scratch) / "keys"))
        store = Store.open(home)
        texts = corpora()
        trained = train(store)
        models = {"ours": store.model(given.model) if given.model else build(store, trained, "onnx-int8", texts)}
        if given.batched:
            models["ours, batched"] = build(store, trained, "onnx-int8-static", texts)
        key = add_key(store, "bench")[1]
        processor, flags = device.cpu()
        vnni = "yes" if {"avx512_vnni", "avx_vnni"} & flags else "no"
        print(f"{processor}, {device.cores():g} cores, VNNI: {vnni}, load {os.getloadavg()[0]:.1f}")
        homes = {name: release(store, model, Path(scratch) / name) for name, model in models.items()}
        starts(homes["ours"])
        folder = models["ours"].folder
        killed(homes["ours"], key, texts["short"])
        compare(homes, key, folder, texts, given, peers(given.peers, folder, trained) if given.peers else {})
        for name, one in homes.items():
            alone_and_under_load(name, one, key, texts["mixed"], given)
            if given.overload:
                overload(name, one, key, texts["short"], 2 * given.seconds, given.rounds)
        if given.minutes:
            memory_over(homes["ours"], key, texts["mixed"], given)


def train(store: Store) -> Path:
    """Write MiniLM with a random head as a torch model folder, once a home, and return it."""
    import torch
    from safetensors.torch import load_file, save_file

    from appliance.base.folder import find
    from appliance.engine import on_torch
    from appliance.engine.plan import Plan, write_plan

    trained = store.home / "bench-torch"
    if trained.exists():
        return trained
    base = find(load().bases, store.home, "minilm")
    encoder = on_torch.encoder_of(base)
    encoder.load_state_dict(load_file(base / "model.safetensors"), strict=False)
    network = on_torch.network(encoder, LABELS)
    torch.manual_seed(0)
    torch.nn.init.normal_(network["head"].weight)  # type: ignore[arg-type]
    trained.mkdir()
    save_file(network.state_dict(), trained / "model.safetensors")
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(base / name, trained)
    labels = tuple(f"label{number}" for number in range(LABELS))
    write_plan(trained, Plan("torch", "classify", labels, 256, "", "minilm", ("en",)))
    return trained


def build(store: Store, trained: Path, form: str, texts: dict[str, list[str]]) -> Model:
    """Register the trained model in a format, unless the home has it."""
    from appliance.export.export import export_folder

    for model in store.artifacts("model"):
        if model.name == f"bench-{form}":
            return model
    settings = ExportSettings(format=form, min_agreement=0.01, max_drop=0.99)  # a random head cannot tell labels apart
    with store.draft("model", f"bench-{form}", meta={"format": form}) as draft:
        export_folder(trained, draft.folder, settings, texts["mixed"][:200])
    built: Model = draft.artifact
    return built


def release(store: Store, model: Model, home: Path) -> Path:
    """Make the model live and return a home whose one release it is: the keys and artifacts are the store's."""
    from appliance.release.registry import promote

    name = model.name.replace("-", "")
    promote(store, model, name)
    releases = home / "projects" / store.project / "releases"
    releases.mkdir(parents=True)
    shutil.copy(store.home / "projects" / store.project / "releases" / f"{name}.json", releases)
    for entry in store.home.iterdir():
        if entry.name != "projects":
            (home / entry.name).symlink_to(entry)
    return home


def corpora() -> dict[str, list[str]]:
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
    source.shuffle(short)  # they lie in the order of their labels
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
                assert process.poll() is None and time.perf_counter() - began < 90, f"the server did not start: {told}"
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


@contextlib.contextmanager
def peer(command: list[str], environment: dict[str, str], port: int) -> Iterator[int]:
    """Start another server and wait until it answers; yields its pid."""
    process = subprocess.Popen(
        command,
        cwd=PEERS,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until = time.perf_counter() + 90
        while time.perf_counter() < until and process.poll() is None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, AssertionError):
                asyncio.run(one(port, "my card has not arrived"))
                yield process.pid
                return
            time.sleep(0.2)
        raise SystemExit(f"no answer from {command}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def peers(folder: Path, model: Path, trained: Path) -> dict[str, Any]:
    """Return how each other server is started: name -> (context manager that yields a pid, port, path)."""
    programs = {
        "naive torch": (sys.executable, "naive.py", str(trained), "{port}"),
        "FastAPI + ORT": (sys.executable, "naive.py", str(model), "{port}", "--int8"),
        "LitServe": (folder / "litserve/bin/python", "litserve_app.py", str(model), "{port}"),
        "LitServe b32": (folder / "litserve/bin/python", "litserve_app.py", str(model), "{port}", "32"),
        "mosec": (folder / "mosec/bin/python", "mosec_app.py", "--port", "{port}"),
        "BentoML": (folder / "bentoml/bin/bentoml", "serve", "bento_app:Classifier", "--port", "{port}"),
    }
    found = {}
    for name, (program, *arguments) in programs.items():
        if not Path(program).exists():
            print(f"{name}: left out, `{program}` is missing")
            continue
        port = free_port()
        command = [str(program), *(part.format(port=port) for part in arguments)]
        path = "/inference" if name == "mosec" else "/predict"
        PATHS[port] = path, name == "BentoML"
        found[name] = (
            peer(command, {"MODEL": str(model), "BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": f"{PEERS}:{ROOT}"}, port),
            port,
        )
    return found


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        return int(plug.getsockname()[1])


async def one(port: int, text: str) -> Any:
    """Ask another server for one text."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await ask_peer(reader, writer, *PATHS[port], text)
    finally:
        writer.close()


async def ask_peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, many: bool, text: str) -> Any:
    """Ask another server over an open connection."""
    body = json.dumps({"text": [text] if many else text}).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    return await read_answer(reader)


def compare(
    homes: dict[str, Path],
    key: str,
    folder: Path,
    texts: dict[str, list[str]],
    given: argparse.Namespace,
    others: dict[str, Any],
) -> None:
    """Print texts per CPU second of every server and the bare loop, in turns, over the naive handler and over the bare loop."""
    with contextlib.ExitStack() as stack:
        running: dict[str, tuple[int, Any]] = {}
        for name, home in homes.items():
            pid, port, _took_s = stack.enter_context(server(home))
            running[name] = (pid, partial(load_server, port, key))
        for name, (started, port) in others.items():
            running[name] = (
                stack.enter_context(started),
                partial(closed_loops, port, partial(one_of_peer, port), PEER_FAULTS),
            )
        for corpus, some in texts.items():
            rate: dict[str, list[float]] = {name: [] for name in [*running, "bare loop"]}
            took: dict[str, list[float]] = {name: [] for name in running}
            for _pid, loads in running.values():
                asyncio.run(loads(some, given.clients, 0.5))
            for _round in range(given.rounds):
                for name, (pid, loads) in running.items():
                    before = cpu_s(pid)
                    answered = asyncio.run(loads(some, given.clients, given.seconds))
                    rate[name].append(len(answered) / (cpu_s(pid) - before))
                    took[name] += answered
                rate["bare loop"].append(bare_loop(folder, some, given.seconds))
            tell(corpus, rate, took, {name: memory_mb(pid) for name, (pid, _loads) in running.items()})


def tell(corpus: str, rate: dict[str, list[float]], took: dict[str, list[float]], memory: dict[str, float]) -> None:
    """Print one table: medians over the rounds; ratios are medians of the ratios within a round."""
    for name, found in sorted(rate.items(), key=lambda pair: statistics.median(pair[1])):
        ratios = [
            f"{statistics.median(mine / other for mine, other in zip(found, rate[base], strict=True)):5.2f}x {base}"
            for base in ("naive torch", "bare loop")
            if base in rate
        ]
        times = ""
        if name in took:
            quantiles = statistics.quantiles(took[name], n=100)
            times = (
                f"p50 {quantiles[49] * 1000:5.0f} ms, p99 {quantiles[98] * 1000:5.0f} ms, memory {memory[name]:4.0f} MB"
            )
        print(
            f"{corpus:6s} {name:14s} {statistics.median(found):6.0f} texts/CPU-s, {', '.join(ratios)}, {times}",
            flush=True,
        )


async def closed_loops(
    port: int,
    ask_one: Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[object]],
    excused: tuple[type[Exception], ...],
    texts: list[str],
    clients: int,
    seconds: float,
) -> list[float]:
    """Ask with `clients` closed loops for so many seconds; returns the seconds of each request. One that ends in an `excused` fault is not counted, and
    its client connects again."""
    until = time.perf_counter() + seconds
    took: list[float] = []

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        index = number * 97
        while (began := time.perf_counter()) < until:
            try:
                await ask_one(reader, writer, texts[index % len(texts)])
            except excused:
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                continue
            took.append(time.perf_counter() - began)
            index += 1
        writer.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    return took


async def one_of_peer(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> None:
    """Ask another server for one text over an open connection."""
    await ask_peer(reader, writer, *PATHS[port], text)


async def load_server(port: int, key: str, texts: list[str], clients: int, seconds: float) -> list[float]:
    """Load our server; every answer must be 200 with a label."""

    async def ask_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> None:
        answer = await ask(reader, writer, key, [text])
        assert "label" in answer["predictions"][0]

    return await closed_loops(port, ask_one, (), texts, clients, seconds)


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str, texts: list[str], probabilities: bool = False
) -> dict[str, Any]:
    """Send one request over an open connection."""
    body = json.dumps({"inputs": texts, "probabilities": probabilities}).encode()
    head = f"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    return await read_answer(reader)


async def read_answer(reader: asyncio.StreamReader) -> Any:
    """Read one answer, which must be 200: of known length or in chunks."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    if length:
        content = await reader.readexactly(int(length[1]))
    else:
        content = b""
        while size := int(await reader.readline(), 16):
            content += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    assert head.startswith(b"HTTP/1.1 200"), head
    return json.loads(content)


def bare_loop(folder: Path, texts: list[str], seconds: float) -> float:
    """Tokenize and run one text after the other, nothing else, in one process a core, so that cores that share a cache or
    an arithmetic unit slow each other down as they do under the server; returns texts per CPU second.
    """
    code = """
import json, resource, sys, time
import numpy as np, onnxruntime
from tokenizers import Tokenizer
folder, seconds, exact = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "True"
texts = json.load(sys.stdin)
tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
plan = json.load(open(folder + "/model.json"))
tokenizer.enable_truncation(plan["max_tokens"])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
if exact:
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
    plan = read_plan(folder)
    # as our server and, by their default, the peers run it
    exact = plan.format in INT8 and not plan.reduce_range and saturates(platform.machine(), device.cpu()[1])
    command = [sys.executable, "-c", code, str(folder), str(seconds), str(exact)]
    loops = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(device.threads())
    ]
    for loop in loops:
        assert loop.stdin is not None
        loop.stdin.write(json.dumps(texts))
        loop.stdin.close()
    return statistics.mean(float(loop.stdout.read()) for loop in loops if loop.stdout)


def alone_and_under_load(name: str, home: Path, key: str, texts: list[str], given: argparse.Namespace) -> None:
    """Print how many answers differ in a bit between alone and under load; each text is asked as often as it takes."""
    sample = [texts[index % len(texts)] for index in range(given.answers)]

    async def run(port: int, at_once: int, asked: list[str]) -> list[tuple[str, str]]:
        answers: list[tuple[str, str]] = []
        waiting = iter(asked)

        async def client() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for text in waiting:
                found = (await ask(reader, writer, key, [text], probabilities=True))["predictions"]
                answers.append((text, json.dumps(found)))
            writer.close()

        await asyncio.gather(*(client() for _ in range(at_once)))
        return answers

    with server(home) as (_pid, port, _):
        alone = dict(asyncio.run(run(port, 1, sorted(set(sample)))))
        loaded = asyncio.run(run(port, given.clients, sample))
    differ = sum(alone[text] != answer for text, answer in loaded)
    print(
        f"{name}: {differ} of {len(loaded)} answers differ in a bit between alone and {given.clients} at once",
        flush=True,
    )


def overload(name: str, home: Path, key: str, texts: list[str], seconds: float, rounds: int) -> None:
    """Print what 2.5 times the capacity does: requests come at their times, whatever has become of the ones before.

    The clients have a core for themselves and the server the others, so that what clients cost is not taken for what refusing costs; capacity is
    measured so, too, right before each overload.
    """
    os.environ["SKERRY_SERVE__QUEUE_TEXTS"] = str(QUEUE)
    *theirs, own = sorted(os.sched_getaffinity(0))
    capacities, goodputs = [], []
    statuses: list[int] = []
    took: list[float] = []
    with contextlib.ExitStack() as stack:
        with on_cores(theirs or [own]):
            _pid, port, _ = stack.enter_context(server(home))
        stack.enter_context(on_cores([own]))
        asyncio.run(load_server(port, key, texts, 32, 1.0))
        for _round in range(rounds):
            began = time.perf_counter()
            answered = asyncio.run(load_server(port, key, texts, 32, seconds))
            capacities.append(
                len(answered) / (time.perf_counter() - began)
            )  # the last answers come when the time is over
            told, took_s = asyncio.run(open_loop(port, key, texts, 2.5 * capacities[-1], seconds))
            goodputs.append(sum(status == 200 for status in told) / seconds / capacities[-1])
            statuses += told
            took += took_s
    del os.environ["SKERRY_SERVE__QUEUE_TEXTS"]
    capacity = statistics.median(capacities)
    bound = QUEUE / capacity
    print(
        f"{name}, overload: capacity {capacity:.0f}/s, goodput {statistics.median(goodputs):.0%} of it, statuses {sorted(set(statuses))}, "
        f"{statuses.count(200) / len(statuses):.0%} of the answers 200, "
        f"p99 of the answered {sorted(took)[int(0.99 * len(took))]:.2f} s (queue / capacity = {bound:.2f} s)",
        flush=True,
    )


@contextlib.contextmanager
def on_cores(cores: list[int]) -> Iterator[None]:
    """Run on these cores alone, and what is started meanwhile too."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def open_loop(
    port: int, key: str, texts: list[str], rate: float, seconds: float
) -> tuple[list[int], list[float]]:
    """Send requests at a rate over `CONNECTIONS` connections; returns the statuses of those that were answered in the time, and the seconds of the good ones."""
    statuses: list[int] = []
    took: list[float] = []
    due: asyncio.Queue[str] = asyncio.Queue()
    over = asyncio.Event()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not over.is_set():
            text = await due.get()
            began = time.perf_counter()
            body = json.dumps({"inputs": [text]}).encode()
            head = f"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.search(rb"content-length: (\d+)", answer)[1]))  # type: ignore[index]
            if not over.is_set():
                statuses.append(int(answer.split()[1]))
                if statuses[-1] == 200:
                    took.append(time.perf_counter() - began)

    clients = [asyncio.create_task(client()) for _connection in range(CONNECTIONS)]
    began = time.perf_counter()
    sent = 0
    while (now := time.perf_counter() - began) < seconds:
        while sent < now * rate:
            due.put_nowait(texts[sent % len(texts)])
            sent += 1
        await asyncio.sleep(0.002)
    over.set()
    for task in clients:
        task.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    return statuses, took


def killed(home: Path, key: str, texts: list[str], rounds: int = 5) -> None:
    """Print how soon the requests under way are answered when their engine process is killed, and when the next one answers."""
    lost, longest, back = [], [], []
    for _round in range(rounds):
        with server(home) as (pid, port, _):
            answers, died = asyncio.run(around_a_kill(pid, port, key, texts))
        refused = [ended - died for _began, ended, status in answers if status == 503]
        lost.append(len(refused))
        longest.append(max(refused, default=0.0))
        back.append(min(ended - died for began, ended, status in answers if status == 200 and began > died))
        assert {status for _began, _ended, status in answers} <= {200, 503}
    print(
        f"engine killed under 32 clients: {statistics.median(lost):.0f} requests answered 503, the last after {max(longest):.3f} s at worst; "
        f"answers again after {statistics.median(back):.2f} s (worst {max(back):.2f})",
        flush=True,
    )


async def around_a_kill(
    pid: int, port: int, key: str, texts: list[str]
) -> tuple[list[tuple[float, float, int]], float]:
    """Ask with 32 clients, kill the engine process after a second, go on until answers come again; returns (begun, ended, status) of each, and when it was killed."""
    answers: list[tuple[float, float, int]] = []
    died = float("inf")

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not any(status == 200 and began > died for began, _ended, status in answers):
            body = json.dumps({"inputs": [texts[(len(answers) + number) % len(texts)]]}).encode()
            head = f"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
            began = time.perf_counter()
            writer.write(head.encode() + body)
            told = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.search(rb"content-length: (\d+)", told)[1]))  # type: ignore[index]
            answers.append((began, time.perf_counter(), int(told.split()[1])))
        writer.close()

    clients = [asyncio.create_task(client(number)) for number in range(32)]
    await asyncio.sleep(1)
    [child] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    died = time.perf_counter()
    await asyncio.gather(*clients)
    return answers, died


def memory_over(home: Path, key: str, texts: list[str], given: argparse.Namespace) -> None:
    """Print the server's memory at each tenth of `--minutes` of mixed lengths."""
    with server(home) as (pid, port, _):
        found = [memory_mb(pid)]
        for _part in range(10):
            asyncio.run(load_server(port, key, texts, given.clients, given.minutes * 6))
            found.append(memory_mb(pid))
    print(f"memory over {given.minutes:g} minutes of mixed lengths: {', '.join(f'{one:.0f}' for one in found)} MB")


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
