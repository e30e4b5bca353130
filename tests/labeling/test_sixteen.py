"""Sixteen people at once, and a server that is killed under them: no acknowledged answer is lost, none is there twice."""

from __future__ import annotations

import signal
import threading
import time
import uuid
from collections import Counter
from pathlib import Path

import httpx
import pytest

from appliance.annotations import answers, queue
from appliance.settings import load
from appliance.store import Store
from appliance.web.listener import listen
from tests.labeling.site import Annotator, a_task, ended, invited, started

PEOPLE = 16
AHEAD = 4  # records that a page holds ready; at the end nobody waits for those of another


class Person(threading.Thread):
    """One who answers `count` records whatever happens to the server: what was not acknowledged is sent again, with the same id."""

    def __init__(self, annotator: Annotator, labels: list[str], count: int) -> None:
        super().__init__(daemon=True)
        self.annotator, self.labels, self.count = annotator, labels, count
        self.acknowledged: dict[str, str] = {}  # answer -> record
        self.refused: list[int] = []

    def run(self) -> None:
        """Answer."""
        cards: list[str] = []
        while len(self.acknowledged) < self.count:
            if not cards:
                cards = [one["record"] for one in self.until_it_answers("/cards", {"have": []}).json()["cards"]]
                continue
            record, identity = cards.pop(0), uuid.uuid4().hex
            value = {"label": self.labels[len(self.acknowledged) % len(self.labels)]}
            content = {"id": identity, "record": record, "value": value, "seconds": 1}
            answer = self.until_it_answers("/answers", content | {"have": [f"{one}:0" for one in cards]})
            if answer.status_code == 200:
                self.acknowledged[identity] = record
                cards += [one["record"] for one in answer.json()["cards"]]
            else:
                self.refused.append(answer.status_code)

    def until_it_answers(self, path: str, content: dict[str, object]) -> httpx.Response:
        """Send until there is an answer."""
        while True:
            try:
                answer = self.annotator.post(path, content)
            except httpx.TransportError:
                time.sleep(0.2)
                continue
            if answer.status_code not in (429, 503):
                return answer


@pytest.mark.parametrize("count, kills", [(6, 1), pytest.param(500, 8, marks=pytest.mark.long)])
def test_no_answer_is_lost_or_doubled_when_the_server_is_killed(count: int, kills: int, tmp_path: Path) -> None:
    store = Store.open(settings=load())
    labels = ["yes", "no", "other"]
    task = a_task(store, texts=[f"text {row}" for row in range(PEOPLE * (count + AHEAD))], labels=labels)
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    codes = [invited(store, f"person{number}") for number in range(PEOPLE)]
    server = started(port)
    try:
        at = f"http://127.0.0.1:{port}"
        people = [Person(Annotator(at, "triage", code), [one.id for one in task.choices], count) for code in codes]
        for person in people:
            person.start()
        for number in range(kills):
            wanted = PEOPLE * count * (number + 1) // (kills + 1)
            while sum(len(person.acknowledged) for person in people) < wanted:
                time.sleep(0.02)
            ended(server, signal.SIGKILL)
            server = started(port)
        for person in people:
            person.join(1200)
    finally:
        stopped = ended(server, signal.SIGTERM)
    for person in people:
        person.annotator.client.close()
    assert stopped == 0
    acknowledged = {identity: record for person in people for identity, record in person.acknowledged.items()}
    there = {one.id: one.record for one in answers(store, task, history=True, states=("submitted", "withdrawn"))}
    assert len(acknowledged) == PEOPLE * count
    assert there == acknowledged  # none lost, none doubled, none that nobody heard of
    assert Counter(there.values()).most_common(1)[0][1] == 1
    assert sum(item.closed for item in queue(store, "triage")) == PEOPLE * count
    assert [status for person in people for status in person.refused if status != 409] == []
