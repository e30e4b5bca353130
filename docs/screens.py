"""Take the pictures of the labeling page: `python docs/screens.py`, with Debian's chromium; they lie in `docs/screens/`.

Every text in them was made up for this purpose.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from appliance import annotations as ledger
from appliance.schema import Annotation, LabelTask, QueueItem, Record
from appliance.settings import load
from appliance.store import Store
from appliance.web.listener import listen
from appliance.web.people import invite
from labeling.page import build_app

OUT = Path(__file__).parent / "screens"
SIZE: ViewportSize = {"width": 1366, "height": 768}
PASSWORD = "a calm sea in the morning"  # noqa: S105 (of a demonstration that lives for a minute)
TICKETS = [
    ("en", "My card was declined at the petrol station although there is enough money on the account. Could you look into it?"),
    ("zh", "我上周五申请的新卡到现在还没有寄到，请问大概还要等几天？"),
    ("en", "I sent 200 to the wrong account by mistake.\u200b Can the transfer be called back before it is booked?"),
    ("en", "The app asks me for a code that never arrives. I have tried three times since this morning."),
    ("zh", "转账的时候提示余额不足，可是我昨天刚存了五千元。"),
    ("en", "Please tell me how to raise the daily limit of my debit card for a trip next month."),
]  # fmt: skip
KINDS = [("card payment", "刷卡支付"), ("card delivery", "卡片寄送"), ("transfer", "转账"), ("sign-in", "登录"), ("limits", "限额"), ("something else", "其他")]  # fmt: skip
RULES = """# What counts
- Label what the customer wants us to do, not what went wrong first.
- A card that was refused is a card payment, whatever the reason.
- Two wishes in one message: take the one that comes first.

# When in doubt
Skip it. If nobody could know, flag it and write a note."""
NOTES = [
    ("en", "Patient reports a dull pain in the left shoulder since Monday. Ibuprofen 400 mg three times a day helped little; no fever, no swelling."),
    ("zh", "患者三天前开始咳嗽，伴有低热，右下肺可闻及湿啰音。给予阿莫西林0.5克，每日三次口服。"),
]  # fmt: skip
MARKS = [("symptom", "症状"), ("body part", "部位"), ("drug", "药物"), ("dose", "剂量"), ("duration", "时间")]
TOPICS = "invoice|refund|exchange rate|new account|close account|change address|change name|lost card|stolen card|card arrives|card limit|cash withdrawal|cash deposit|standing order|direct debit|transfer abroad|transfer pending|transfer failed|sign-in code|forgotten password|blocked access|app crashes|new phone|statement|tax form|interest|loan|mortgage|savings plan|opening hours|branch|complaint|praise|power of attorney|inheritance|joint account|student account|business account|insurance|something else"  # fmt: skip


def task(store: Store, name: str, kind: str, labels: list[Any], texts: list[tuple[str, str]], rules: str) -> LabelTask:
    """Make a data set of made-up texts and a task whose queue holds all of them."""
    records = [Record(uuid.uuid4().hex, text, language=language) for language, text in texts]
    with store.draft("dataset", name, meta={"stage": "scrubbed", "scrubbed": True}) as draft:
        store.write_records(draft, records)
    made = ledger.create_task(store, name, draft.artifact, kind, labels, rules)
    waiting = [QueueItem(name, one.id, row, place=row) for row, one in enumerate(records)]
    ledger.enqueue(store, made, waiting)
    return made


def demo(store: Store) -> None:
    """Fill a home with tasks of every kind, answers of two people, suggestions, and a disagreement."""
    kinds = [ledger.new_label(name, chinese=chinese) for name, chinese in KINDS]
    tickets = task(store, "tickets", "single", kinds, TICKETS * 40, RULES)
    items = ledger.queue(store, "tickets")
    said = {
        item.record: {"label": kinds[item.row % 6].id, "score": 0.62 + item.row % 7 / 20}
        for item in items
        if item.row % 4 == 2
    }
    ledger.suggest(store, tickets, "model", "probe", said)
    for number, who in enumerate(("ann", "博文")):
        for item in ledger.lease_next(store, "tickets", who, 34 + 17 * number):
            label = kinds[0 if item.row % 9 == 4 else (item.row * 7 + item.row // 6) % 6]
            kept = Annotation(
                uuid.uuid4().hex, "tickets", item.record, who, "human", {"label": label.id}, seconds=3.4 + item.row % 5
            )
            ledger.save(store, kept)
    again = [item for item in ledger.queue(store, "tickets") if item.answers][:5]
    for item in again:
        second = {"label": kinds[(item.row + 2) % 6].id}
        ledger.put(store, tickets, [Annotation(uuid.uuid4().hex, "tickets", item.record, "chris", "import", second)])
    review = [QueueItem("tickets", item.record, item.row, reason="disagreement", review=True) for item in again]
    ledger.enqueue(store, tickets, review)
    many = [ledger.new_label(name) for name in TOPICS.split("|")]
    task(store, "topics", "single", many, TICKETS, "")
    task(
        store,
        "wishes",
        "multi",
        [ledger.new_label(name, chinese=chinese) for name, chinese in KINDS],
        TICKETS,
        RULES,
    )
    marks = [ledger.new_label(name, chinese=chinese) for name, chinese in MARKS]
    notes = task(
        store,
        "notes",
        "spans",
        marks,
        NOTES * 6,
        "- Mark a drug without its dose.\n- A symptom is marked with what describes it.",
    )
    first = ledger.queue(store, "notes")[0]
    place = NOTES[0][1].index("Ibuprofen")
    said = {first.record: {"spans": [{"start": place, "end": place + 9, "label": marks[2].id}], "score": 0.9}}
    ledger.suggest(store, notes, "rule", "drug list", said)


@contextmanager
def serving(store: Store) -> Iterator[str]:
    """Serve the page from a thread; yield its address."""
    import uvicorn

    with listen("127.0.0.1", 0) as socket:
        server = uvicorn.Server(uvicorn.Config(build_app(store), log_level="warning", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


def entered(browser: Browser, store: Store, address: str, language: str, name: str, role: str, **more: Any) -> Page:
    """Open a page of somebody who was invited and has entered."""
    _person, code = invite(store, name, role, store.settings.web)
    page = browser.new_context(viewport=SIZE, locale={"en": "en-GB", "zh": "zh-CN"}[language], **more).new_page()
    page.goto(f"{address}/join?code={code}")
    page.fill("#password", PASSWORD)
    page.click("button.primary")
    page.wait_for_url(f"{address}/")
    return page


def shoot(page: Page, name: str) -> None:
    """Take a picture."""
    page.wait_for_timeout(1200)
    page.screenshot(path=OUT / f"label-{name}.png")


def pictures(browser: Browser, store: Store, address: str, language: str) -> None:
    """Take every picture in one language."""
    page = entered(browser, store, address, language, "dora" if language == "en" else "朵拉", "annotator")
    shoot(page, f"start-{language}")
    page.goto(f"{address}/tasks/tickets")
    shoot(page, f"single-{language}")
    page.keyboard.press("1")
    page.keyboard.press("3")
    page.keyboard.press("s")
    shoot(page, f"single-later-{language}")
    page.keyboard.press("?")
    shoot(page, f"keys-{language}")
    page.goto(f"{address}/tasks/topics")
    page.keyboard.type("card")
    shoot(page, f"many-{language}")
    page.goto(f"{address}/tasks/wishes")
    page.keyboard.press("2")
    page.keyboard.press("4")
    page.keyboard.press("n")
    shoot(page, f"multi-{language}")
    page.goto(f"{address}/tasks/notes")
    page.wait_for_timeout(300)
    marked(page, language)
    shoot(page, f"spans-{language}")
    page.goto(f"{address}/tasks/tickets/overview")
    shoot(page, f"overview-{language}")
    reviewer = entered(browser, store, address, language, "rita" if language == "en" else "芮塔", "reviewer")
    reviewer.goto(f"{address}/tasks/tickets/review")
    shoot(reviewer, f"review-{language}")
    reviewer.goto(f"{address}/tasks/tickets")
    shoot(reviewer, f"decide-{language}")


def marked(page: Page, _language: str) -> None:
    """Mark two stretches with the keyboard."""
    for _each in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("1")
    for _each in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("2")
    page.keyboard.press("ArrowRight")


def main() -> None:
    """Make the demonstration, serve it, and take every picture in both languages."""
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"SKERRY_LANG": "en"}
        home = Path(folder) / "home"
        store = Store.open(home, settings=load(home, store={"key_folder": Path(folder) / "keys"}))
        demo(store)
        with serving(store) as address, sync_playwright() as play:
            browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            for language in sys.argv[1:] or ("en", "zh"):
                pictures(browser, store, address, language)
            browser.close()


if __name__ == "__main__":
    main()
