"""The door: enter with a name and password, join with an invitation code, leave, choose the language."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from appliance.approvals import Book
from appliance.errors import ApplianceError
from appliance.settings import WebSettings
from appliance.web import people
from appliance.web.gate import Gate, form, visitor
from appliance.web.pages import Pages
from appliance.web.sessions import Sessions
from appliance.words import LANGUAGES

__all__ = ["OPEN_PATHS", "build_app"]

OPEN_PATHS = ("/enter", "/join", "/language", "/health")


def build_app(store: Book, settings: WebSettings, pages: Pages, tls: bool) -> FastAPI:
    """Return an application with its gate and door; whoever adds routes to it serves people who have entered."""
    app = FastAPI(
        title="Skerry", version="1", docs_url=None, redoc_url=None, openapi_url=None,
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
    )  # fmt: skip
    sessions = Sessions(store.home, settings)
    cookie = "skerry_" + json.loads((store.home / "home.json").read_bytes())["id"][:8]  # two homes may share a host
    app.add_middleware(
        Gate, sessions=sessions, project=store.project, home=store.home, cookie=cookie, hosts=settings.hosts, tls=tls,
        open_paths=OPEN_PATHS, show_error=pages.show_error,
    )  # fmt: skip
    app.add_exception_handler(HTTPException, _to_the_gate)
    _add_door(app, _Door(store, settings, pages, sessions, cookie, tls))
    for path, files in pages.mounts():
        app.mount(path, files)
    return app


async def _to_the_gate(_request: Request, error: Exception) -> Response:
    raise error


class _Door:
    """What the routes of the door share."""

    def __init__(
        self, store: Book, settings: WebSettings, pages: Pages, sessions: Sessions, cookie: str, tls: bool
    ) -> None:
        self.store, self.settings, self.pages = store, settings, pages
        self.sessions, self.cookie, self.tls = sessions, cookie, tls

    def let_in(self, person: people.Person, then: str) -> Response:
        """Begin a session and go on."""
        answer = RedirectResponse(_inside(then), 303)
        self.set_cookie(answer, self.cookie, self.sessions.begin(person.name), hidden=True)
        return answer

    def set_cookie(self, answer: Response, name: str, value: str, hidden: bool, seconds: int | None = None) -> None:
        """Set a cookie of ours; a `hidden` one no script can read."""
        answer.set_cookie(name, value, max_age=seconds, path="/", secure=self.tls, httponly=hidden, samesite="strict")


def _add_door(app: FastAPI, door: _Door) -> None:
    @app.get("/health")
    async def health() -> Any:
        return {"ok": True}

    @app.get("/enter")
    async def enter_page(request: Request, then: str = "/") -> Response:
        if visitor(request).person:
            return RedirectResponse(_inside(then), 303)
        return door.pages.show(request, "enter.html", then=then, name="", error="")

    @app.post("/enter")
    async def enter(request: Request) -> Response:
        given = await form(request)
        name, then = given.get("name", "").strip(), given.get("then", "/")
        try:
            person = await run_in_threadpool(people.enter, door.store, name, given.get("password", ""), door.settings)
        except ApplianceError as error:
            return door.pages.show(request, "enter.html", error.http_status, then=then, name=name, error=str(error))
        return door.let_in(person, then)

    @app.get("/join")
    async def join_page(request: Request, code: str = "") -> Response:
        return door.pages.show(request, "join.html", code=code, least=door.settings.min_password, error="")

    @app.post("/join")
    async def join(request: Request) -> Response:
        given = await form(request)
        code, least = given.get("code", ""), door.settings.min_password
        try:
            person = await run_in_threadpool(people.join, door.store, code, given.get("password", ""), door.settings)
        except ApplianceError as error:
            return door.pages.show(request, "join.html", error.http_status, code=code, least=least, error=str(error))
        door.sessions.end_all(person.name)  # whoever knew the password before is out
        return door.let_in(person, "/")

    @app.post("/leave")
    async def leave(request: Request) -> Response:
        door.sessions.end(request.cookies.get(door.cookie, ""))
        answer = RedirectResponse("/enter", 303)
        answer.delete_cookie(door.cookie, path="/")
        return answer

    @app.post("/language")
    async def speak(request: Request) -> Response:
        given = await form(request)
        answer = RedirectResponse(_inside(given.get("then", "/")), 303)
        if given.get("language") in LANGUAGES:
            door.set_cookie(answer, "skerry_language", given["language"], hidden=True, seconds=365 * 86_400)
        return answer


def _inside(then: str) -> str:
    # A path of ours and nothing else: no other host, no scheme, none of the ways to write `//`.
    found = urlsplit(then)
    plain = then.startswith("/") and not then.startswith(("//", "/\\")) and not found.netloc and not found.scheme
    return then if plain and then.isprintable() and "\\" not in then else "/"
