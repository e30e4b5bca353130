"""The two cards of a package: what the model is, and what it learned from. Counts are rounded, small ones not told; no ids, paths, host or data set names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from appliance.base.catalogue import catalogue
from appliance.egress.seen import Seen
from appliance.engine.plan import Plan
from appliance.schema import Artifact, Model

_SMALLEST = 10  # a count below is not told: who knows the others could tell who it is (cell suppression, as in official statistics)
_TRAINING = ("method", "epochs", "learning_rate", "batch_rows", "max_tokens", "refit")
_BASE = ("name", "title", "licence", "sha256")


def rounded(number: int) -> int | str:
    """Return a count as it may leave: to the nearest ten, `<10` where it is smaller, 0 where there is none."""
    return round(number, -1) if number >= _SMALLEST else f"<{_SMALLEST}" if number else 0


def model_card(model: Model, plan: Plan, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model card: what it does, its base, how it was trained, how good it was on validation rows, and what the egress changed."""
    path = model.folder / "card.json"
    told: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
    base, training = told.get("base") or {}, (told.get("training") or {}).get("settings") or {}
    pinned = {"source": base["source"]} if base.get("name") in catalogue() and "source" in base else {}
    return {
        "model": name,
        "format": plan.format,
        "task": plan.task,
        "labels": list(plan.labels),
        "languages": list(plan.languages),
        "max_tokens": plan.max_tokens,
        "base": {"name": plan.base} | {key: base[key] for key in _BASE if base.get(key)} | pinned,
        "training": {key: training[key] for key in _TRAINING if key in training},
        "metrics": _metrics(told),
        "egress": dict(changes),
    }


def _metrics(card: Mapping[str, Any]) -> dict[str, float]:
    found = (card.get("metrics") or {}).get("validation") or {}
    return {key: round(value, 4) for key, value in found.items() if isinstance(value, float)}


def data_card(seen: Seen, labels: Iterable[str], scrubs: Iterable[Artifact]) -> dict[str, Any]:
    """Return the data card: rounded counts by label and language, and what the scrub found, by kind."""
    return {
        "rows": rounded(seen.rows),
        "subjects_told": seen.subjects_told,
        "labels": {label: rounded(seen.labels[label]) for label in labels},
        "languages": {language: rounded(number) for language, number in sorted(seen.languages.items()) if language},
        "scrubbed": [_scrub(item.meta) for item in scrubs],
    }


def _scrub(meta: Mapping[str, Any]) -> dict[str, Any]:
    findings = {kind: rounded(number) for kind, number in (meta.get("findings") or {}).items()}
    return {
        "rows": rounded(meta.get("rows", 0)),
        "held_back": rounded(meta.get("held_back", 0)),
        "findings": findings,
        "policy_digest": meta.get("policy_digest"),
    }


def write(folder: Path, card: Mapping[str, Any] | None, data: Mapping[str, Any]) -> None:
    """Write `card.json` and `card.md` (where there is a model), `data.json` and `data.md`: in two languages, so that their bytes hang on no reader."""
    pages = {"data": (data, _data_page(data))} | ({"card": (card, _model_page(card))} if card else {})
    for name, (content, page) in pages.items():
        (folder / f"{name}.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
        (folder / f"{name}.md").write_text("\n".join(page) + "\n", "utf-8")


def _model_page(card: Mapping[str, Any]) -> list[str]:
    base, languages = card["base"], ", ".join(card["languages"])
    said = [
        (f"Text classification, {len(card['labels'])} labels, languages: {languages}.", f"文本分类，{len(card['labels'])} 个标签，语言：{languages}。"),
        (f"Base model: {base['name']}, licence {base.get('licence', '?')}.", f"基座模型：{base['name']}，许可证 {base.get('licence', '?')}。"),
    ]  # fmt: skip
    if card["metrics"]:
        told = ", ".join(f"{name} {value:.4f}" for name, value in card["metrics"].items())
        said.append((f"On validation rows, before the changes: {told}.", f"在验证集上（改动之前）：{told}。"))
    said += changed(card["egress"])
    said.append(("It may repeat rare words of what it learned from.", "模型可能复现训练文本中的罕见词语。"))
    return [f"# {card['model']}", "", *(f"- {english} / {chinese}" for english, chinese in said)]


def changed(changes: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say in English and Chinese what was changed so that a model may leave, and what that cost."""
    least, labels = changes["min_subjects"], changes["labels_dropped"]
    said = [(f"Labels of fewer than {least} people, dropped with their weights: {labels}.", f"少于 {least} 人的标签，连同其权重一并删除：{labels} 个。")]  # fmt: skip
    if "entries_kept" in changes:
        kept, back, dropped = (changes[f"entries_{name}"] for name in ("kept", "put_back", "dropped"))
        said.append(
            (
                f"Vocabulary: {kept} entries; {back} of them, held by fewer than {least} people, have the public base model's numbers again; {dropped} are dropped.",
                f"词表：{kept} 项；其中 {back} 项出现于少于 {least} 人的记录，已恢复为公开基座模型的数值；删除 {dropped} 项。",
            )
        )
    else:
        said.append((f"Rows of the n-gram table that fewer than {least} people's texts reach are zero.", f"少于 {least} 人的文本触及的 n-gram 表行均为零。"))  # fmt: skip
    if changes["rows"]:
        same, rows, drop = f"{changes['agreement']:.1%}", changes["rows"], f"{changes['drop']:.4f}"
        said.append(
            (
                f"The same label as before on {same} of {rows} real rows (validation, then training); accuracy lost on them: {drop}.",
                f"在 {rows} 条真实记录（先验证集，后训练集）上，{same} 的标签与改动前相同；准确率损失 {drop}。",
            )
        )
    return said


def _data_page(data: Mapping[str, Any]) -> list[str]:
    lines = [
        "# Data card / 数据卡",
        "",
        f"{data['rows']} rows; counts are rounded to tens, those below ten are not told. / 共 {data['rows']} 条；计数取整到十，小于十的不给出。",
    ]
    if not data["subjects_told"]:
        lines.append(
            "No column tells whom a row is about: each row counts as another person's. / 数据未指明每条记录属于何人：每条按不同的人计。"
        )
    lines += ["", "| label / 标签 | rows / 条数 |", "|---|---|"]
    lines += [f"| {label} | {number} |" for label, number in data["labels"].items()]
    for scrub in data["scrubbed"]:
        found = ", ".join(f"{kind} {number}" for kind, number in scrub["findings"].items()) or "-"
        lines += ["", f"Personal data taken out / 已去除的个人信息：{found}"]
    return lines
