"""HTML: the text that a reader of the page sees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from appliance.data.formats.lines import decode
from appliance.data.formats.rows import Fault, IngestOptions, Row
from appliance.settings import IngestSettings
from appliance.words import _

__all__ = ["COLUMNS", "page_text", "read"]

COLUMNS = ("text", "folder", "title")
_HIDDEN = frozenset(("script", "style", "template", "noscript", "head"))
# Elements that a browser starts on a new line (HTML Living Standard, "Rendering", flow content and tables).
_BLOCKS = frozenset(
    re.findall(
        r"\w+",
        "address article aside blockquote br caption center dd details dialog div dl dt fieldset figcaption figure footer form "
        "h1 h2 h3 h4 h5 h6 header hr legend li main menu nav ol option p pre section summary table tr ul",
    )
)
_SPACE = re.compile(r"[ \t\r\n\f]+")  # ASCII whitespace of the standard: a no-break space stays
# HTML Living Standard, "prescan a byte stream to determine its encoding": the first 1024 bytes.
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]+)""", re.IGNORECASE)


def read(path: Path, _name: str, options: IngestOptions, settings: IngestSettings) -> Iterator[Row | Fault]:
    """Read a page as one record with its `title`. The encoding is the mark's, else `encoding`, else the page's own, else UTF-8 or GB18030."""
    if path.stat().st_size > settings.max_row_bytes:
        yield Fault(1, None, _("file longer than `ingest.max_row_bytes` ({limit})", limit=settings.max_row_bytes))
        return
    content = path.read_bytes()
    declared = _CHARSET.search(content[:1024])
    page = _Page()
    try:
        if options.encoding:
            page.feed(content.decode(options.encoding))
        else:
            page.feed(decode(content, declared[1].decode("ascii") if declared else None))
    except UnicodeDecodeError as error:
        yield Fault(1, error.start, _("not {encoding} here", encoding=error.encoding))
        return
    page.close()
    text = page.text()
    yield Row(1, None, text, {"text": text, "folder": path.parent.name, "title": " ".join(page.title)})


def page_text(html: str) -> str:
    """Return the visible text of a piece of HTML: blocks on lines of their own, white space as a browser folds it."""
    page = _Page()
    page.feed(html)
    page.close()
    return page.text()


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.title: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, _attributes: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN or tag in ("title", "pre", "textarea"):
            self._open.append(tag)
        if "head" in self._open and (tag == "body" or tag in _BLOCKS):
            self._open.remove("head")  # its end tag may be left out
        if tag in _BLOCKS:
            self.pieces.append("\n")
        elif tag in ("td", "th") and not self._at_space():
            self.pieces.append("\t")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        if tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if "title" in self._open:
            self.title.append(data.strip())
        elif not _HIDDEN.intersection(self._open):
            if "pre" not in self._open:
                data = _SPACE.sub(" ", data)
                data = data.removeprefix(" ") if self._at_space() else data
            if data:
                self.pieces.append(data)

    def _at_space(self) -> bool:
        return not self.pieces or self.pieces[-1][-1] in " \t\n"

    def text(self) -> str:
        text = re.sub(r"[ \t]+\n", "\n", "".join(self.pieces))
        return re.sub(r"\n{3,}", "\n\n", text).strip("\n").rstrip(" \t")
