"""The report of a recall: what was planted, found, missed, with intervals. English and Chinese, no value, no text, no script, nothing from outside."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from appliance.page import page
from appliance.privacy.kinds import kind

__all__ = ["write_recall_report"]

_WIDTH = 260  # of a bar, in pixels
_HEAD = (
    "<tr><th>kind / 类别</th><th>planted / 植入</th><th>found / 发现</th><th>missed / 漏检</th><th>held back / 扣留</th>"
    "<th>recall / 召回率</th><th>95 % interval / 95% 区间</th></tr>"
)
_LIMITS_EN = (
    "The identities are synthetic and so are the sentences around them; only the records are this site's own. A person who reads a sample "
    "(<code>skerry recall DATASET --review N</code>) sees what no list of identities holds. Interval: Wilson 1927. An identity counts as found only when "
    "all its letters and digits are masked; one in a record that is held back does not leave, and counts as not found."
)
_LIMITS_ZH = (
    "身份及其所在句子均为合成，只有记录来自本单位。由人抽查（<code>skerry recall DATASET --review N</code>）可发现任何清单之外的遗漏。区间：Wilson 1927。"
    "仅当全部字母和数字均被遮蔽才算发现；被扣留的记录不会流出，但计为未发现。"
)


def write_recall_report(folder: Path, about: Mapping[str, Any]) -> None:
    """Write `recall.json` and `recall.html` into `folder`, made when missing. `about` is what `seeded` returned, and `dataset`, `policy`, `policy_digest`, `seed`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recall.json").write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", "utf-8")
    (folder / "recall.html").write_text(_page(about), "utf-8")


def _page(about: Mapping[str, Any]) -> str:
    told = {key: html.escape(str(about[key])) for key in ("dataset", "policy", "policy_digest", "seed", "planted")}
    rows = [_row("all / 全部", about)]
    rows += [_row(f"language / 语言: {row['language']}", row) for row in about["languages"]]
    rows += [_row(_named(row["kind"]), row) for row in about["kinds"]]
    en = "{planted} synthetic identities planted into copies of records of {dataset}; policy {policy} ({policy_digest}), seed {seed}."
    zh = "向 {dataset} 的记录副本植入 {planted} 个合成身份；策略 {policy}（{policy_digest}），种子 {seed}。"
    table = "\n".join(["<table>", _HEAD, *rows, "</table>"])
    lead = f"<p>{en.format(**told)}<br>{zh.format(**told)}</p>"
    return page("Seeded recall / 植入召回率", lead, table, f"<p>{_LIMITS_EN}<br>{_LIMITS_ZH}</p>")


def _named(name: str) -> str:
    known = kind(name)
    return f"{name}: {known.en} / {known.zh}"


def _row(title: str, row: Mapping[str, Any]) -> str:
    counts = "".join(f"<td class=n>{row[key]}</td>" for key in ("planted", "found", "missed", "held_back"))
    share = f"{row['recall']:.3f} ({row['low']:.3f} - {row['high']:.3f})"
    picture = _bar((row["low"], row["recall"], row["high"]), share)
    return f"<tr><td>{html.escape(title)}</td>{counts}<td class=n>{row['recall']:.3f}</td><td>{picture}</td></tr>"


def _bar(points: Sequence[float], title: str) -> str:
    low, share, high = (round(each * _WIDTH, 1) for each in points)
    return (
        f'<svg width="{_WIDTH + 4}" height="16" role="img"><title>{html.escape(title)}</title>'
        f'<rect width="{_WIDTH}" y="6" height="4" fill="#ddd"/><rect width="{share}" y="6" height="4" fill="#27a"/>'
        f'<path d="M{low} 8H{high}M{low} 3V13M{high} 3V13" stroke="#222" fill="none"/></svg>'
    )
