"""What was found, as plain data, as pages and as pictures: figures and names of ours, never record text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance import device
from appliance.schema import Model
from appliance.words import _

__all__ = ["write", "write_cards"]


def write(folder: Path, found: Mapping[str, Any], fonts: Path) -> set[str]:
    """Write `report.json` and the pages beside it into `folder`; return the names of those that do not count for its hash."""
    (folder / "report.json").write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return set()


def write_cards(teacher: Model, folder: Path, line: Mapping[str, Any]) -> set[str]:
    """Write the teacher's card, with a word about the compression, beside a variant; return the files' names."""
    card, page = teacher.folder / "card.json", teacher.folder / "card.md"
    content: dict[str, Any] = json.loads(card.read_bytes()) if card.exists() else {}
    content["compress"] = {"teacher": teacher.reference, "hardware": device.describe(), **line}
    (folder / "card.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
    said = _(
        "Compressed: {size_ratio:.1f} times smaller and {latency_ratio:.1f} times faster than its teacher `{teacher}` as fp32 ONNX; accuracy {metric:.4f} on"
        " {rows} rows of {split}, {drop:+.4f} less (one-sided 95 % bounds {low:+.4f} and {high:+.4f}): {verdict}.",
        teacher=teacher.reference,
        **{
            key: line[key]
            for key in ("size_ratio", "latency_ratio", "metric", "rows", "split", "drop", "low", "high", "verdict")
        },
    )
    before = page.read_text("utf-8") + "\n" if page.exists() else ""
    (folder / "card.md").write_text(before + said + "\n", "utf-8")
    return {"card.json", "card.md"}
