"""The report of a scrub: how much of what was found, by which rule. Never a value, never a text."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.privacy.kinds import KINDS
from appliance.schema import Finding

__all__ = ["Tally", "write_report"]


@dataclass
class Tally:
    """What a scrub counts while it runs."""

    rows: int = 0
    touched: int = 0
    held_back: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)

    def add(self, findings: Iterable[Finding]) -> None:
        """Count the findings of one scrubbed record."""
        found = list(findings)
        self.rows += 1
        self.touched += bool(found)
        self.kinds.update(finding.kind for finding in found)
        self.rules.update(finding.rule for finding in found)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON: counts only."""
        return {
            "rows": self.rows,
            "held_back": self.held_back.total(),
            "held_back_reasons": dict(self.held_back.most_common()),
            "touched": self.touched,
            "findings": dict(self.kinds.most_common()),
            "rules": dict(self.rules.most_common()),
            "languages": dict(self.languages.most_common()),
        }


def write_report(folder: Path, about: dict[str, Any]) -> None:
    """Write `report.json` and `report.html` (English and Chinese) into `folder`, made when missing. `about` = `Tally.as_dict()` and what else is told."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(about, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")
    (folder / "report.html").write_text(_page(about), "utf-8")


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Skerry: scrub report / 脱敏报告</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}table{{border-collapse:collapse;margin:1rem 0}}
td,th{{border:1px solid #bbb;padding:.3rem .7rem;text-align:left}}td.n{{text-align:right}}</style>
<h1>Scrub report / 脱敏报告</h1>
<p>Counts only: this report holds no value and no text. / 本报告只含计数，不含任何原值或文本。</p>
{tables}
</html>
"""
_WORDS = {
    "rows": ("records scrubbed", "已脱敏记录"),
    "held_back": ("records held back", "被扣留记录"),
    "touched": ("records with a finding", "含敏感信息的记录"),
    "docs_per_s": ("records per second", "每秒记录数"),
    "findings": ("kinds", "类别"),
    "rules": ("rules", "规则"),
    "languages": ("languages", "语言"),
    "held_back_reasons": ("reasons for holding back", "扣留原因"),
}


def _page(about: dict[str, Any]) -> str:
    numbers = [
        (f"{en} / {zh}", about[key]) for key, (en, zh) in _WORDS.items() if isinstance(about.get(key), int | float)
    ]
    names = {each.name: f"{each.name}: {each.en} / {each.zh} ({each.source})" for each in KINDS}
    tables = [_table("Overview / 概览", numbers)]
    for key, (en, zh) in _WORDS.items():
        if isinstance(about.get(key), dict) and about[key]:
            tables.append(
                _table(f"{en} / {zh}", [(names.get(name, name), count) for name, count in about[key].items()])
            )
    return _PAGE.format(tables="\n".join(tables))


def _table(title: str, rows: list[tuple[str, Any]]) -> str:
    body = "".join(
        f"<tr><td>{html.escape(str(name))}</td><td class=n>{html.escape(str(count))}</td></tr>" for name, count in rows
    )
    return f"<h2>{html.escape(title)}</h2><table>{body}</table>"
