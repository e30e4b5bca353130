"""The labeling page in a real Chromium (Debian's): keys, marks, hostile texts, a server that dies.

What a person sees is driven through Playwright; what was kept is read from the store.
"""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from appliance.annotations import answers, enqueue, new_label, put, suggest
from appliance.schema import Annotation, LabelTask, QueueItem
from appliance.store import Store
from appliance.web.listener import listen
from tests.labeling.site import PASSWORD, a_task, ended, invited, serving, started

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium here; install Debian's `chromium`")
HOSTILE = Path(__file__).parent / "hostile_texts.json"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store.open()
    yield made
    made.engine.dispose()


class Watched:
    """A page, and whatever it did that no page of ours does: dialogs, errors, refusals by its policy, requests to elsewhere."""

    def __init__(self, browser: Browser, address: str, code: str) -> None:
        self.faults: list[str] = []
        self.page: Page = browser.new_context(locale="en-GB").new_page()
        self.page.on("dialog", lambda dialog: (self.faults.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("pageerror", lambda error: self.faults.append(f"error {error}"))
        self.page.on("console", lambda line: line.type == "error" and self.faults.append(f"console {line.text}"))
        self.page.on("request", lambda request: self._same_origin(request.url, address))
        self.page.goto(f"{address}/join?code={code}")
        self.page.fill("#password", PASSWORD)
        self.page.click("button.primary")
        self.page.wait_for_url(f"{address}/")

    def _same_origin(self, url: str, address: str) -> None:
        if urlsplit(url).netloc != urlsplit(address).netloc:
            self.faults.append(f"request {url}")

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def text(self) -> str:
        """Return the text on the card."""
        return self.page.locator("#text").inner_text()

    def saved(self) -> None:
        """Wait until the page says that everything is saved."""
        expect(self.page.locator("#saved")).to_have_text("Saved", timeout=15_000)


def kept(store: Store, task: LabelTask) -> list[tuple[str, str, str]]:
    names = {one.id: one.name for one in task.labels}
    return sorted(
        (one.record[-1], one.state, names.get(one.value.get("label", ""), "")) for one in answers(store, task)
    )


def test_a_person_labels_with_the_keyboard_alone(store: Store, browser: Browser) -> None:
    task = a_task(store, texts=[f"text {row}" for row in range(9)])
    suggest(store, task, "model", "probe", {f"{5:032x}": {"label": task.choices[1].id, "score": 0.9}})
    with serving(store) as address:
        ann = Watched(browser, address, invited(store))
        ann.press("Enter")  # the first task has the focus
        expect(ann.page.locator("#text")).to_have_text("text 0")
        ann.press("1", "2")
        expect(ann.page.locator("#text")).to_have_text("text 2")
        ann.press("s", "n")
        ann.page.keyboard.type("cut off")
        ann.press("Escape", "f")
        expect(ann.page.locator("#text")).to_have_text("text 4")
        ann.press("3")
        expect(ann.page.locator(".suggestion")).to_contain_text("Model suggests no 0.90")
        ann.press("a")
        ann.saved()
        ann.press("z")
        expect(ann.page.locator("#text")).to_have_text("text 5")
        ann.press("1")
        expect(ann.page.locator("#text")).to_have_text("text 6")
        ann.press("?")
        expect(ann.page.locator("#help")).to_be_visible()
        ann.press("1", "Enter")
        expect(ann.page.locator("#help")).to_be_hidden()
        ann.press("2", "2", "2")
        expect(ann.page.locator("#rest")).to_be_visible()
        expect(ann.page.locator("#recent li")).to_have_count(9)
        ann.saved()
        assert ann.faults == []
    names = ["yes", "no", "", "", "other", "yes", "no", "no", "no"]
    states = ["submitted", "submitted", "skipped", "flagged"] + ["submitted"] * 5
    assert kept(store, task) == [(str(row), states[row], names[row]) for row in range(9)]
    assert [one.note for one in answers(store, task, states=("flagged",))] == ["cut off"]
    assert all(one.seconds is not None and one.seconds < 60 for one in answers(store, task))


def test_an_older_answer_is_taken_back_with_the_mouse(store: Store, browser: Browser) -> None:
    task = a_task(store, texts=[f"text {row}" for row in range(6)])
    with serving(store) as address:
        ann = Watched(browser, address, invited(store))
        ann.page.goto(f"{address}/tasks/triage")
        ann.press("1", "1")
        expect(ann.page.locator("#recent li")).to_have_count(2)
        ann.page.locator("#recent button").nth(1).click()
        expect(ann.page.locator("#text")).to_have_text("text 0")
        expect(ann.page.locator(".choice.on")).to_contain_text("yes")
        ann.page.locator(".choice").nth(2).click()
        expect(ann.page.locator("#text")).to_have_text("text 2")
        ann.saved()
        assert ann.faults == []
    assert kept(store, task) == [("0", "submitted", "other"), ("1", "submitted", "yes")]


def test_among_many_labels_one_is_found_by_typing(store: Store, browser: Browser) -> None:
    labels = [new_label(f"topic {number}", chinese=f"主题{number}") for number in range(60)] + [
        new_label("lost card", chinese="挂失")
    ]
    task = a_task(store, labels=labels, texts=[f"text {row}" for row in range(6)])
    suggest(store, task, "model", "probe", {f"{3:032x}": {"label": labels[41].id, "score": 0.5}})
    with serving(store) as address:
        ann = Watched(browser, address, invited(store))
        ann.page.goto(f"{address}/tasks/triage")
        expect(ann.page.locator("#search")).to_be_focused()
        ann.page.keyboard.type("card los")
        expect(ann.page.locator(".choice:not(.hidden)")).to_have_count(1)
        ann.press("Enter")
        expect(ann.page.locator("#text")).to_have_text("text 1")
        ann.page.locator("#search").fill("挂")
        ann.press("1")
        expect(ann.page.locator("#text")).to_have_text("text 2")
        ann.page.keyboard.type("topic")
        ann.press("ArrowDown", "ArrowDown", "Enter")
        expect(ann.page.locator("#text")).to_have_text("text 3")
        ann.press("1")  # what the model suggests stands first
        expect(ann.page.locator("#text")).to_have_text("text 4")
        ann.press("Shift+S", "Shift+Z")
        expect(ann.page.locator("#text")).to_have_text("text 4")
        ann.saved()
        assert ann.faults == []
    names = ["lost card", "lost card", "topic 2", "topic 41"]
    assert kept(store, task) == [(str(row), "submitted", name) for row, name in enumerate(names)]


def test_several_labels_are_ticked_and_saved_together(store: Store, browser: Browser) -> None:
    task = a_task(store, kind="multi")
    with serving(store) as address:
        ann = Watched(browser, address, invited(store))
        ann.page.goto(f"{address}/tasks/triage")
        ann.press("1", "2", "3", "2")
        ann.press("Enter")
        expect(ann.page.locator("#text")).to_have_text("two")
        expect(ann.page.locator("input:checked")).to_have_count(0)
        ann.press("Enter")  # none of the labels is an answer too
        expect(ann.page.locator("#text")).to_have_text("three")
        ann.saved()
        assert ann.faults == []
    ids = [one.id for one in task.choices]
    assert [one.value for one in answers(store, task)] == [{"labels": [ids[0], ids[2]]}, {"labels": []}]


NOTE = "\U0001f600 Dr.\u200b 𠮷田 gave\r\nAspirin 100 mg, then rest.\u202e"


def test_marks_by_keyboard_are_code_points_of_the_record(store: Store, browser: Browser) -> None:
    task = a_task(store, kind="spans", texts=[NOTE, "next"], labels=["drug", "dose"])
    with serving(store) as address:
        ann = Watched(browser, address, invited(store))
        ann.page.goto(f"{address}/tasks/triage")
        expect(ann.page.locator("#text .ghost")).to_have_count(3)
        ann.press("Tab")  # no mark yet: the key stays the browser's
        ann.page.locator("#text").click(position={"x": 2, "y": 2})
        for _word in range(30):
            ann.press("ArrowRight")
            if ann.page.locator(".caret").all_inner_texts() == ["Aspirin"]:
                break
        ann.press("1", "ArrowRight", "Shift+ArrowRight", "2")
        expect(ann.page.locator("mark")).to_have_count(2)
        ann.press("Shift+Tab")
        expect(ann.page.locator("mark.on")).to_contain_text("100 mg")
        ann.press("1", "2", "Enter")  # changed and changed back
        expect(ann.page.locator("#text")).to_have_text("next")
        ann.saved()
        assert ann.faults == []
    [spans] = [one.value["spans"] for one in answers(store, task)]
    ids = {one.id: one.name for one in task.choices}
    assert [(NOTE[one["start"] : one["end"]], ids[one["label"]]) for one in spans] == [
        ("Aspirin", "drug"),
        ("100 mg", "dose"),
    ]


def test_marks_by_mouse_are_code_points_of_the_record(store: Store, browser: Browser) -> None:
    task = a_task(store, kind="spans", texts=[NOTE, "next"], labels=["person", "drug"])
    with serving(store) as address:
        ann = Watched(browser, address, invited(store))
        ann.page.goto(f"{address}/tasks/triage")
        select(ann.page, "𠮷田")
        ann.press("1")
        expect(ann.page.locator("mark")).to_have_text("𠮷田")
        select(ann.page, "Aspirin ")
        ann.page.locator(".choice").nth(1).click()
        expect(ann.page.locator("mark")).to_have_count(2)
        ann.page.locator("mark").nth(1).click()
        ann.press("Delete")
        expect(ann.page.locator("mark")).to_have_count(1)
        ann.press("Enter")
        expect(ann.page.locator("#text")).to_have_text("next")
        ann.saved()
        assert ann.faults == []
    [spans] = [one.value["spans"] for one in answers(store, task)]
    assert [NOTE[one["start"] : one["end"]] for one in spans] == ["𠮷田"]


def select(page: Page, words: str) -> None:
    """Select words as a mouse does: the browser's own selection, then the button let go."""
    page.evaluate(
        """words => {
          const walker = document.createTreeWalker(document.querySelector("#text"), NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const at = walker.currentNode.data.indexOf(words);
            if (at < 0) continue;
            const range = document.createRange();
            range.setStart(walker.currentNode, at);
            range.setEnd(walker.currentNode, at + words.length);
            getSelection().removeAllRanges();
            getSelection().addRange(range);
            document.querySelector("#text").dispatchEvent(new MouseEvent("mouseup", { bubbles: true }));
            return;
          }
          throw new Error("not there");
        }""",
        words,
    )


def test_what_a_rule_suggests_is_marked_only_when_it_is_taken(store: Store, browser: Browser) -> None:
    task = a_task(store, kind="spans", texts=["Aspirin helps", "Aspirin again", "next"], labels=["drug"])
    span = {"start": 0, "end": 7, "label": task.choices[0].id}
    suggest(store, task, "rule", "drugs", {f"{row:032x}": {"spans": [span]} for row in range(2)})
    with serving(store) as address:
        ann = Watched(browser, address, invited(store))
        ann.page.goto(f"{address}/tasks/triage")
        expect(ann.page.locator("mark.suggested")).to_have_count(1)
        ann.press("Enter")
        expect(ann.page.locator("#text")).to_have_text("Aspirin again")
        ann.press("a", "Enter")
        expect(ann.page.locator("#text")).to_have_text("next")
        ann.saved()
        assert ann.faults == []
    assert [one.value["spans"] for one in answers(store, task)] == [[], [span]]


def test_the_watch_sees_what_a_page_must_not_do(store: Store, browser: Browser) -> None:
    """Dialogs, errors, refusals by the policy, requests to elsewhere: the tests here would notice."""
    with serving(store) as address:
        ann = Watched(browser, address, invited(store))
        ann.page.evaluate("() => alert(1)")
        ann.page.evaluate("() => fetch('http://127.0.0.2:9/').catch(() => 0)")
        ann.page.evaluate("() => { setTimeout(() => { throw new Error('x') }) }")
        ann.page.evaluate("() => { document.body.innerHTML = '<img src=x onerror=\"window.ran=1\">' }")
        ann.page.wait_for_timeout(300)
        assert ann.page.evaluate("() => window.ran") is None  # the policy has stopped it
        kinds = {one.split(" ")[0] for one in ann.faults}
    assert kinds == {"dialog", "console", "error"} or kinds == {"dialog", "console", "error", "request"}


# -- hostile texts ---------------------------------------------------------------------------------------------------------------


def test_hostile_texts_are_text_everywhere(store: Store, browser: Browser) -> None:
    """60 payloads in the record, label, Chinese name, description, guidelines, suggestion and note: none runs, asks elsewhere or breaks the page."""
    payloads: list[str] = json.loads(HOSTILE.read_text("utf-8"))
    assert len(set(payloads)) >= 60
    labels = [
        new_label(f"{row} {one}", chinese=f"{one} {row}", description=one, color=one[:40])
        for row, one in enumerate(payloads)
    ]
    task = a_task(store, texts=payloads, labels=labels, guidelines="\n".join(f"- {one}" for one in payloads))
    few = a_task(store, "few", "multi", payloads, labels[:7], "\n".join(payloads))
    marks = a_task(store, "marks", "spans", payloads, [replace(one, key="") for one in labels[:5]])
    records = [f"{row:032x}" for row in range(len(payloads))]
    suggest(
        store,
        task,
        "model",
        "<img src=x onerror=alert(1)>",
        {one: {"label": labels[0].id, "score": 1} for one in records},
    )
    given = [
        Annotation(
            f"{row:032x}", "triage", one, f"eve{payloads[row]}", "import", {"label": labels[row].id}, note=payloads[row]
        )
        for row, one in enumerate(records)
    ]
    put(store, task, given)
    enqueue(
        store,
        task,
        [QueueItem("triage", one, row, reason="disagreement", review=True) for row, one in enumerate(records)],
    )
    assert few.choices and marks.choices
    with serving(store) as address:
        rita = Watched(browser, address, invited(store, "rita", "reviewer"))
        for path in ("", "tasks/triage/overview", "tasks/triage/review"):
            rita.page.goto(f"{address}/{path}")
        rita.page.goto(f"{address}/tasks/triage")
        for row, payload in enumerate(payloads):
            assert shown(rita) == payload, row
            rita.press("1")
            rita.page.wait_for_function(
                "text => document.querySelector('#text')?.textContent !== text",
                arg=payload.replace("\r", "\ufffd").replace("\0", "\ufffd"),
            )
        rita.saved()
        for name, keys in (("few", ("1", "3", "Enter")), ("marks", ("ArrowRight", "1", "Enter"))):
            rita.page.goto(f"{address}/tasks/{name}")
            for payload in payloads[:8]:
                assert shown(rita) == payload
                rita.press(*keys)
                rita.page.wait_for_function(
                    "text => document.querySelector('#text')?.textContent !== text", arg=payload
                )
            rita.saved()
        rita.page.goto(f"{address}/enter?then=javascript:alert(1)")
        rita.page.goto(f"{address}/tasks/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
        rita.page.goto(f"{address}/join?code=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E")
        ran = rita.page.evaluate("() => window.ran")
        assert ran is None and [one for one in rita.faults if "404" not in one] == []


def shown(watched: Watched) -> str:
    """Return the text as the page holds it, what HTML cannot carry stood in for."""
    return watched.page.locator("#text").evaluate("node => node.textContent").replace("\ufffd", "\r")


# -- a server that dies --------------------------------------------------------------------------------------------------------------


def test_answers_given_while_the_server_is_dead_are_saved_when_it_is_back(store: Store, browser: Browser) -> None:
    task = a_task(store, texts=[f"text {row}" for row in range(8)])
    code = invited(store)
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    server = started(port)
    try:
        ann = Watched(browser, f"http://127.0.0.1:{port}", code)
        ann.page.goto(f"http://127.0.0.1:{port}/tasks/triage")
        ann.press("1")
        ann.saved()
        expect(ann.page.locator("#text")).to_have_text("text 1")
        time.sleep(0.5)  # the next cards are on their way
        ended(server, signal.SIGKILL)
        ann.press("2", "2")
        expect(ann.page.locator("#saved")).to_contain_text("Not saved yet: 2")
        server = started(port)
        ann.saved()
        expect(ann.page.locator("#text")).to_have_text("text 3")
        ann.press("3")
        ann.saved()
    finally:
        ended(server, signal.SIGKILL)
    names = ["yes", "no", "no", "other"]
    assert kept(store, task) == [(str(row), "submitted", name) for row, name in enumerate(names)]
    assert len(list(answers(store, task, history=True))) == 4


def test_an_answer_that_waits_is_sent_by_its_own_person_only(store: Store, browser: Browser) -> None:
    """Two people at one tab, one after the other; the first one's answer could not be sent."""
    task = a_task(store)
    with serving(store) as address:
        ann = Watched(browser, address, invited(store))
        ann.page.goto(f"{address}/tasks/triage")
        ann.page.route("**/answers", lambda route: route.abort())
        ann.press("1")
        expect(ann.page.locator("#saved")).to_contain_text("Not saved yet: 1")
        ann.page.context.clear_cookies()
        ann.page.unroute("**/answers")
        ann.page.wait_for_url("**/enter?then=*")
        ann.page.goto(f"{address}/join?code={invited(store, 'bob')}")
        ann.page.fill("#password", PASSWORD)
        ann.page.click("button.primary")
        ann.page.wait_for_url(f"{address}/")
        ann.page.goto(f"{address}/tasks/triage")
        ann.press("2")
        ann.saved()
        assert [(one.annotator, one.record[-1]) for one in answers(store, task)] == [("bob", "4")]
        ann.page.context.clear_cookies()
        ann.page.goto(f"{address}/enter?then=/tasks/triage")
        ann.page.fill("#name", "ann")
        ann.page.fill("#password", PASSWORD)
        ann.page.click("button.primary")
        ann.page.wait_for_url(f"{address}/tasks/triage")
        expect(ann.page.locator("#recent li")).to_have_count(1, timeout=15_000)
        assert [(one.annotator, one.record[-1]) for one in answers(store, task)] == [("bob", "4"), ("ann", "0")]


def test_an_answer_under_the_token_of_an_earlier_session_is_kept(store: Store, browser: Browser) -> None:
    """Somebody enters anew in a second tab and goes on in the first."""
    task = a_task(store)
    with serving(store) as address:
        ann = Watched(browser, address, invited(store))
        ann.page.goto(f"{address}/tasks/triage")
        expect(ann.page.locator("#text")).to_have_text("one")
        ann.page.context.clear_cookies()
        second = ann.page.context.new_page()
        second.goto(f"{address}/enter")
        second.fill("#name", "ann")
        second.fill("#password", PASSWORD)
        second.click("button.primary")
        second.wait_for_url(f"{address}/")
        ann.press("1")
        expect(ann.page.locator("#text")).to_have_text("two")
        ann.page.wait_for_url(f"{address}/tasks/triage")
        deadline = time.monotonic() + 20
        while not kept(store, task) and time.monotonic() < deadline:
            ann.page.wait_for_timeout(100)
        assert kept(store, task) == [("0", "submitted", "yes")]
