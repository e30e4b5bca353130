"""The menu as a picture: how right each variant is over how long it takes, large where it is large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.pictures import blank, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["menu_picture"]

_COLOURS = {
    "accepted": "#2a7f3f",
    "refused": "#b03030",
    "undecided": "#c98a00",
    "offered": "#4a7ab0",
    "dominated": "#bbbbbb",
}
_MB = 1e6


def menu_picture(found: Mapping[str, Any], folder: Path, cache: Path) -> set[str]:
    """Draw `found` (the content of `report.json`) as `menu.svg` and `menu.png` in `folder`; return their names.

    Accuracy is that of the validation rows, milliseconds those of one text of 16 tokens, the area of a point its bytes; a line joins the variants that nothing
    beats. `cache` is a folder for matplotlib's list of fonts. Raises `MissingPartError` without matplotlib.
    """
    figure = blank(9, 6, cache)
    _draw(figure, found)
    return {write(figure, folder / name).name for name in ("menu.svg", "menu.png")}


def _draw(figure: Figure, found: Mapping[str, Any]) -> None:
    axes = figure.add_subplot()
    teacher = {"name": "teacher (fp32)", "verdict": "offered"} | found["teacher"]
    for line in (teacher, *found["variants"]):
        milliseconds, accuracy = _place(line)
        colour = "black" if line is teacher else _COLOURS[line["verdict"]]
        axes.scatter(
            milliseconds, accuracy, s=30 + 8 * line["size_bytes"] / _MB, color=colour, alpha=0.75, linewidths=0
        )
        note = f"{line['name']}, {line['size_bytes'] / _MB:.1f} MB"
        axes.annotate(note, (milliseconds, accuracy), xytext=(7, 5), textcoords="offset points", fontsize=7)
    kept = sorted(_place(line) for line in found["variants"] if line["verdict"] not in ("dominated", "refused"))
    axes.plot(*zip(*_rising(kept), strict=True) if kept else ((), ()), color="#4a7ab0", linewidth=0.8)
    axes.axhline(teacher["metric"] - found["settings"]["max_drop"], color="#b03030", linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.margins(0.12)
    axes.set_xlabel("ms, one text of 16 tokens, one thread")
    axes.set_ylabel("accuracy on validation rows (dotted: largest drop allowed)")


def _place(line: Mapping[str, Any]) -> tuple[float, float]:
    quality = line.get("validation", line)
    return float(line["latency_ms"]["1x16"]), float(quality["metric"])


def _rising(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    # from the fastest on, only those that are more often right than every faster one
    kept: list[tuple[float, float]] = []
    for place in places:
        if not kept or place[1] > kept[-1][1]:
            kept.append(place)
    return kept
