"""The labeling page over HTTP: nothing lost, nothing doubled, nothing shown to whom it does not concern."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from appliance.annotations import answers, change_labels, create_task, enqueue, new_label, put, queue, suggest
from appliance.annotations import task as find_task
from appliance.errors import BusyError, PolicyError, SettingsError
from appliance.schema import Annotation, LabelTask, QueueItem, Record, Source
from appliance.store import Store
from appliance.web.listener import listen
from labeling.change import merge
from labeling.page import build_app, serve
from tests.labeling.site import Annotator, a_task, invited

KEPT = "submitted"


@pytest.fixture
def store() -> Iterator[Store]:
    yield Store.open()


def person(store: Store, name: str = "ann", role: str = "annotator", task: str = "triage") -> Annotator:
    client = TestClient(build_app(store), base_url="http://localhost")
    return Annotator("", task, invited(store, name, role), client)


def given(store: Store, task: LabelTask) -> list[tuple[str, str, str]]:
    return [(one.annotator, one.record[-1], one.state) for one in answers(store, task)]


# -- answering -------------------------------------------------------------------------------------------------------------


def test_cards_come_answers_are_kept_and_the_next_come_with_them(store: Store) -> None:
    task = a_task(store)
    ann = person(store)
    cards = ann.cards()
    assert [one["record"][-1] for one in cards] == ["0", "1", "2", "3"]
    assert 'id="text"' in cards[0]["html"] and "one" in cards[0]["html"] and cards[0]["length"] == 3
    value = {"label": task.choices[0].id}
    saved = ann.answer(cards[0]["record"], value, note="  unsure ", have=[f"{one['record']}:0" for one in cards[1:]])
    assert [one["record"][-1] for one in saved.json()["cards"]] == ["4"]
    [kept] = answers(store, task)
    assert (kept.annotator, kept.value, kept.note, kept.seconds, kept.source) == ("ann", value, "unsure", 1.5, "human")


def test_saving_twice_is_saving_once(store: Store) -> None:
    task = a_task(store)
    ann = person(store)
    [first, *_rest] = ann.cards()
    identity, value = uuid.uuid4().hex, {"label": task.choices[1].id}
    answered = [ann.answer(first["record"], value, identity) for _each in range(3)]
    assert [one.status_code for one in answered] == [200, 200, 200]
    assert len({one.json()["version"] for one in answered}) == 1
    assert len(list(answers(store, task, history=True))) == 1


def test_two_people_never_get_the_same_record(store: Store) -> None:
    a_task(store, texts=[f"text {row}" for row in range(8)])
    ann, bob = person(store), person(store, "bob")
    mine, theirs = ({one["record"] for one in who.cards()} for who in (ann, bob))
    assert len(mine) == len(theirs) == 4 and not mine & theirs
    assert person(store, "chris").cards() == []


def test_an_answer_that_the_tables_have_no_time_for_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A conflict (409) is dropped by the script, too busy (429) is not."""
    monkeypatch.setattr("appliance.store._BUSY_TIMEOUT_MS", 20)
    store = Store.open()
    task = a_task(store)
    ann = person(store)
    [first, *_rest] = ann.cards()
    identity, value = uuid.uuid4().hex, {"label": task.choices[0].id}
    with store.writing():
        assert ann.answer(first["record"], value, identity).status_code == 429
        assert ann.post("/undo", {"id": identity}).status_code == 429
    assert ann.answer(first["record"], value, identity).status_code == 200


def test_of_what_a_script_sends_the_answer_alone_is_kept(store: Store) -> None:
    """Anything else in it could make the answers of everybody unreadable."""
    task = a_task(store)
    ann = person(store)
    value = {"label": task.choices[0].id, "spans": 5, "labels": [{}], "score": "high"}
    assert ann.answer(ann.cards()[0]["record"], value).status_code == 200
    merge(store, task, [task.choices[1].name], task.choices[0].name)
    [kept] = answers(store, find_task(store, "triage"))
    assert kept.value == {"label": task.choices[0].id}


@pytest.mark.parametrize("end", [4, 10**9])
def test_a_mark_behind_the_end_of_its_text_is_refused(store: Store, end: int) -> None:
    task = a_task(store, kind="spans")
    ann = person(store)
    record, label = ann.cards()[0]["record"], task.choices[0].id
    refused = ann.answer(record, {"spans": [{"start": 0, "end": end, "label": label}]})
    assert refused.status_code == 422 and "3 characters" in refused.json()["error"]
    kept = ann.answer(record, {"spans": [{"start": 0, "end": 3, "label": label, "text": "one"}]})
    assert kept.status_code == 200
    assert [dict(one.value) for one in answers(store, task)] == [{"spans": [{"start": 0, "end": 3, "label": label}]}]


@pytest.mark.parametrize("more", [{"seconds": "soon"}, {"seconds": float("nan")}, {"note": "\ud800"}])
def test_what_is_no_time_or_no_text_is_refused(store: Store, more: dict[str, object]) -> None:
    task = a_task(store)
    ann = person(store)
    said = {"id": uuid.uuid4().hex, "record": ann.cards()[0]["record"], "value": {"label": task.choices[0].id}} | more
    headers = {"x-csrf-token": ann.token, "accept": "application/json", "content-type": "application/json"}
    refused = ann.client.post("/tasks/triage/answers", content=json.dumps(said), headers=headers)
    assert refused.status_code == 422 and given(store, task) == []


@pytest.mark.parametrize(("seconds", "kept"), [(10**400, 3600.0), (-1, 0.0), (1.234, 1.23), (None, None)])
def test_a_time_is_an_hour_at_most(store: Store, seconds: float | None, kept: float | None) -> None:
    task = a_task(store)
    ann = person(store)
    assert ann.answer(ann.cards()[0]["record"], {"label": task.choices[0].id}, seconds=seconds).status_code == 200
    assert [one.seconds for one in answers(store, task)] == [kept]


def test_a_record_that_is_not_mine_is_a_conflict(store: Store) -> None:
    task = a_task(store)
    ann, bob = person(store), person(store, "bob")
    record = ann.cards()[0]["record"]
    refused = bob.answer(record, {"label": task.choices[0].id})
    assert refused.status_code == 409 and "not yours" in refused.json()["error"]
    assert given(store, task) == []


def test_an_undo_brings_the_record_back_with_its_answer(store: Store) -> None:
    task = a_task(store)
    ann = person(store)
    identity, value = uuid.uuid4().hex, {"label": task.choices[0].id}
    record = ann.cards()[0]["record"]
    ann.answer(record, value, identity, note="see the end </script>")
    [card] = ann.post("/undo", {"id": identity}).json()["cards"]
    assert (card["record"], card["before"], card["note"]) == (record, value, "see the end </script>")
    assert "see the end </script>" not in card["html"]
    assert ann.answer(record, {"label": task.choices[2].id}).status_code == 200
    assert [one.value["label"] for one in answers(store, task)] == [task.choices[2].id]
    assert len(list(answers(store, task, history=True, states=("submitted", "withdrawn")))) == 3


def test_nobody_undoes_the_answer_of_another(store: Store) -> None:
    task = a_task(store)
    ann, bob = person(store), person(store, "bob")
    identity = uuid.uuid4().hex
    ann.answer(ann.cards()[0]["record"], {"label": task.choices[0].id}, identity)
    assert bob.post("/undo", {"id": identity}).status_code == 403
    assert bob.post("/undo", {"id": uuid.uuid4().hex}).status_code == 404
    assert given(store, task) == [("ann", "0", KEPT)]


def test_skipped_and_flagged_are_kept_as_such(store: Store) -> None:
    task = a_task(store)
    ann = person(store)
    first, second, *_rest = ann.cards()
    assert ann.answer(first["record"], {}, state="skipped").status_code == 200
    assert ann.answer(second["record"], {}, state="flagged", note="unreadable").status_code == 200
    assert given(store, task) == [("ann", "0", "skipped"), ("ann", "1", "flagged")]


@pytest.mark.parametrize(
    "change",
    [{"id": "x"}, {"id": None}, {"record": "../../etc"}, {"value": None}, {"value": []}, {"value": {"label": "nope"}}, {"value": {"labels": []}}, {"state": "withdrawn"},
     {"state": "deleted"}, {"note": 1}, {"note": "x" * 2001}, {"seconds": "1"}, {"have": "x"}, {"have": [1]}, {"value": {"label": ["a"]}}],
)  # fmt: skip
def test_what_is_no_answer_is_refused_and_nothing_is_kept(store: Store, change: dict[str, object]) -> None:
    task = a_task(store)
    ann = person(store)
    record = ann.cards()[0]["record"]
    content = {"id": uuid.uuid4().hex, "record": record, "value": {"label": task.choices[0].id}, "seconds": 1}
    refused = ann.post("/answers", content | change)
    assert refused.status_code == 422 and "error" in refused.json()
    assert given(store, task) == [] or "have" in change


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(store: Store, body: bytes) -> None:
    a_task(store)
    ann = person(store)
    headers = {"x-csrf-token": ann.token, "accept": "application/json", "content-type": "application/json"}
    for path in ("answers", "cards", "undo"):
        assert ann.client.post(f"/tasks/triage/{path}", content=body, headers=headers).status_code == 422


def test_seconds_stay_in_their_bounds(store: Store) -> None:
    task = a_task(store)
    ann = person(store)
    for card, seconds in zip(ann.cards(), (-5, 1e9, None), strict=False):
        ann.answer(card["record"], {"label": task.choices[0].id}, seconds=seconds)
    assert [one.seconds for one in answers(store, task)] == [0.0, 3600.0, None]


def test_several_labels_and_spans_are_kept(store: Store) -> None:
    several, spans = a_task(store, "several", "multi"), a_task(store, "marks", "spans")
    ann = person(store, task="several")
    labels = [one.id for one in several.choices[:2]]
    assert ann.answer(ann.cards()[0]["record"], {"labels": labels}).status_code == 200
    assert next(answers(store, several)).value == {"labels": labels}
    ann.task = "marks"
    marked = {"spans": [{"start": 0, "end": 2, "label": spans.choices[0].id}]}
    assert ann.answer(ann.cards()[0]["record"], marked).status_code == 200
    assert next(answers(store, spans)).value == marked


# -- without a script ---------------------------------------------------------------------------------------------------------


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return found[1]


def test_the_page_works_as_a_plain_form(store: Store) -> None:
    task = a_task(store)
    ann = person(store)
    for _each in range(2):
        page = ann.client.get("/tasks/triage").text
        fields = {name: field(page, name) for name in ("csrf", "id", "record", "review")}
        answer = ann.client.post("/tasks/triage/answers", data=fields | {"label": task.choices[1].id, "note": ""})
        assert answer.status_code == 200 and 'id="text"' in answer.text
    page = ann.client.get("/tasks/triage").text
    fields = {name: field(page, name) for name in ("csrf", "id", "record", "review")}
    ann.client.post("/tasks/triage/answers", data=fields | {"state": "skipped"})
    assert given(store, task) == [("ann", "0", KEPT), ("ann", "1", KEPT), ("ann", "2", "skipped")]


def test_boxes_are_ticked_as_a_plain_form(store: Store) -> None:
    task = a_task(store, kind="multi")
    ann = person(store)
    page = ann.client.get("/tasks/triage").text
    fields = {name: field(page, name) for name in ("csrf", "id", "record", "review")}
    ticked = {f"label.{one.id}": "on" for one in task.choices[1:]}
    ann.client.post("/tasks/triage/answers", data=fields | ticked)
    assert next(answers(store, task)).value == {"labels": [one.id for one in task.choices[1:]]}


# -- what the pages show ------------------------------------------------------------------------------------------------------


def test_the_pages_show_tasks_progress_guidelines_and_last_answers(store: Store) -> None:
    task = a_task(store, guidelines="# When\n- it <b>says</b> so\nelse no")
    ann = person(store)
    assert "0 of 5 records done" in ann.client.get("/").text
    ann.answer(ann.cards()[0]["record"], {"label": task.choices[1].id})
    page = ann.client.get("/tasks/triage").text
    assert "<h3>When</h3>" in page and '<p class="item">it &lt;b&gt;says&lt;/b&gt; so</p>' in page
    assert "1 of 5 records done" in ann.client.get("/tasks/triage/progress").text
    assert "no</bdi>" in ann.client.get("/tasks/triage/recent").text
    assert ann.client.get("/tasks/triage/overview").status_code == 200


def test_a_task_without_work_says_so(store: Store) -> None:
    a_task(store, texts=["only"])
    person(store).cards()
    page = person(store, "bob").client.get("/tasks/triage").text
    assert "Nothing waits for you here" in page and 'class="answer hidden"' in page


def test_suggestions_stand_beside_the_text_with_their_source(store: Store) -> None:
    task = a_task(store)
    suggest(store, task, "model", "probe", {f"{0:032x}": {"label": task.choices[2].id, "score": 0.875}})
    suggest(store, task, "rule", "words", {f"{0:032x}": {"label": task.choices[1].id}})
    card = person(store).cards()[0]
    assert "Model suggests <b><bdi>other</bdi></b> <span" in card["html"] and "0.88" in card["html"]
    assert "Rule suggests" in card["html"]
    assert {one["source"] for one in card["suggestions"]} == {"model", "rule"}


def test_a_chinese_reader_sees_chinese_labels(store: Store) -> None:
    a_task(store, labels=[new_label("delivery", chinese="配送"), new_label("price")])
    ann = person(store)
    english = ann.client.get("/tasks/triage", headers={"accept-language": "en"}).text
    chinese = ann.client.get("/tasks/triage", headers={"accept-language": "zh-CN"}).text
    assert "<bdi>delivery</bdi> <small><bdi>配送</bdi></small>" in english
    assert "<bdi>配送</bdi> <small><bdi>delivery</bdi></small>" in chinese and "<bdi>price</bdi>" in chinese


def test_labels_that_were_merged_or_retired_are_offered_no_more(store: Store) -> None:
    task = a_task(store)
    yes, no, other = task.labels
    change_labels(
        store, "triage", [yes, type(no)(no.id, no.name, into=yes.id), type(other)(other.id, other.name, retired=True)]
    )
    page = person(store).client.get("/tasks/triage").text
    assert f'value="{yes.id}"' in page and no.id not in page and other.id not in page


def test_text_is_text_and_hidden_characters_are_shown(store: Store) -> None:
    text = "<script>alert(1)</script>\u202e\u200b\r\n&amp;\0"
    a_task(store, texts=[text])
    card = person(store).cards()[0]
    assert "&lt;script&gt;" in card["html"] and "<script>alert" not in card["html"] and "&amp;amp;" in card["html"]
    assert re.findall(r'data-name="(U\+[0-9A-F]+)"', card["html"]) == ["U+202E", "U+200B", "U+000D", "U+0000"]
    assert card["length"] == len(text)


def test_a_task_or_project_that_is_not_there_is_not_found(store: Store) -> None:
    a_task(store)
    a_task(Store.open(project="other"), "foreign")
    ann = person(store)
    for path in ("", "/overview", "/progress", "/recent"):
        assert ann.client.get(f"/tasks/nothing{path}").status_code == 404
        assert ann.client.get(f"/tasks/foreign{path}").status_code == 404
    ann.task = "foreign"
    assert {ann.post(path, {"have": []}).status_code for path in ("/cards", "/renew")} == {404}
    assert ann.answer(f"{0:032x}", {"label": "x"}).status_code == 404


def test_leases_are_renewed_without_being_a_sign_of_life(store: Store) -> None:
    a_task(store)
    ann = person(store)
    ann.cards()
    assert ann.post("/renew", {}).json() == {"held": 4}


# -- the reviewer ---------------------------------------------------------------------------------------------------------------


def disputed(store: Store) -> LabelTask:
    task = a_task(store)
    for name, label in (("ann", 0), ("bob", 1)):
        who = person(store, name)
        card = who.cards()[0]
        if name == "bob":
            enqueue(store, task, [QueueItem("triage", f"{0:032x}", 0, needed=2)], again=True)
            card = next(one for one in who.cards() if one["record"] == f"{0:032x}")
        who.answer(card["record"], {"label": task.choices[label].id}, note="because" if label else "")
    enqueue(store, task, [QueueItem("triage", f"{0:032x}", 0, reason="disagreement", review=True)])
    return task


def test_a_reviewer_decides_what_people_disagree_on(store: Store) -> None:
    task = disputed(store)
    rita = person(store, "rita", "reviewer")
    listed = rita.client.get("/tasks/triage/review").text
    assert "People disagree" in listed and f"record={0:032x}" in listed
    card = rita.cards()[0]
    assert card["review"] and "ann" in card["html"] and "bob" in card["html"] and "because" in card["html"]
    assert rita.answer(card["record"], {"label": task.choices[2].id}, review=True).status_code == 200
    [decided] = [one for one in answers(store, task) if one.review]
    assert (decided.annotator, decided.value["label"]) == ("rita", task.choices[2].id)
    assert queue(store, "triage", review=True)[0].closed
    assert "Nothing waits for review" in rita.client.get("/tasks/triage/review").text


def test_the_reviewers_pages_are_not_there_for_others(store: Store) -> None:
    task = disputed(store)
    eve = person(store, "eve")
    headers = {"x-csrf-token": eve.token}
    assert eve.client.get("/tasks/triage/review").status_code == 404
    assert eve.client.get(f"/tasks/triage?record={0:032x}").status_code == 404
    assert eve.client.post("/tasks/triage/rows/0/look", data={"why": "x"}, headers=headers).status_code == 404
    assert eve.answer(f"{0:032x}", {"label": task.choices[0].id}, review=True).status_code == 404
    assert not any(one["review"] for one in eve.cards())
    assert ">bob<" not in eve.client.get("/tasks/triage/overview").text


def test_a_look_at_raw_text_writes_an_event_first(store: Store) -> None:
    record = Record(f"{0:032x}", "Call Anna Berg at noon", source=Source("calls.csv", 1))
    with store.draft("dataset", "raw", meta={"stage": "raw"}) as draft:
        store.write_records(draft, [record])
    raw = draft.artifact
    with store.draft("dataset", "notes", (raw.id,), {"stage": "scrubbed", "scrubbed": True}) as draft:
        store.write_records(draft, [Record(record.id, "Call PERSON_1 at noon")])
    task = create_task(store, "triage", draft.artifact, "single", [new_label("yes"), new_label("no")])
    enqueue(store, task, [QueueItem("triage", record.id, 0, review=True)])
    rita = person(store, "rita", "reviewer")
    assert "PERSON_1" in rita.cards()[0]["html"]
    headers = {"x-csrf-token": rita.token, "hx-request": "true"}
    refused = rita.client.post("/tasks/triage/rows/0/look", data={"why": " "}, headers=headers)
    assert refused.status_code == 403 and "say why" in refused.json()["error"]
    refused = rita.client.post("/tasks/triage/rows/0/look", data={"why": "x" * 201}, headers=headers)
    assert refused.status_code == 422
    shown = rita.client.post("/tasks/triage/rows/0/look", data={"why": "the name is in doubt"}, headers=headers)
    assert "Call Anna Berg at noon" in shown.text
    looks = [event for event in store.events() if event.verb == "label-look"]
    assert [(one.details["who"], one.details["why"]) for one in looks] == [("rita", "the name is in doubt")]


def test_the_overview_tells_a_reviewer_how_far_people_agree(store: Store) -> None:
    task = a_task(store, texts=[f"text {row}" for row in range(20)])
    ids = [one.id for one in task.choices]
    for who in ("ann", "bob"):
        put(
            store,
            task,
            [
                Annotation(
                    uuid.uuid4().hex,
                    "triage",
                    f"{row:032x}",
                    who,
                    "import",
                    {"label": ids[row % 2 if row or who == "ann" else 2]},
                )
                for row in range(20)
            ],
        )
    page = person(store, "rita", "reviewer").client.get("/tasks/triage/overview").text
    assert "agreement (alpha)" in page and re.search(r"<b>0\.9\d <small>", page) and page.count("95 %") == 3
    others = person(store, "eve").client.get("/tasks/triage/overview").text
    assert "agreement" not in others and "bob" not in others


@pytest.mark.parametrize("kind", ["multi", "spans"])
def test_the_overview_is_there_for_every_kind(store: Store, kind: str) -> None:
    task = a_task(store, kind=kind, labels=[new_label("yes", target=9), new_label("no", description="when not")])
    rita = person(store, "rita", "reviewer")
    label = task.choices[0].id
    value = {"labels": [label]} if kind == "multi" else {"spans": [{"start": 0, "end": 2, "label": label}]}
    for who in ("ann", "bob"):
        put(store, task, [Annotation(uuid.uuid4().hex, "triage", f"{0:032x}", who, "import", value)])
    enqueue(store, task, [QueueItem("triage", f"{0:032x}", 0, reason="disagreement", review=True)])
    page = rita.client.get("/tasks/triage/overview").text
    assert "Wanted" in page and "Agreement" in page
    assert "What people answered" in rita.cards()[0]["html"]


# -- starting -------------------------------------------------------------------------------------------------------------------


def test_it_does_not_start_where_nobody_can_enter_or_passwords_would_be_seen(store: Store) -> None:
    with pytest.raises(PolicyError, match="skerry label invite"):
        serve(store, "127.0.0.1", 0)
    invited(store)
    with pytest.raises(PolicyError, match="--tls-cert"):
        serve(store, "0.0.0.0", 0)
    with pytest.raises(SettingsError, match="both"):
        serve(store, "127.0.0.1", 0, tls_cert=store.home)


def test_a_port_that_is_taken_is_told(store: Store) -> None:
    invited(store)
    with listen("127.0.0.1", 0) as taken, pytest.raises(BusyError, match="choose another"):
        serve(store, "127.0.0.1", taken.getsockname()[1])
