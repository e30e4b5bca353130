"""The pages of a menu: the verdict first, every variant, both languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.compress import report

FIGURES = {
    "size_ratio": 36.0,
    "latency_ratio": 9.0,
    "latency_ms": {"1x16": 0.5},
    "texts_per_s": 1500.0,
    "memory_bytes": 70_000_000,
    "parameters": {"embedding": 400_000, "encoder": 900_000},
    "calibration_error": 0.02,
}


def line(name: str, verdict: str, **more: Any) -> dict[str, Any]:
    quality = {
        "rows": 3000,
        "metric": 0.925,
        "teacher_metric": 0.929,
        "drop": 0.004,
        "low": -0.001,
        "high": 0.009,
        "flips": 90,
    }
    about = {
        "name": name,
        "verdict": verdict,
        "reason": None,
        "rows_needed": None,
        "split": "test",
        "size_bytes": 2_500_000,
    }
    return FIGURES | quality | about | more


def menu(*lines: dict[str, Any], chosen: str | None = None) -> dict[str, Any]:
    teacher = FIGURES | {"size_bytes": 90_000_000, "metric": 0.93}
    return {
        "model": "triage@0123456789ab",
        "dataset": "tickets@ba9876543210",
        "settings": {"max_drop": 0.01},
        "hardware": {"processor": "a processor", "instructions": ["avx2", "avx512_vnni"]},
        "validation_rows": 1000,
        "teacher": teacher,
        "floors": {"majority": {"accuracy": 0.0130}, "tfidf_svm": {"accuracy": 0.8938}},
        "chosen": chosen,
        "variants": list(lines),
    }


def written(tmp_path: Path, found: dict[str, Any]) -> dict[str, str]:
    beside = report.write(tmp_path, found, tmp_path)
    return {name: (tmp_path / name).read_text("utf-8") for name in beside if not name.endswith(".png")}


@pytest.mark.parametrize(
    ("verdict", "more", "said"),
    [
        ("accepted", {}, "`small` is accepted: on 3000 test rows it loses at most 0.0090"),
        ("refused", {"low": 0.02, "high": 0.04}, "`small` is refused: it loses more than 0.01"),
        ("undecided", {"high": 0.012, "rows_needed": 9000}, "about 9000 rows would decide"),
        ("undecided", {}, "there are no test rows"),
    ],
)
def test_the_page_begins_with_what_the_test_said(tmp_path: Path, verdict: str, more: dict[str, Any], said: str) -> None:
    pages = written(tmp_path, menu(line("small", verdict, **more), chosen="small"))
    assert said in pages["report.md"].split("\n")[2] and said in pages["report.html"]
    assert "| 0.9250 | 0.9290 |" in pages["report.md"]  # beside the teacher's on the same rows


def test_a_menu_without_a_choice_says_so(tmp_path: Path) -> None:
    assert "No variant keeps the limits" in written(tmp_path, menu(line("small", "offered")))["report.md"]
    refused = menu(line("int8", "refused", reason="it differs"))
    assert "No variant is offered: each was refused" in written(tmp_path, refused)["report.md"]


def test_the_command_line_tells_the_verdict_and_why_a_variant_was_refused() -> None:
    found = menu(line("small", "accepted"), line("int8", "refused", reason="it differs"), chosen="small")
    short = report.brief(found | {"report": "triage@1", "path": "/a/report"})
    assert short["verdict"].startswith("`small` is accepted") and short["reason"] == ["`int8`: it differs"]
    assert "reason" not in report.brief(menu(line("small", "accepted")) | {"report": "triage@1", "path": "/a/report"})


def test_every_variant_and_the_teacher_has_a_row_in_each_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = menu(
        line("int8", "offered"), line("small", "accepted"), line("bad", "refused", reason="it differs"), chosen="small"
    )
    pages = written(tmp_path, found)
    for page in (pages["report.md"], pages["report.html"]):
        assert all(name in page for name in ("fp32", "int8", "small", "bad", "400,000 + 900,000", "`bad`: it differs"))
    assert "准确率" in pages["report.html"] and "<th>accuracy" in pages["report.html"]
    assert "TF-IDF + linear SVM 0.8938" in pages["report.md"] and "avx512_vnni" in pages["report.md"]


def test_names_are_escaped_in_the_page(tmp_path: Path) -> None:
    assert "<script>" not in written(tmp_path, menu(line("<script>", "offered")))["report.html"]


def test_the_same_menu_gives_the_same_picture(tmp_path: Path) -> None:
    found = menu(line("int8", "offered"), line("small", "accepted"), chosen="small")
    pictures = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        pictures.append(written(tmp_path / name, found)["menu.svg"])
    assert pictures[0] == pictures[1] and "small, 2.5 MB" in pictures[0].replace("&#45;", "-")
