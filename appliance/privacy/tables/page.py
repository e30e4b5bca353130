"""The report of a table: classes and risk before and after, as JSON and as a page to look at (English, Chinese). Counts and column names only."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance.page import page

__all__ = ["write_table_report"]

_LEAD = "<p>Counts only: no cell of the table stands here. / 仅含计数，不含表中任何单元格。</p>"
_END = (
    "<p>An equivalence class is the rows with equal quasi-identifiers; a hidden cell (*) equals hidden cells only. Prosecutor's risk = 1 / class size. "
    "/ 等价类为准标识符相同的行；被隐藏的单元格 (*) 只等于被隐藏的单元格。检察官风险 = 1 / 等价类大小。</p>"
)
_WORDS = {
    "rows": ("rows", "行数"),
    "rejected": ("rows that could not be read", "无法读取的行"),
    "wanted_k": ("k asked for", "要求的 k"),
    "k": ("k: rows of the smallest class", "k：最小等价类的行数"),
    "classes": ("equivalence classes", "等价类"),
    "rows_below_k": ("rows in classes below k", "低于 k 的等价类中的行"),
    "hidden_cells": ("cells hidden", "隐藏的单元格"),
    "hidden_share": ("share of quasi-identifying cells hidden", "隐藏的准标识单元格比例"),
}


def write_table_report(folder: Path, about: Mapping[str, Any]) -> None:
    """Write `table.json` and `table.html` into `folder`, made when missing. `about` = counts, `before` and maybe `after` (`measure`), `levels`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.json").write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", "utf-8")
    parts = [_counts("Overview / 概览", about)]
    if "levels" in about:
        parts.append(
            _table(
                "Steps by which each column was widened / 各列泛化的级数",
                {name: str(level) for name, level in about["levels"].items()},
            )
        )
    for key, title in (("before", "Before / 处理前"), ("after", "After / 处理后")):
        if key in about:
            parts += [_counts(title, about[key]), _risk(about[key]), _bars(about[key])]
    (folder / "table.html").write_text(page("k-anonymity / k-匿名", _LEAD, *parts, _END), "utf-8")


def _counts(title: str, about: Mapping[str, Any]) -> str:
    return _table(title, {f"{en} / {zh}": f"{about[key]:,}" for key, (en, zh) in _WORDS.items() if key in about})


def _risk(about: Mapping[str, Any]) -> str:
    risk = {f"prosecutor's risk, {name} / 检察官风险": f"{value:.2%}" for name, value in about.get("risk", {}).items()}
    return _table("", risk | {f"l of {name} / {name} 的 l": str(value) for name, value in about.get("l", {}).items()})


def _bars(about: Mapping[str, Any]) -> str:
    sizes: Mapping[str, int] = about.get("sizes", {})
    most = max(sizes.values(), default=0) or 1
    rows = "".join(
        f'<tr><td>{size}</td><td class=n>{count:,}</td><td style="width:20rem"><i style="width:{100 * count / most:.1f}%"></i></td></tr>'
        for size, count in sizes.items()
    )
    return (
        f"<table><tr><th>class size / 等价类大小</th><th>rows / 行数</th><th></th></tr>{rows}</table>" if rows else ""
    )


def _table(title: str, rows: Mapping[str, str]) -> str:
    if not rows:
        return ""
    body = "".join(
        f"<tr><td>{html.escape(name)}</td><td class=n>{html.escape(value)}</td></tr>" for name, value in rows.items()
    )
    return f"<h2>{html.escape(title)}</h2><table>{body}</table>"
