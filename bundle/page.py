"""MANIFEST.HTM: one page for the security desk, Chinese and English: what is on the stick, by whom, what to compare with paper."""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import partial
from typing import Any

from bundle.words import in_language

Json = dict[str, Any]

_STYLE = (
    "body{font:15px sans-serif;margin:2em;max-width:60em}td,th{text-align:left;vertical-align:top;padding:3px 14px 3px 0}"
    "code{font-family:monospace;overflow-wrap:anywhere}.key{font-size:18px;border:2px solid #000;padding:1em}"
)


def page(
    about: Json, rows: list[tuple[str, int, int]], fingerprint: str, compare: Mapping[str, str], built: str
) -> str:
    """Return the page. No script, no form, nothing that is fetched from elsewhere.

    `rows` are (folder, files, bytes) of the payload, `fingerprint` the vendor key's, `compare` the SHA-256 of files on the
    stick by name, for a desk that has no openssl.
    """
    halves = "\n<hr>\n".join(_half(which, about, rows, fingerprint, compare, built) for which in ("zh", "en"))
    return (
        '<!doctype html>\n<html lang="zh">\n<head><meta charset="utf-8">'
        f"<title>Skerry {html.escape(about['version'])}</title><style>{_STYLE}</style></head>\n<body>\n{halves}\n</body>\n</html>\n"
    )


def _half(
    which: str, about: Json, rows: list[tuple[str, int, int]], fingerprint: str, compare: Mapping[str, str], built: str
) -> str:
    _ = partial(in_language, which)
    facts = [
        (_("Product"), f"{about['product']} {about['version']}"),
        (_("Serial number of this bundle"), about["serial"]),
        (_("Profile"), about["profile"]),
        (_("For machines of this kind"), f"{about['platform']}, glibc {about['glibc']}, Python {about['python']}"),
        (_("Built"), built),
        (_("Room it takes once installed"), f"{about['installed_bytes'] / 1e6:,.0f} MB"),
    ]
    told = [
        _("Nothing on this stick starts by itself. No file of it is changed by reading it."),
        _("Compare the fingerprint below with the one on paper, which came another way. This page proves nothing."),
        _("Then run `sh VERIFY.SH` with the vendor's key: it copies the stick and checks every file of the copy."),
    ]
    contents = [(_folder(which, name), f"{files:,}", f"{size / 1e6:,.1f} MB") for name, files, size in rows]
    digests = [(name, f"<code>{digest}</code>") for name, digest in sorted(compare.items())]
    title, key, inside = _("What is on this stick"), _("Fingerprint of the vendor key"), _("What is inside")
    first = _("SHA-256 of the files that are run or read first")
    parts = [
        f"<h1>{title}</h1>",
        _table(facts),
        "".join(f"<p>{html.escape(one)}</p>" for one in told),
        f"<h2>{key}</h2><p class=key><code>{html.escape(fingerprint)}</code></p>",
        f"<h2>{inside}</h2>",
        _table(contents),
    ]
    if digests:
        parts += [f"<h2>{first}</h2>", _table(digests, marked=True)]
    return f'<div lang="{which}">' + "\n".join(parts) + "</div>"


def _folder(which: str, name: str) -> str:
    _ = partial(in_language, which)
    names = {
        "wheels": _("Program packages"),
        "models": _("Models"),
        "reports": _("Reports: contents, licences, advisories, origin"),
    }
    return names.get(name, _("Lists and settings"))


def _table(rows: list[Any], marked: bool = False) -> str:
    lines = []
    for row in rows:
        cells = [str(cell) if marked and number else html.escape(str(cell)) for number, cell in enumerate(row)]
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return "<table>" + "\n".join(lines) + "</table>"
