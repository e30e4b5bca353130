"""The report of a scrub: how much of what was found, by which rule, what stands in its place. Never a value, never a text."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.page import page
from appliance.privacy.kinds import KINDS, Kind
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


def write_report(folder: Path, about: Mapping[str, Any]) -> None:
    """Write `report.json` and `report.html` (English and Chinese) into `folder`, made when missing.

    `about` = `Tally.as_dict()`, `Run.as_dict()`, and what went in and came out: `dataset` or `file`, `sha256_in`, `sha256_out`; `taggers` (`tagger`, `sha256`) are the models that the site brought.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(about, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")
    (folder / "report.html").write_text(_page(about), "utf-8")


_LEAD = "<p>This report holds counts and shapes: no value and no text of a record. / 本报告只含计数和形状，不含任何原值或记录文本。</p>"
_OVERVIEW = {
    "dataset": ("data set", "数据集"),
    "rows": ("records scrubbed", "已脱敏记录"),
    "held_back": ("records held back", "被扣留记录"),
    "touched": ("records with a finding", "含敏感信息的记录"),
    "docs_per_s": ("records per second", "每秒记录数"),
    "policy": ("policy", "策略"),
    "policy_digest": ("SHA-256 of the policy", "策略的 SHA-256"),
    "sha256_in": ("SHA-256 of what went in", "输入的 SHA-256"),
    "sha256_out": ("SHA-256 of what came out", "输出的 SHA-256"),
    "collisions": ("surrogates that two values share", "两个原值共用的替代值"),
}
_COUNTS = {
    "held_back_reasons": ("Reasons for holding back", "扣留原因"),
    "operators": ("What stands in place of the findings", "以何代替"),
    "fallbacks": ("Operators that gave way to the placeholder", "改用占位符的次数"),
    "rules": ("Rules", "规则"),
    "languages": ("Languages", "语言"),
}
_REASONS = {
    "failed": "failed: the scrub could not finish the record / 未能完成脱敏",
    "leftover": "leftover: the second look still found something / 复查仍有发现",
}


def _page(about: Mapping[str, Any]) -> str:
    overview = [
        (_both(words), f"<td><code>{_safe(about[key])}</code></td>")
        for key, words in _OVERVIEW.items()
        if about.get(key) is not None
    ]
    sections = [_table("Overview / 概览", overview), _kinds(about)]
    for key, words in _COUNTS.items():
        counts = about.get(key) or {}
        rows = [(_safe(_REASONS.get(name, name)), f"<td class=n>{count:,}</td>") for name, count in counts.items()]
        sections.append(_table(_both(words), rows))
    return page("Scrub report / 脱敏报告", _LEAD, *sections, _taggers(about), _shapes(about))


def _kinds(about: Mapping[str, Any]) -> str:
    """The kinds that were found, each with a bar, the law behind it and what stands in its place."""
    found: Mapping[str, int] = about.get("findings") or {}
    known, most = {each.name: each for each in KINDS}, max(found.values(), default=1)
    rows = [
        (
            _named(name, known.get(name)),
            f'<td class=n>{count:,}</td><td style="width:14rem"><i style="width:{100 * count / most:.1f}%"></i></td>'
            f"<td>{_safe(about.get('operator_of', {}).get(name, 'placeholder'))}</td>",
        )
        for name, count in found.items()
    ]
    return _table("Findings by kind / 各类发现", rows)


def _named(name: str, kind: Kind | None) -> str:
    told = f" {_safe(kind.en)} / {_safe(kind.zh)}<br><small>{_safe(kind.source)}</small>" if kind else ""
    return f"<b>{_safe(name)}</b>{told}"


def _taggers(about: Mapping[str, Any]) -> str:
    rows = [
        (_safe(each["tagger"]), f"<td><code>{_safe(each['sha256'])}</code></td>") for each in about.get("taggers") or ()
    ]
    return _table("Models of this site (SHA-256) / 本单位模型 (SHA-256)", rows)


def _shapes(about: Mapping[str, Any]) -> str:
    rows = [
        (f"<code>{_safe(each['shape'])}</code>", f"<td class=n>{each['count']:,}</td>")
        for shapes in (about.get("shapes") or {}).values()
        for each in shapes
    ]
    return _table(
        "Shapes around findings / 发现周围的形状 (X, x: letters / 字母; 中: Han / 汉字; d: digits / 数字; runs cut to three / 至多三个)",
        rows,
    )


def _both(words: tuple[str, str]) -> str:
    return " / ".join(words)


def _safe(value: object) -> str:
    return html.escape(f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value))


def _table(title: str, rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    body = "\n".join(f"<tr><td>{name}</td>{cells}</tr>" for name, cells in rows)
    return f"<h2>{html.escape(title)}</h2>\n<table>{body}</table>"
