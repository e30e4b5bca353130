"""What was found, as plain data, as pages and as a picture: figures and names of ours, never record text."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from appliance import device
from appliance.compress.pictures import menu_picture
from appliance.page import page
from appliance.schema import Model
from appliance.words import _, both, translated

__all__ = ["brief", "write", "write_cards"]

_BRIEF = ("model", "name", "size_bytes", "size_ratio", "latency_ratio", "metric", "drop", "low", "high", "verdict")
_HEADINGS = {
    "name": both("variant"),
    "verdict": both("verdict"),
    "size_mb": both("MB"),
    "size_ratio": both("times smaller"),
    "parameters": both("parameters: embedding + rest"),
    "ms": both("ms, 16 tokens alone"),
    "texts_per_s": both("texts a second, one thread"),
    "latency_ratio": both("times faster"),
    "memory_mb": both("memory, MB"),
    "rows": both("rows"),
    "metric": both("accuracy"),
    "teacher_metric": both("teacher's on these rows"),
    "drop": both("drop"),
    "bounds": both("95 % bounds"),
    "flips": both("other labels than the teacher"),
    "calibration_error": both("calibration error"),
}
_VERDICTS = {
    "accepted": both("accepted"),
    "refused": both("refused"),
    "undecided": both("undecided"),
    "offered": both("on the menu, not tested"),
    "dominated": both("beaten by another"),
}
_FLOORS = {
    "majority": both("majority"),
    "tfidf_svm": both("TF-IDF + linear SVM"),
    "probe": both("probe on frozen base"),
}


def write(folder: Path, found: Mapping[str, Any], fonts: Path) -> set[str]:
    """Write `report.json`, `report.md` (in the reader's language), `report.html` (its table in English and Chinese) and the picture into `folder`; return the names of
    all but the first, which do not count for the report's hash."""
    (folder / "report.json").write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")
    pictures = menu_picture(found, folder, fonts)
    (folder / "report.md").write_text(_markdown(found), "utf-8")
    (folder / "report.html").write_text(_html(found, (folder / "menu.svg").read_text("utf-8")), "utf-8")
    return {"report.md", "report.html", *pictures}


def brief(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person at the command line reads of a menu: the verdict, a line each, why some were refused, where the report lies. A queued job stays
    as it is."""
    if "variants" not in found:
        return dict(found)
    lines = [
        {key: _rounded(line.get(key)) for key in _BRIEF} | {"verdict": _verdict(line["verdict"])}
        for line in found["variants"]
    ]
    return {
        "model": found["model"],
        "chosen": found["chosen"],
        "verdict": _conclusion(found),
        "variants": lines,
        **({"reason": reasons} if (reasons := list(_reasons(found))) else {}),
        "report": found["report"],
        "path": found["path"],
    }


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


def _rows(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what the tables show of the teacher and of each variant, as cells by the keys of `_HEADINGS`; `verdict` as it is in the report."""
    teacher = found["teacher"] | {
        "name": "fp32",
        "rows": found["validation_rows"],
        "size_ratio": 1.0,
        "latency_ratio": 1.0,
    }
    rows = []
    for line in (teacher, *found["variants"]):
        tested = "drop" in line
        rows.append(
            {
                "name": line["name"],
                "size_mb": f"{line['size_bytes'] / 1e6:.2f}",
                "size_ratio": f"{line['size_ratio']:.1f}",
                "parameters": f"{line['parameters']['embedding']:,} + {line['parameters']['encoder']:,}",
                "ms": f"{line['latency_ms']['1x16']:.2f}",
                "texts_per_s": f"{line['texts_per_s']:.0f}",
                "latency_ratio": f"{line['latency_ratio']:.1f}",
                "memory_mb": f"{line['memory_bytes'] / 1e6:.0f}",
                "rows": f"{line['rows']} ({line.get('split', 'validation')})",
                "metric": f"{line['metric']:.4f}",
                "teacher_metric": f"{line['teacher_metric']:.4f}" if tested else "",
                "drop": f"{line['drop']:+.4f}" if tested else "",
                "bounds": f"{line['low']:+.4f} … {line['high']:+.4f}" if tested else "",
                "flips": str(line["flips"]) if tested else "",
                "calibration_error": f"{line['calibration_error']:.3f}",
                "verdict": line.get("verdict", ""),
            }
        )
    return rows


def _markdown(found: Mapping[str, Any]) -> str:
    rows = [row | {"verdict": _verdict(row["verdict"])} for row in _rows(found)]
    lines = [
        _("# Smaller models of {model}, data set {dataset}", model=found["model"], dataset=found["dataset"]),
        "",
        _conclusion(found),
        "",
        *_table(map(_said, _HEADINGS.values()), [[row[key] for key in _HEADINGS] for row in rows]),
        "",
        *(f"{said}\n" for said in _explained(found)),
        "![](menu.svg)",
    ]
    return "\n".join(lines) + "\n"


def _verdict(word: str) -> str:
    return _said(_VERDICTS[word]) if word in _VERDICTS else ""


def _said(word: tuple[str, str]) -> str:
    return translated(word[0])


def _conclusion(found: Mapping[str, Any]) -> str:
    chosen = next((line for line in found["variants"] if line["name"] == found["chosen"]), None)
    if chosen is None and all(line["reason"] for line in found["variants"]):
        return _("No variant is offered: each was refused.")
    if chosen is None:
        return _("No variant keeps the limits of time and size.")
    told = {
        "name": chosen["name"],
        "drop": found["settings"]["max_drop"],
        "rows": chosen["rows"],
        "high": chosen["high"],
    }
    if chosen["verdict"] == "accepted":
        return _(
            "`{name}` is accepted: on {rows} test rows it loses at most {high:.4f} with 95 % confidence, {drop} is allowed.",
            **told,
        )
    if chosen["verdict"] == "refused":
        return _("`{name}` is refused: it loses more than {drop} with 95 % confidence.", **told)
    if chosen["rows_needed"] is None:
        return _("`{name}` is undecided: there are no test rows, or its drop lies on the limit of {drop}.", **told)
    return _(
        "`{name}` is undecided: {rows} test rows leave a loss of up to {high:.4f} possible, {drop} is allowed; about {needed} rows would decide.",
        needed=chosen["rows_needed"],
        **told,
    )


def _reasons(found: Mapping[str, Any]) -> Iterable[str]:
    return (f"`{line['name']}`: {line['reason']}" for line in found["variants"] if line["reason"])


def _explained(found: Mapping[str, Any]) -> Iterable[str]:
    hardware, floors = found["hardware"], found["floors"]
    yield from _reasons(found)
    if floors:
        told = ", ".join(f"{_said(_FLOORS[name])} {floor['accuracy']:.4f}" for name, floor in floors.items())
        yield _("Floors on the test rows: {floors}. What is kept above them is what the model is for.", floors=told)
    yield _(
        "Ratios are over the teacher as fp32 ONNX and count all files that a server loads; times faster is the geometric mean over 1 x 16, 1 x 64 and 32 x 16"
        " (texts x tokens) on one thread, the median of 5 interleaved runs. n-gram students read no tokens: they are timed from text to answer, on texts of"
        " those lengths. Each bound holds by itself with 95 % confidence (exact: Tango 1998, Berger and Boos 1994). A drop on validation rows has been chosen"
        " by; only the one on test rows has not."
    )
    yield _(
        "Measured on: {processor}, {flags}.", processor=hardware["processor"], flags=", ".join(hardware["instructions"])
    )


def _html(found: Mapping[str, Any], picture: str) -> str:
    rows = [row | {"verdict": " / ".join(_VERDICTS.get(row["verdict"], ("",)))} for row in _rows(found)]
    head = "".join(f"<th>{english}<br>{chinese}</th>" for english, chinese in _HEADINGS.values())
    cells = "".join(
        "<tr>" + "".join(f"<td>{html.escape(row[key])}</td>" for key in _HEADINGS) + "</tr>" for row in rows
    )
    floors = "".join(
        f"<li>{' / '.join(dict.fromkeys(_FLOORS[name]))}: {floor['accuracy']:.4f}</li>"
        for name, floor in found["floors"].items()
    )
    explained = "".join(f"<p>{html.escape(said)}</p>" for said in _explained(found))
    return page(
        "Menu of smaller models / 小模型菜单",
        f"<p>{html.escape(found['model'])} · {html.escape(found['dataset'])} · {html.escape(', '.join(found['hardware']['instructions']))}</p>",
        f"<p><b>{html.escape(_conclusion(found))}</b></p>",
        f"<div style='overflow-x:auto'><table><tr>{head}</tr>{cells}</table></div>",
        f"<p>Floors on the test rows / 测试集上的基线:</p><ul>{floors}</ul>" if floors else "",
        picture[picture.index("<svg") :],
        f"<small>{explained}</small>",
    )


def _table(header: Iterable[str], rows: Iterable[Sequence[str]]) -> list[str]:
    titles = list(header)
    return [f"| {' | '.join(line)} |" for line in (titles, ["---"] * len(titles), *rows)]


def write_cards(teacher: Model, folder: Path, line: Mapping[str, Any]) -> set[str]:
    """Write the teacher's card, with a word about the compression, beside a variant; return the files' names."""
    card, text = teacher.folder / "card.json", teacher.folder / "card.md"
    content: dict[str, Any] = json.loads(card.read_bytes()) if card.exists() else {}
    content["compress"] = {"teacher": teacher.reference, "hardware": device.describe(), **line}
    (folder / "card.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
    said = _(
        "Compressed: {size_ratio:.1f} times smaller and {latency_ratio:.1f} times faster than its teacher `{teacher}` as fp32 ONNX; accuracy {metric:.4f} on"
        " {rows} rows of {split}, {drop:+.4f} less (one-sided 95 % bounds {low:+.4f} and {high:+.4f}): {verdict}.",
        teacher=teacher.reference,
        verdict=_verdict(line["verdict"]),
        **{key: line[key] for key in ("size_ratio", "latency_ratio", "metric", "rows", "split", "drop", "low", "high")},
    )
    before = text.read_text("utf-8") + "\n" if text.exists() else ""
    (folder / "card.md").write_text(before + said + "\n", "utf-8")
    return {"card.json", "card.md"}
