"""Pages from templates: escaping always on, both languages, static files by their hash.

Templates speak through `_()` like the code. Whatever comes from a record, a label or a person is escaped by Jinja2; `visible` splits a text so that
characters that cannot be seen, or that change how others are shown, stand out (Unicode TR 36, Trojan Source: CVE-2021-42574).
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from appliance.web.gate import visitor
from appliance.words import LANGUAGES, _, language

__all__ = ["Pages", "Piece", "coded", "hidden_name", "visible"]

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text: plain characters, or one hidden character with its `name` (`U+200B`)."""

    text: str = field(repr=False)
    name: str = ""


def visible(text: str) -> list[Piece]:
    """Split a text into plain stretches and single hidden characters, in order; together they have as many code points as the text.

    A character that HTML cannot carry as it is (CR, NUL) is stood in for by U+FFFD, one code point too.
    """
    pieces: list[Piece] = []
    start = 0
    for at, character in enumerate(text):
        if name := hidden_name(character):
            if at > start:
                pieces.append(Piece(text[start:at]))
            pieces.append(Piece("\ufffd" if character in "\r\0" else character, name))
            start = at + 1
    return pieces + ([Piece(text[start:])] if start < len(text) else [])


@cache
def hidden_name(character: str) -> str:
    """Return `U+200B` for a character that is not seen or changes others: format and control characters, odd spaces and fillers; else nothing.

    Unicode general categories Cf, Cc, Co, Cs, Zl, Zp, Zs but tab, newline and the plain and ideographic space; Hangul fillers and the Braille blank
    are letters by category, and blank.
    """
    usual = character in "\t\n \u3000"
    odd = unicodedata.category(character) in ("Cf", "Cc", "Co", "Cs", "Zl", "Zp", "Zs")
    blank = character in "\u115f\u1160\u3164\uffa0\u2800\u034f"
    return f"U+{ord(character):04X}" if blank or (odd and not usual) else ""


def coded(text: str) -> Markup:
    """Return a message as HTML: what stands between backticks as code, everything escaped."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


class Pages:
    """The templates and static files of one server: those of this room, and of the folders given, each with `templates/` and `static/`."""

    def __init__(self, **rooms: Path) -> None:
        """Take further rooms by the name that their static files have in an address: `label=Path("labeling")`."""
        self._statics = {"": HERE / "static"} | {f"{name}/": folder / "static" for name, folder in rooms.items()}
        self._environment = Environment(
            loader=FileSystemLoader([*(folder / "templates" for folder in rooms.values()), HERE / "templates"]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {"_": _, "static": cache(self._static), "languages": LANGUAGES}
        self._environment.filters |= {"coded": coded, "visible": visible}

    def render(self, request: Request, template: str, /, **values: Any) -> str:
        """Return a template's text with these values; `visitor`, `path` and `language` are there always."""
        own = {"visitor": visitor(request), "path": request.url.path, "language": language()}
        return self._environment.get_template(template).render(**own, **values)

    def show(self, request: Request, template: str, status: int = 200, /, **values: Any) -> Response:
        """Answer with a template's page."""
        return HTMLResponse(self.render(request, template, **values), status)

    def show_error(self, request: Request, status: int, message: str) -> Response:
        """Answer with the page of an error."""
        return self.show(request, "error.html", status, status=status, message=message)

    def mounts(self) -> Iterator[tuple[str, StaticFiles]]:
        """Yield where the static files lie, the longer addresses first."""
        for name, folder in sorted(self._statics.items(), reverse=True):
            yield f"/static/{name}".rstrip("/"), StaticFiles(directory=folder)

    def _static(self, path: str) -> str:
        # The hash in the address lets a browser keep the file until it changes.
        room, _slash, name = path.rpartition("/")
        content = (self._statics[f"{room}/" if room else ""] / name).read_bytes()
        return f"/static/{path}?v={hashlib.sha256(content).hexdigest()[:12]}"
