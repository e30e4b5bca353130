"""Pictures of reports: an empty figure to draw on, and the figure as files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import MissingPartError
from appliance.words import _

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["blank", "write"]


def blank(width: float, height: float, cache: Path) -> Figure:
    """Return an empty figure of so many inches. `cache` is a folder for matplotlib's list of fonts. Raises `MissingPartError` without matplotlib."""
    os.environ.setdefault("MPLCONFIGDIR", str(cache))
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPartError(_("pictures need the extra `train`: install `skerry[train]`")) from error
    return Figure(figsize=(width, height), layout="constrained")  # no pyplot: it keeps state between threads


def write(figure: Figure, path: Path) -> Path:
    """Write a figure in the format that the ending of `path` names (`.svg`, else PNG): the same picture gives the same bytes. Returns `path`."""
    import matplotlib

    nobody: dict[str, str | None] = {"Date": None, "Creator": None} if path.suffix == ".svg" else {"Software": None}
    with matplotlib.rc_context({"svg.hashsalt": "skerry"}):
        figure.savefig(path, format=path.suffix[1:] or "png", dpi=110, metadata=nobody)
    return path
