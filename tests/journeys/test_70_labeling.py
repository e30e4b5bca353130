"""People label at the page while the loop chooses for them; what they said becomes a data set and a model, better than after the first round."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance.annotations import answers, lease_next, queue, save, task
from appliance.schema import Annotation
from appliance.settings import load
from appliance.store import Store
from tests.egress import HOSTILE, sealed, watch
from tests.fakes import TOPICS, tiny_base
from tests.journeys.site import ROOT, Site

LABELS = ("card", "transfer", "account", "appointment", "medicine")
_PASSWORD = "a quiet heron stands"


def letters(path: Path, rows: int, seed: int, **more: str) -> Path:
    """Write a CSV of messages whose topic can be told from their words; `more` are further columns."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", *more])
        for number in range(rows):
            label = LABELS[min(int(chance.expovariate(0.7)), len(LABELS) - 1)]
            words = chance.choices(TOPICS[label][0], k=3)
            writer.writerow(
                [f"please see to {words[0]} and {words[1]} , {words[2]} number {number}", label, *more.values()]
            )
    return path


def topic(text: str) -> str:
    """What a careful person says that a message is about."""
    words = set(re.findall(r"[a-z]+", text))
    return max(LABELS, key=lambda label: len(words & set(TOPICS[label][0])))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with a scrubbed data set of 300 messages without labels, and a labeled one to examine models on."""
    tiny_base(tmp_path / "bases" / "tiny")
    environment = os.environ | {
        "SKERRY_HOME": str(tmp_path / "home"),
        "SKERRY_STORE__KEY_FOLDER": str(tmp_path / "keys"),
        "SKERRY_BASES__FOLDER": str(tmp_path / "bases"),
        "SKERRY_TRAIN__BASE": "tiny",
        "SKERRY_TRAIN__MAX_TOKENS": "48",
        "SKERRY_LABEL__POLL_S": "0.2",
        "SKERRY_TRAIN__THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    made = Site(tmp_path, environment)
    made.run("ingest", str(letters(tmp_path / "letters.csv", 300, 1)), "--name", "letters")
    made.run("scrub", "letters")
    names = [part for label in LABELS for part in ("--label", f"{label}={TOPICS[label][1][0]}")]
    made.run("label", "create", "topics", "--dataset", "letters", *names, "--overlap", "0.1", "--gold-share", "0")
    return made


@contextmanager
def page(site: Site, *names: str) -> Iterator[list[Annotator]]:
    """Invite people, run `skerry label serve` and yield them as they have entered."""
    codes = [site.skerry("label", "invite", name)["code"] for name in names]
    file = site.folder / f"page-{time.monotonic_ns()}.log"
    with file.open("wb") as lines:
        server = subprocess.Popen(
            site.command("label", "serve", "--port", "0"), stderr=lines, env=site.environment, cwd=ROOT
        )
    try:
        until = time.monotonic() + 60
        while not (found := re.search(r'"url": ?"([^"]+)"', file.read_text("utf-8"))):
            assert server.poll() is None and time.monotonic() < until, file.read_text("utf-8")
            time.sleep(0.05)
        people = [Annotator(found[1], name, code) for name, code in zip(names, codes, strict=True)]
        yield people
        for person in people:
            person.stop()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


class Annotator(threading.Thread):
    """One person at the page, without its script: reads the cards it is given and answers each, until told to stop."""

    def __init__(self, address: str, name: str, code: str) -> None:
        super().__init__(name=name, daemon=True)
        self.client = httpx.Client(base_url=address, follow_redirects=True, trust_env=False, timeout=30)
        self.client.post("/join", data={"code": code, "password": _PASSWORD}).raise_for_status()
        self.given: dict[str, str] = {}
        self.over = threading.Event()
        first = self.client.get("/tasks/topics").text
        token = re.search(r'name="csrf" content="([^"]+)"', first)
        assert token is not None
        self.client.headers["x-csrf-token"] = unescape(token[1])
        self.labels = {unescape(name): one for one, name in re.findall(r'data-label="(\w+)".*?<bdi>(.*?)</bdi>', first)}

    def run(self) -> None:
        """Answer whatever waits."""
        while not self.over.is_set():
            if not self.answer_cards():
                time.sleep(0.5)

    def stop(self) -> None:
        """Answer no more, and leave."""
        self.over.set()
        if self.ident is not None:
            self.join(30)
        self.client.close()

    def answer_cards(self) -> int:
        """Take the next cards and answer them; returns how many there were."""
        asked = self.client.post("/tasks/topics/cards", json={"have": []}).raise_for_status().json()["cards"]
        for card in asked:
            text = re.search(r'<div class="text".*?>(.*?)</div>', card["html"], re.DOTALL)
            assert text is not None
            said = topic(unescape(re.sub(r"<[^>]+>", "", text[1])))
            answer = {
                "id": uuid.uuid4().hex,
                "record": card["record"],
                "value": {"label": self.labels[said]},
                "seconds": 1.5,
            }
            if self.client.post("/tasks/topics/answers", json=answer).raise_for_status():
                self.given[card["record"]] = self.labels[said]
        return len(asked)


def loop(site: Site, *options: str) -> subprocess.Popen[str]:
    """Start `skerry label loop`."""
    command = site.command("label", "loop", "topics", *options, "--json")
    return subprocess.Popen(
        command, env=site.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for its end and return its JSON."""
    out, said = process.communicate(timeout=600)
    assert process.returncode == 0, said[-3000:]
    found: dict[str, Any] = json.loads(out)
    return found


def opened(site: Site) -> Store:
    home = site.home
    return Store.open(home, settings=load(home, store={"key_folder": site.folder / "keys"}))


def accuracy(site: Site, model: str) -> float:
    """What a model knows of messages that nobody labeled here."""
    return float(site.skerry("evaluate", model, "exam")["metrics"]["accuracy"])


@pytest.mark.long
def test_people_at_the_page_and_the_loop_make_a_better_model(site: Site) -> None:
    exam = letters(site.folder / "exam.csv", 120, 2, part="test")
    site.run("ingest", str(exam), "--name", "exam", "--label-column", "label", "--split-column", "part")
    site.run("scrub", "exam")
    with page(site, "anna", "bo") as people:
        first = site.skerry("label", "next", "topics", "--count", "40")
        assert (first["queued"], first["labelled"]) == (40, 0)
        while people[0].answer_cards():
            pass
        early = site.skerry("label", "apply", "topics")["dataset"]
        site.run("train", early, "--name", "early", "--method", "probe")
        process = loop(site, "--count", "60", "--budget", "200", "--keep-going", "--train", "late", "--method", "probe")
        for person in people:
            person.start()
        found = ended(process)
    assert (found["ended"], found["labelled"]) == ("budget", 200)
    assert found["rounds"][-1]["accuracy"] > 0.6
    assert found["model"].startswith("late@")
    assert accuracy(site, "late") > accuracy(site, "early")
    store = opened(site)
    kept = {(one.annotator, one.record): one.value["label"] for one in answers(store, task(store, "topics"))}
    assert kept == {(person.name, record): label for person in people for record, label in person.given.items()}
    assert site.skerry("audit", "verify")["ok"]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_a_loop_that_is_killed_goes_on_and_asks_nothing_twice(site: Site, seed: int) -> None:
    """`kill -9` of the loop at random moments while people go on answering: no answer is lost, no record is queued twice."""
    chance = random.Random(seed)
    options = ("--count", "25", "--budget", "110", "--keep-going")
    with page(site, "anna") as (anna,):
        anna.start()
        for _kill in range(4):
            process = loop(site, *options)
            time.sleep(chance.uniform(1.0, 6.0))
            process.kill()
            process.communicate()
        found = ended(loop(site, *options))
    assert (found["ended"], found["labelled"]) == ("budget", 110)
    store = opened(site)
    asked = Counter(item.record for item in queue(store, "topics"))
    assert max(asked.values()) == 1
    assert len(asked) == 110
    assert {one.record for one in answers(store, task(store, "topics"))} == set(anna.given)
    assert {job["state"] for job in site.skerry("list", "jobs")["jobs"]} == {"done"}


@pytest.mark.long
def test_the_labeling_verbs_try_to_reach_nobody(site: Site) -> None:
    """Under strace with hostile proxies; then the loop with people at the page in a network of its own that has no way out."""
    for program in ("strace", "unshare", "ip"):
        if not shutil.which(program):
            pytest.skip(f"needs the system package with `{program}` (strace, util-linux, iproute2)")
    verbs = [
        ["label", "next", "topics", "--count", "20"],
        ["label", "seed", "topics", "--label", "medicine", "--keyword", "dose"],
        ["label", "list"],
        ["label", "show", "topics"],
    ]
    for verb in verbs:
        done, attempts = watch(site.command(*verb), environment=site.environment | HOSTILE, cwd=ROOT)
        assert done.returncode == 0, (verb, done.stderr[-3000:])
        assert attempts == [], verb
    answer_at_the_store(site)
    for verb in (
        ["label", "apply", "topics"],
        ["label", "loop", "topics", "--budget", "20", "--train", "late", "--method", "probe"],
    ):
        done, attempts = watch(site.command(*verb), environment=site.environment | HOSTILE, cwd=ROOT)
        assert done.returncode == 0, (verb, done.stderr[-3000:])
        assert attempts == [], verb
    done = subprocess.run(
        sealed(site.command("label", "next", "topics")),
        env=site.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def answer_at_the_store(site: Site) -> None:
    """Let one person answer all that waits, as the words of the texts tell."""
    from labeling.texts import Texts, dataset_of

    store = opened(site)
    found = task(store, "topics")
    texts = Texts(store, dataset_of(store, found))
    ids = {label.name: label.id for label in found.choices}
    while items := lease_next(store, "topics", "anna", 20):
        for item in items:
            value = {"label": ids[topic(texts.record(item.row).text)]}
            save(store, Annotation(uuid.uuid4().hex, "topics", item.record, "anna", "human", value))
