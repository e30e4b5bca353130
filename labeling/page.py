"""The labeling page: `skerry label serve`.

The page works as plain forms; with its script it holds the next records ready, saves in the background and says what is not saved yet. Whatever a
script sends is checked as a form is. Objects that a person may not see are not there (404).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, RedirectResponse

from appliance import annotations as ledger
from appliance.errors import BusyError, InputError, PolicyError
from appliance.schema import Annotation, LabelTask
from appliance.web.door import build_app as build_pages
from appliance.web.gate import form, require_role, visitor
from appliance.web.listener import listen, tls_context
from appliance.web.pages import Pages
from appliance.web.people import people
from appliance.web.run import require_private, run
from appliance.words import _
from labeling.agree import agree
from labeling.desk import Card, Desk, choices, guidelines

if TYPE_CHECKING:
    from appliance.store import Store

__all__ = ["build_app", "serve"]

_AHEAD = 4
_MAX_SECONDS = 3600.0
_MAX_NOTE_CHARACTERS = 2000
_MAX_REASON_CHARACTERS = 200


def serve(store: Store, host: str, port: int, tls_cert: Path | None = None, tls_key: Path | None = None) -> None:
    """Serve the labeling page of the store's project until SIGTERM or SIGINT.

    Raises `PolicyError` when nobody is invited yet, or a network would see passwords in the clear; `SettingsError` for a certificate or an
    address that cannot be used; `BusyError` when the port is taken.
    """
    context = tls_context(tls_cert, tls_key)
    require_private(host, context)
    if not people(store.home, store.project):
        raise PolicyError(_("nobody can enter yet; invite somebody with `skerry label invite NAME`"))
    with listen(host, port) as listener:
        run(build_app(store, tls=context is not None), listener, context, store.settings.web.max_connections)


def build_app(store: Store, tls: bool = False) -> FastAPI:
    """Return the application of the store's project."""
    pages = Pages(label=Path(__file__).parent)
    app = build_pages(store, store.settings.web, pages, tls)
    desk = Desk(store)
    _add_pages(app, desk, pages)
    _add_work(app, desk, pages)
    _add_review(app, desk, pages)
    return app


# -- pages ---------------------------------------------------------------------------------------------------------------


def _add_pages(app: FastAPI, desk: Desk, pages: Pages) -> None:
    store = desk.store

    @app.get("/")
    def home(request: Request) -> Response:
        counted = [(one, _counts(store, one.name, visitor(request).name)) for one in ledger.tasks(store)]
        return pages.show(request, "tasks.html", tasks=counted)

    @app.get("/tasks/{task}")
    def label(request: Request, task: str, record: str = "") -> Response:
        found, who = ledger.task(store, task), visitor(request)
        if record:
            require_role("reviewer", who)
            ledger.lease(store, task, who.name, record, review=True)
        cards = desk.cards(found, who.name, who.role == "reviewer", _AHEAD)
        cards.sort(key=lambda one: one.item.record != record)  # the one that was asked for comes first
        values = {
            "task": found,
            "choices": choices(found),
            "card": cards[0] if cards else None,
            "ahead": _shown(pages, request, found, cards[1:]),
            "answer": uuid.uuid4().hex,
            "guidelines": guidelines(found.guidelines),
            "recent": desk.recent(found, who.name),
            "counts": _counts(store, task, who.name),
        }
        return pages.show(request, "label.html", **values)

    @app.get("/tasks/{task}/progress")
    def progress(request: Request, task: str) -> Response:
        found = ledger.task(store, task)
        return pages.show(request, "progress.html", counts=_counts(store, found.name, visitor(request).name))

    @app.get("/tasks/{task}/recent")
    def recent(request: Request, task: str) -> Response:
        found = ledger.task(store, task)
        return pages.show(request, "recent.html", recent=desk.recent(found, visitor(request).name))

    @app.get("/tasks/{task}/overview")
    def overview(request: Request, task: str) -> Response:
        found, counts, who = ledger.task(store, task), ledger.progress(store, task), visitor(request)
        if who.role != "reviewer":  # how fast others are is not an annotator's business
            counts["people"] = [one for one in counts["people"] if one["annotator"] == who.name]
        measured = agree(store, found) if who.role == "reviewer" else None
        labels = _by_label(store, found)
        return pages.show(request, "overview.html", task=found, counts=counts, labels=labels, agreement=measured)


def _shown(pages: Pages, request: Request, task: LabelTask, cards: list[Card]) -> list[dict[str, Any]]:
    offered = {one.id: one for one in choices(task)}
    values = {"task": task, "offered": offered}
    return [{**one.about, "html": pages.render(request, "card.html", card=one, **values)} for one in cards]


def _counts(store: Store, task: str, person: str) -> dict[str, int]:
    counts = ledger.tally(store, task, person)
    return counts | {"done": counts["queued"] - counts["open"]}


def _by_label(store: Store, task: LabelTask) -> list[dict[str, Any]]:
    counted = dict.fromkeys((one.id for one in task.labels), 0)
    for answer in ledger.answers(store, task, states=("submitted",)):
        for label in ledger.labels_of(task, answer.value):
            counted[ledger.resolved(task, label).id] += 1
    offered = {one.id: one.target for one in task.choices}
    most = max(counted.values(), default=0) or 1
    names = {one.id: one.name for one in task.choices}
    return [
        {"choice": one, "name": names[one.id], "count": counted[one.id], "most": most, "target": offered[one.id]}
        for one in choices(task)
    ]


# -- answers -------------------------------------------------------------------------------------------------------------


def _add_work(app: FastAPI, desk: Desk, pages: Pages) -> None:
    store = desk.store

    @app.post("/tasks/{task}/cards")
    async def cards(request: Request, task: str) -> Response:
        given = await _content(request)
        return JSONResponse(await run_in_threadpool(next_cards, request, task, given))

    def next_cards(request: Request, task: str, given: Mapping[str, Any]) -> dict[str, Any]:
        found, who = ledger.task(store, task), visitor(request)
        have = _strings(given.get("have", []))
        return {
            "cards": _shown(pages, request, found, desk.cards(found, who.name, who.role == "reviewer", _AHEAD, have))
        }

    @app.post("/tasks/{task}/answers")
    async def answer(request: Request, task: str) -> Response:
        if not _is_json(request):
            await run_in_threadpool(keep, request, task, _of_form(ledger.task(store, task), await form(request)))
            return RedirectResponse(f"/tasks/{task}", 303)
        given = await _content(request)
        try:
            saved = await run_in_threadpool(keep, request, task, given)
        except BusyError as error:
            return _conflict(error)
        ahead = await run_in_threadpool(next_cards, request, task, given) if "have" in given else {}
        return JSONResponse({"id": saved.id, "version": saved.version, **ahead})

    def keep(request: Request, task: str, given: Mapping[str, Any]) -> Annotation:
        who = visitor(request)
        review = bool(given.get("review"))
        if review:
            require_role("reviewer", who)
        said = _answer(ledger.task(store, task), who.name, given, review)
        if said.value.get("spans"):
            desk.check_places(said)
        with desk.writing:
            return ledger.save(store, said)

    @app.post("/tasks/{task}/undo")
    async def undo(request: Request, task: str) -> Response:
        given = await _content(request)
        try:
            return JSONResponse(await run_in_threadpool(take_back, request, task, _identity(given.get("id"))))
        except BusyError as error:
            return _conflict(error)

    def take_back(request: Request, task: str, identity: str) -> dict[str, Any]:
        found, who = ledger.task(store, task), visitor(request)
        with desk.writing:
            last = ledger.withdraw(store, identity, who.name)
            item = ledger.lease(store, task, who.name, last.record, last.review)
        return {"cards": _shown(pages, request, found, [desk.card(found, item, last)])}

    @app.post("/tasks/{task}/renew")
    def renew(request: Request, task: str) -> Response:
        found = ledger.task(store, task)
        with desk.writing:
            return JSONResponse({"held": ledger.renew(store, found.name, visitor(request).name)})


def _conflict(error: BusyError) -> Response:
    # What asking again does not change. Where the tables are held for too long (429), the script asks again and drops nothing.
    if error.__cause__ is not None:
        raise error
    return JSONResponse({"error": str(error)}, 409)


def _answer(task: LabelTask, person: str, given: Mapping[str, Any], review: bool) -> Annotation:
    state, value, note = given.get("state", "submitted"), given.get("value"), given.get("note", "")
    known = _is_text(note, _MAX_NOTE_CHARACTERS) and state in ("submitted", "skipped", "flagged")
    if not (isinstance(value, dict) and known):
        raise InputError(_("this answer cannot be read; load the page again"))
    identity, record = _identity(given.get("id")), _identity(given.get("record"))
    said = _said(task, value) if value or state == "submitted" else {}
    took = _seconds(given.get("seconds"))
    return Annotation(identity, task.name, record, person, "human", said, state, took, note=note.strip(), review=review)


def _said(task: LabelTask, value: Mapping[str, Any]) -> dict[str, Any]:
    # What an answer of the task's kind says, and nothing else that a script may send.
    labels = ledger.labels_of(task, value)
    if task.kind == "single":
        return {"label": labels[0]}
    if task.kind == "multi":
        return {"labels": list(dict.fromkeys(labels))}
    return {"spans": [{name: one[name] for name in ("start", "end", "label")} for one in value["spans"]]}


def _seconds(given: Any) -> float | None:
    if given is None:
        return None
    if not isinstance(given, int | float) or given != given:
        raise InputError(_("this answer cannot be read; load the page again"))
    return round(float(min(max(given, 0), _MAX_SECONDS)), 2)


def _is_text(given: Any, characters: int) -> bool:
    return isinstance(given, str) and len(given) <= characters and not any("\ud800" <= one <= "\udfff" for one in given)


def _of_form(task: LabelTask, fields: Mapping[str, str]) -> dict[str, Any]:
    # What a browser without script sends: one button, or ticked boxes.
    ticked = [name.removeprefix("label.") for name in fields if name.startswith("label.")]
    value = {"label": fields.get("label")} if task.kind == "single" else {"labels": ticked}
    state = fields.get("state", "submitted")
    return {
        **fields,
        "value": value if state == "submitted" else {},
        "state": state,
        "review": fields.get("review") == "1",
    }


def _identity(value: Any) -> str:
    if isinstance(value, str) and len(value) == 32 and all(one in "0123456789abcdef" for one in value):
        return value
    raise InputError(_("this answer cannot be read; load the page again"))


def _strings(value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    raise InputError(_("this answer cannot be read; load the page again"))


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("application/json")


async def _content(request: Request) -> dict[str, Any]:
    try:
        content = json.loads(await request.body())
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise InputError(_("this answer cannot be read; load the page again"))
    return content


# -- the reviewer --------------------------------------------------------------------------------------------------------


def _add_review(app: FastAPI, desk: Desk, pages: Pages) -> None:
    store = desk.store

    @app.get("/tasks/{task}/review")
    def review(request: Request, task: str) -> Response:
        require_role("reviewer", visitor(request))
        found = ledger.task(store, task)
        waiting = [item for item in ledger.queue(store, task, review=True) if not item.closed][:200]
        rows = [{"item": item, "text": desk.excerpt(found, item.row)} for item in waiting]
        return pages.show(request, "review.html", task=found, rows=rows)

    @app.post("/tasks/{task}/rows/{row}/look")
    async def look(request: Request, task: str, row: int) -> Response:
        who = visitor(request)
        require_role("reviewer", who)
        why = (await form(request)).get("why", "")
        if not _is_text(why, _MAX_REASON_CHARACTERS):
            raise InputError(_("this answer cannot be read; load the page again"))
        text = await run_in_threadpool(desk.raw, ledger.task(store, task), row, who.name, why)
        return pages.show(request, "raw.html", text=text)
