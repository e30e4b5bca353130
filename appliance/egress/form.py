"""The form of a package on one page, in English and Chinese: what leaves, what was taken out, who has allowed it, room for two signatures.

It stays on this side: it names people. What it says of the package is enough to know the package by: the SHA-256 of its list.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from textwrap import shorten
from typing import Any

from appliance.egress.cards import changed
from appliance.page import page

_LABELS_CHARACTERS = 1800  # what is left of a page; the rest stands in the package
_ONE_PAGE = """<style>@page{size:A4;margin:12mm}@media print{body{font-size:11px;margin:0;padding:0}h1{font-size:18px;margin:0}}
p,ul,table{margin:.5rem 0}td,th{padding:.1rem .4rem}td code{font-size:10px}td:last-child{min-width:10rem}</style>"""

# What a package never holds, whatever it is made of: only files of `egress.rewrite` and `egress.cards` are in it.
_NEVER = (
    "No record text, optimizer state, calibration rows, logits, embeddings of records, record, subject or data set ids, paths or host names.",
    "不含记录文本、优化器状态、校准数据、logits、记录的嵌入、记录/主体/数据集标识、路径或主机名。",
)


def form(found: Mapping[str, Any], files: Iterable[tuple[str, int, str]], given: Sequence[tuple[str, str]]) -> str:
    """Return the page. `found` is what `egress` tells, `files` are name, bytes and SHA-256, `given` the approvals: owner and time."""
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td class=n>{size:,}</td><td><code>{digest}</code></td></tr>"
        for name, size, digest in files
    )
    said = [_NEVER, *(changed(found["changes"]) if found.get("changes") else [])]
    points = "".join(f"<li>{english}<br>{chinese}</li>" for english, chinese in said)
    labels = shorten(
        ", ".join(found["labels"]), _LABELS_CHARACTERS, placeholder=" … (all / 全部: model.json, labels.json)"
    )
    return page(
        "Egress form / 出网申请单",
        _ONE_PAGE,
        f"<p><b>{html.escape(found['name'])}</b> · {html.escape(found['kind'])} · {html.escape(found['format'])}</p>",
        f"<p>Package / 包 SHA-256: <code>{found['package']}</code></p>",
        f"<p>Signed by / 签名方: <code>{found['signer']}</code></p>",
        f"<table><tr><th>file / 文件</th><th>bytes / 字节</th><th>SHA-256</th></tr>{rows}</table>",
        f"<p>Labels / 标签 ({len(found['labels'])}): {html.escape(labels)}</p>",
        f"<ul>{points}</ul>",
        "<table><tr><th>allowed by / 批准人</th><th>time / 时间</th><th>signature / 签字</th></tr>"
        + "".join(_person(found["needed"], given))
        + "</table>",
        "<p>Purpose and receiver / 用途与接收方: ______________________________________________</p>",
    )


def _person(needed: int, given: Sequence[tuple[str, str]]) -> Iterable[str]:
    for place in range(max(needed, len(given))):
        owner, time = given[place] if place < len(given) else ("&nbsp;", "")
        yield f"<tr><td>{html.escape(owner) if time else owner}</td><td>{time[:19]}</td><td></td></tr>"
