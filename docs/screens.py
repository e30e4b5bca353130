"""Take the pictures of the labeling page: `python docs/screens.py`, with Debian's chromium; they lie in `docs/screens/`.

Every text in them was made up for this purpose.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
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
    ("en", "My card was declined at the petrol station\u200b although there is enough money on the account. Could you look into it?"),
    ("zh", "我上周五申请的新卡到现在还没有寄到，请问大概还要等几天？"),
    ("en", "I sent 200 to the wrong account by mistake. Can the transfer be called back before it is booked?"),
    ("en", "The app asks me for a code that never arrives. I have tried three times\u200b since this morning."),
    ("zh", "转账的时候提示余额不足，可是我昨天刚存了五千元。"),
    ("en", "Please tell me how to raise the daily limit of my debit card for a trip next month."),
]  # fmt: skip
KINDS = [("card payment", "刷卡支付"), ("card delivery", "卡片寄送"), ("transfer", "转账"), ("sign-in", "登录"), ("limits", "限额"), ("something else", "其他")]  # fmt: skip
RULES = {
    "en": """# What counts
- Label what the customer wants us to do, not what went wrong first.
- A card that was refused is a card payment, whatever the reason.
- Two wishes in one message: take the one that comes first.

# When in doubt
Skip it. If nobody could know, flag it and write a note.""",
    "zh": """# 标什么
- 标注客户希望我们做什么，而不是起因。
- 刷卡被拒一律标为刷卡支付，不论原因。
- 一条消息有两个诉求时，取先出现的一个。

# 拿不准时
请跳过。如果谁都无法判断，请标记问题并写备注。""",
}
HINTS = {
    "en": "- Mark a drug without its dose.\n- A symptom is marked with what describes it.",
    "zh": "- 药物不含剂量。\n- 症状连同其描述一起标记。",
}
NOTES = {
    "en": ("en", "Patient reports a dull pain in the left shoulder since Monday. Ibuprofen 400 mg three times a day helped little; no fever, no swelling."),
    "zh": ("zh", "患者三天前开始咳嗽，伴有低热，右下肺可闻及湿啰音。给予阿莫西林0.5克，每日三次口服。"),
}  # fmt: skip
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


def demo(store: Store, language: str) -> None:
    """Fill a home with tasks of every kind; texts of `language` come first."""
    texts = sorted(TICKETS, key=lambda one: one[0] != language)
    kinds = [ledger.new_label(name, chinese=chinese) for name, chinese in KINDS]
    answered(store, task(store, "tickets", "single", kinds, texts * 40, RULES[language]), {"en": 3, "zh": 0}[language])
    many = [ledger.new_label(name) for name in TOPICS.split("|")]
    task(store, "topics", "single", many, texts, "")
    task(store, "wishes", "multi", kinds, texts, RULES[language])
    marks = [ledger.new_label(name, chinese=chinese) for name, chinese in MARKS]
    notes = task(store, "notes", "spans", marks, [NOTES[language]] * 6, HINTS[language])
    drug = {"en": "Ibuprofen", "zh": "阿莫西林"}[language]
    place = NOTES[language][1].index(drug)
    found = [{"start": place, "end": place + len(drug), "label": marks[2].id}]
    ledger.suggest(store, notes, "rule", "drugs", {ledger.queue(store, "notes")[0].record: {"spans": found}})


def answered(store: Store, tickets: LabelTask, likely: int) -> None:
    """Let two people answer, a model suggest, and a reviewer have something to decide."""
    labels = [label.id for label in tickets.labels]
    said = {
        item.record: {"label": labels[likely], "score": 0.87}
        for item in ledger.queue(store, "tickets")
        if item.row % 6 == 2
    }
    ledger.suggest(store, tickets, "model", "probe", said)
    for number, who in enumerate(("ann", "博文")):
        for item in ledger.lease_next(store, "tickets", who, 34 + 17 * number):
            value = {"label": labels[0 if item.row % 9 == 4 else (item.row * 7 + item.row // 6) % 6]}
            ledger.save(
                store,
                Annotation(uuid.uuid4().hex, "tickets", item.record, who, "human", value, seconds=3.4 + item.row % 5),
            )
    first = list(ledger.answers(store, tickets))[:40]
    other = {
        one.record: labels[(labels.index(one.value["label"]) + 1) % 6] for one in first[3::8]
    }  # where chris sees it differently
    second = [
        Annotation(
            uuid.uuid4().hex,
            "tickets",
            one.record,
            "chris",
            "import",
            {"label": other.get(one.record, one.value["label"])},
        )
        for one in first
    ]
    ledger.put(store, tickets, second)
    rows = {item.record: item.row for item in ledger.queue(store, "tickets")}
    ledger.enqueue(
        store, tickets, [QueueItem("tickets", one, rows[one], reason="disagreement", review=True) for one in other]
    )


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
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.save(OUT / f"label-{name}.png", optimize=True)


def pictures(browser: Browser, store: Store, address: str, language: str) -> None:
    """Take every picture in one language."""
    page = entered(browser, store, address, language, {"en": "dora", "zh": "朵拉"}[language], "annotator")
    shoot(page, f"start-{language}")
    page.goto(f"{address}/tasks/tickets")
    page.keyboard.press("1")
    shoot(page, f"single-{language}")
    page.keyboard.press("?")
    shoot(page, f"keys-{language}")
    page.goto(f"{address}/tasks/topics")
    page.keyboard.type("card")
    shoot(page, f"many-{language}")
    page.goto(f"{address}/tasks/wishes")
    for key in "24n":
        page.keyboard.press(key)
    shoot(page, f"multi-{language}")
    page.goto(f"{address}/tasks/notes")
    for keys in {"en": ("RRRRS1", "RRRS2", "R"), "zh": ("RRRRS1", "RRRR1", "RRR")}[language]:
        for key in keys:
            page.keyboard.press({"R": "ArrowRight", "S": "Shift+ArrowRight"}.get(key, key))
    shoot(page, f"spans-{language}")
    reviewer = entered(browser, store, address, language, {"en": "rita", "zh": "芮塔"}[language], "reviewer")
    reviewer.goto(f"{address}/tasks/tickets/overview")
    shoot(reviewer, f"overview-{language}")
    reviewer.goto(f"{address}/tasks/tickets/review")
    shoot(reviewer, f"review-{language}")
    reviewer.goto(f"{address}/tasks/tickets")
    shoot(reviewer, f"decide-{language}")


def main() -> None:
    """Make the demonstration in each language, serve it, and take every picture."""
    OUT.mkdir(exist_ok=True)
    os.environ["SKERRY_LANG"] = "en"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for language in sys.argv[1:] or ("en", "zh"):
            with tempfile.TemporaryDirectory() as folder:
                home = Path(folder) / "home"
                store = Store.open(home, settings=load(home, store={"key_folder": Path(folder) / "keys"}))
                demo(store, language)
                with serving(store) as address:
                    pictures(browser, store, address, language)
        browser.close()


if __name__ == "__main__":
    main()
