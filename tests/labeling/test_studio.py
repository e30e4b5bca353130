"""Records, predictions and answers go to Label Studio and back: exchanges recorded from a real 1.23.2 (`test_studio_real.py` records them)."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.annotations import answers, progress
from appliance.errors import BusyError, InputError, NotFoundError, PolicyError, SettingsError
from appliance.store import Store
from labeling import studio
from labeling.link import find_link, read_link
from labeling.studio import Studio
from tests.labeling.studio_rig import TOKEN, Replayer, conversation, labeling, linked

KINDS = ["single", "multi", "spans"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_goes_there_and_comes_back(kind: str) -> None:
    """The whole exchange as it was recorded: every request is the one that the real server answered."""
    store, task = labeling(6, kind)
    linked(store, task)
    recorded = Replayer(kind)
    conversation(store, task, Studio("http://127.0.0.1:1", TOKEN, transport=recorded))
    assert recorded.done()


def test_what_was_exchanged_stands_in_the_event_chain_as_counts() -> None:
    store, task = labeling(6, "single")
    linked(store, task)
    conversation(store, task, Studio("http://127.0.0.1:1", TOKEN, transport=Replayer("single")))
    verbs = [event.verb for event in store.events() if event.verb in ("label-push", "label-pull")]
    assert verbs.count("label-push") == 4
    assert verbs.count("label-pull") == 4
    assert store.audit()["ok"]
    assert "my card" not in json.dumps([dict(event.details) for event in store.events()])


def test_nothing_that_the_exchange_writes_beside_the_store_holds_a_text_or_a_secret() -> None:
    """The link, what was sent and what was seen: ids, hashes and sealed secrets."""
    store, task = labeling(6, "spans")
    linked(store, task)
    conversation(store, task, Studio("http://127.0.0.1:1", TOKEN, transport=Replayer("spans")))
    written = b"".join(path.read_bytes() for path in (store.home / "projects" / "main" / "studio").iterdir())
    for secret in ("my card", "转账", TOKEN, read_link(store, "intents").secret):
        assert secret.encode() not in written
    assert TOKEN not in repr(read_link(store, "intents"))


def test_people_there_are_counted_as_people() -> None:
    """An answer from there closes the record, as does an edit there of one from here; a prediction never does."""
    store, task = labeling(6, "single")
    linked(store, task)
    conversation(store, task, Studio("http://127.0.0.1:1", TOKEN, transport=Replayer("single")))
    assert {one.source for one in answers(store, task)} == {"studio"}
    assert progress(store, "intents")["closed"] == 3


# -- faults ------------------------------------------------------------------------------------------------------------


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers with what the test has put in line, and keeps what was asked."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        server: Any = self.server
        server.asked.append((self.path, self.headers["authorization"], body))
        status, answer = server.line.pop(0)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(studio, "_WAITS_S", (0.0, 0.0))
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.line, server.asked = [], []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, InputError), (401, PolicyError), (403, PolicyError), (404, NotFoundError), (409, InputError), (500, BusyError), (302, InputError)],
)  # fmt: skip
def test_a_fault_is_told_without_what_label_studio_says_of_it(there: Any, status: int, error: type[Exception]) -> None:
    """Its answers quote texts; a redirection is not followed."""
    there.line = [(status, b'{"detail": "my card is gone"}')]
    with pytest.raises(error) as caught:
        Studio(there.url, TOKEN).ask("GET", "/api/tasks/")
    assert "my card" not in str(caught.value)
    assert len(there.asked) == 1


def test_what_only_reads_is_asked_again_while_the_server_restarts(there: Any) -> None:
    there.line = [(503, b""), (502, b""), (200, b'{"ok": true}')]
    assert Studio(there.url, TOKEN).ask("GET", "/api/tasks/") == {"ok": True}


def test_a_server_that_is_down_is_named(there: Any) -> None:
    with pytest.raises(BusyError, match="does not answer"):
        Studio("http://127.0.0.1:9", TOKEN).ask("GET", "/api/tasks/")


def test_an_answer_that_is_no_json_is_refused(there: Any) -> None:
    there.line = [(200, b"<html>")]
    with pytest.raises(InputError, match="something else than JSON"):
        Studio(there.url, TOKEN).ask("GET", "/api/tasks/")


def test_a_personal_token_buys_an_access_token_and_a_new_one_when_it_has_run_out(there: Any) -> None:
    access = [(200, json.dumps({"access": f"short{number}"}).encode()) for number in (1, 2)]
    there.line = [access[0], (200, b"1"), (401, b""), access[1], (200, b"2")]
    client = Studio(there.url, "aa.bb.cc\n")
    assert [client.ask("GET", "/api/x"), client.ask("GET", "/api/x")] == [1, 2]
    assert [said for path, said, _body in there.asked if path == "/api/x"] == ["Bearer short1", "Bearer short1", "Bearer short2"]  # fmt: skip
    assert json.loads(there.asked[0][2]) == {"refresh": "aa.bb.cc"}


@pytest.mark.parametrize("url", ["http://8.8.8.8", "https://1.1.1.1:8080"])
def test_texts_never_go_outside_the_local_network(url: str) -> None:
    with pytest.raises(PolicyError, match="local network only"):
        Studio(url, TOKEN)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1:8080", "http://", "http://:80", "http://user@127.0.0.1", "http://127.0.0.1:99999"])  # fmt: skip
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="no address of a Label Studio"):
        Studio(url, TOKEN)


# -- the link ----------------------------------------------------------------------------------------------------------


def test_a_link_is_made_once_and_its_token_can_change() -> None:
    store, _task = labeling()
    made = studio.link_task(store, "intents", "http://127.0.0.1:1/", TOKEN)
    assert made.url == "http://127.0.0.1:1"
    again = studio.link_task(store, "intents", "http://127.0.0.1:1", "another")
    assert (again.marker, again.token) == (made.marker, "another")
    assert studio.link_task(store, "intents", None, None) == again


def test_another_address_is_another_project() -> None:
    store, _task = labeling()
    first = studio.link_task(store, "intents", "http://127.0.0.1:1", TOKEN)
    other = studio.link_task(store, "intents", "http://127.0.0.1:2", TOKEN)
    assert other.marker != first.marker
    assert other.secret != first.secret


def test_a_task_without_a_link_says_what_to_do() -> None:
    store, _task = labeling()
    with pytest.raises(SettingsError, match="--token-file"):
        studio.link_task(store, "intents", None, None)
    with pytest.raises(NotFoundError, match="skerry label push intents --url"):
        studio.pull(store, "intents")
    with pytest.raises(NotFoundError, match="no labeling task"):
        studio.link_task(store, "nothing", "http://127.0.0.1:1", TOKEN)
    assert find_link(Store.open(), "intents") is None


def test_nothing_is_pulled_before_there_is_a_project() -> None:
    store, task = labeling()
    linked(store, task)
    with pytest.raises(NotFoundError, match="first run `skerry label push intents`"):
        studio.pull(store, "intents", studio=Studio("http://127.0.0.1:1", TOKEN, transport=Replayer("single")))
