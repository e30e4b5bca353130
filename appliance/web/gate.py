"""What stands before every page: the names it answers to, who is asking, the token of a change, headers, and errors as pages.

Plain ASGI, so that nothing costs what a framework's middleware costs. The order: the Host header (against DNS rebinding: a name that an attacker
makes point here is none of ours), the size of the body, the session, for a change its origin and its token, then the application.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance.errors import ApplianceError, NotFoundError, PolicyError
from appliance.log import log
from appliance.web.people import Person, find
from appliance.web.sessions import Session, Sessions
from appliance.words import LANGUAGES, _, language, reading

__all__ = ["CONTENT_POLICY", "HEADERS", "Gate", "Visitor", "form", "require_role", "visitor"]

MAX_BODY_BYTES = 4 * 1024**2
# Scripts, styles, fonts and pictures are files of our own; nothing inline, no frame, no form to elsewhere (CSP Level 3).
CONTENT_POLICY = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "font", "connect")),
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with `no-referrer` a browser would not tell the origin of a form
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), clipboard-read=()",
}
_STATIC = "/static/"
_SAFE = ("GET", "HEAD", "OPTIONS")
_IP_HOST = re.compile(r"(?P<v4>[0-9.]+)(:\d{1,5})?|\[(?P<v6>[0-9a-f:.]+)\](:\d{1,5})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: the person and session where there is one, the role in this server's project, the language that the pages speak."""

    person: Person | None
    session: Session | None
    role: str | None
    language: str

    @property
    def name(self) -> str:
        """The name of a person who has entered."""
        assert self.person is not None, "an open path has no person"
        return self.person.name


def visitor(request: Request) -> Visitor:
    """Return who asks."""
    found: Visitor = request.scope["skerry.visitor"]
    return found


async def form(request: Request) -> dict[str, str]:
    """Return the fields of an HTML form (`application/x-www-form-urlencoded`); of a name that stands twice, the last."""
    return _fields(await request.body())


def _fields(body: bytes) -> dict[str, str]:
    try:
        found = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=200)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in found.items()}


class Gate:
    """The gate of one server: `open_paths` are those that nobody has to enter for, `show_error` makes the page of an error."""

    def __init__(
        self,
        app: ASGIApp,
        sessions: Sessions,
        project: str,
        home: Path,
        cookie: str,
        hosts: tuple[str, ...],
        tls: bool,
        open_paths: tuple[str, ...],
        show_error: Callable[[Request, int, str], Response],
    ) -> None:
        self._app, self._sessions, self._project, self._home = app, sessions, project, home
        self.cookie, self._tls, self._open, self._show_error = cookie, tls, open_paths, show_error
        self._hosts = {name.casefold() for name in (*hosts, "localhost", socket.gethostname())}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        cookies = _cookies(request)
        spoken = cookies.get("skerry_language") or _wanted(request.headers.get("accept-language", ""))
        with reading(spoken):
            await self._answer(request, cookies.get(self.cookie, ""), self._with_headers(scope, send))

    async def _answer(self, request: Request, secret: str, send: Send) -> None:
        scope, started = request.scope, False
        body: bytes | None = None

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        async def replay() -> Message:
            nonlocal body
            if body is None:
                return await request.receive()
            message, body = {"type": "http.request", "body": body, "more_body": False}, None
            return message

        scope["skerry.visitor"] = Visitor(None, None, None, language())
        try:
            refused = await self._admit(request)
            if refused is None:
                body = None if request.method in _SAFE else await request.body()
                who = scope["skerry.visitor"] = self._visitor(request, secret)
                _check_change(request, who, body or b"")
                if who.person is None and not self._is_open(request.url.path):
                    refused = self._to_the_door(request)
            await (refused or self._app)(scope, replay, send_noting)
        except ClientDisconnect:
            return
        except (ApplianceError, HTTPException) as error:
            status = error.http_status if isinstance(error, ApplianceError) else error.status_code
            message = str(error) if isinstance(error, ApplianceError) else error.detail
            await self._refusal(request, status, message)(scope, replay, send)
        except Exception as error:  # the last line: a page without details, and a line with the kind of fault and where
            identity = secrets.token_hex(6)
            log("request failed", id=identity, error=type(error).__name__, place=_place(error))
            if started:
                raise
            message = _("the server failed; its log has this under {id}", id=identity)
            await self._refusal(request, 500, message)(scope, replay, send)

    async def _admit(self, request: Request) -> Response | None:
        # A body that does not say how long it is would have to be read to know; nobody of ours sends one.
        if not self._is_ours(request.headers.get("host", "")):
            return self._refusal(request, 421, _("this server does not answer to this name; add it to `web.hosts`"))
        length = request.headers.get("content-length", "0")
        if "transfer-encoding" in request.headers or not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return self._refusal(request, 413, _("the request is larger than {limit} bytes", limit=MAX_BODY_BYTES))
        return None

    def _is_open(self, path: str) -> bool:
        return path in self._open or path.startswith(_STATIC)

    def _is_ours(self, host: str) -> bool:
        # An address cannot be made to point elsewhere, a name can.
        if found := _IP_HOST.fullmatch(host):
            try:
                return bool(ipaddress.ip_address(found["v4"] or found["v6"]))
            except ValueError:
                return False
        return host.rpartition(":")[0].casefold() in self._hosts or host.casefold() in self._hosts

    def _visitor(self, request: Request, secret: str) -> Visitor:
        if not secret or request.url.path.startswith(_STATIC):
            return Visitor(None, None, None, language())
        session = self._sessions.find(secret, active=request.headers.get("x-alive") != "1")
        person = find(self._home, session.name, self._project) if session else None
        if session is None or person is None:
            return Visitor(None, None, None, language())
        return Visitor(person, session, person.role(self._project), language())

    def _to_the_door(self, request: Request) -> Response:
        if _is_script(request):
            return JSONResponse({"error": _("enter again: the session is over")}, 401, {"hx-redirect": "/enter"})
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse("/enter" if path == "/" else f"/enter?then={quote(path, safe='')}", 303)

    def _refusal(self, request: Request, status: int, message: str) -> Response:
        if _is_script(request):
            return JSONResponse({"error": message}, status)
        return self._show_error(request, status, message)

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        static = scope["path"].startswith(_STATIC) and b"v=" in scope["query_string"]
        own = {**HEADERS, "cache-control": "private, max-age=31536000, immutable" if static else "no-store"}
        if self._tls:
            own["strict-transport-security"] = "max-age=31536000"
        encoded = [(name.encode(), value.encode()) for name, value in own.items()]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *encoded]
            await send(message)

        return send_with_headers


def _check_change(request: Request, who: Visitor, body: bytes) -> None:
    # Who has a session brings its token, in a header or in the form; everybody comes from a page of ours.
    if request.method in _SAFE:
        return
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "same-origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if foreign or site not in ("same-origin", "none"):
        raise PolicyError(_("this request came from another site and changes nothing"))
    if who.session is None:
        return
    token = request.headers.get("x-csrf-token")
    if token is None and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        token = _fields(body).get("csrf")
    if not hmac.compare_digest((token or "").encode(), who.session.csrf.encode()):
        raise PolicyError(_("this page is too old; load it again and repeat"))


def _cookies(request: Request) -> Mapping[str, str]:
    try:
        found = SimpleCookie(request.headers.get("cookie", ""))
    except CookieError:
        return {}
    return {name: one.value for name, one in found.items() if name != "skerry_language" or one.value in LANGUAGES}


def _wanted(accepted: str) -> str:
    # The first of ours in the browser's order; `q` hardly ever breaks it (RFC 9110, 12.5.4).
    for one in accepted.split(","):
        for known in LANGUAGES:
            if one.strip().lower().startswith(known):
                return known
    return language()


def _is_script(request: Request) -> bool:
    return "hx-request" in request.headers or request.headers.get("accept", "").startswith("application/json")


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else ""


def require_role(role: str, who: Visitor) -> None:
    """Raise `NotFoundError` unless the visitor has the role: what somebody may not see is not there."""
    if who.role != role:
        raise NotFoundError(_("there is no such page"))
