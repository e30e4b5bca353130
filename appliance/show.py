"""What the command line prints: one JSON object, or the same as aligned lines and tables; progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from appliance.words import _

__all__ = ["Progress", "say", "show"]

_CELL = 60


def show(result: Mapping[str, Any], as_json: bool) -> None:
    """Print a verb's result on stdout."""
    if as_json:
        print(json.dumps(result, ensure_ascii=False, default=str))
        return
    from rich.console import Console
    from rich.table import Table

    # A pipe gets whole lines; only a terminal has a width to keep to.
    console = Console(highlight=False, markup=False, soft_wrap=not sys.stdout.isatty())
    for key, value in result.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            table = Table(*(str(column) for column in value[0]), box=None, pad_edge=False, header_style="bold")
            for row in value:
                table.add_row(*(_cell(cell) for cell in row.values()))
            console.print(f"{key}:")
            console.print(table)
        elif isinstance(value, Mapping):
            console.print(f"{key}: " + (", ".join(f"{name} {_cell(item)}" for name, item in value.items()) or "-"))
        elif isinstance(value, list):
            console.print(f"{key}: " + (", ".join(map(_cell, value)) or "-"))
        else:
            console.print(f"{key}: {_cell(value)}")


def say(message: str) -> None:
    """Print one line for the person on stderr."""
    print(message, file=sys.stderr, flush=True)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping | list):
        text = json.dumps(value, ensure_ascii=False)
        return text if len(text) <= _CELL else text[: _CELL - 1] + "…"
    return "-" if value is None else str(value)


class Progress:
    """A line on stderr: rewritten in place on a terminal, a new line every ten seconds elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._begin = self._last = time.monotonic()
        self._step = ""

    def __call__(self, step: str, done: int, total: int | None, numbers: dict[str, float]) -> None:
        """Show `done` of `total` of a step, the numbers, and the time left at the present pace."""
        moment = time.monotonic()
        if step != self._step:
            self._step, self._begin = step, moment
        elif moment - self._last < (0.2 if self._terminal else 10):
            return
        self._last = moment
        parts = [f"{step} {done:,}" + (f"/{total:,}" if total else "")]
        parts += [f"{name} {value:.4g}" for name, value in numbers.items()]
        if total and done and "seconds_left" not in numbers:
            parts.append(_("{seconds} s left", seconds=round((moment - self._begin) / done * (total - done))))
        line = "  ".join(parts)
        if self._terminal:
            print(f"\r\x1b[2K{line}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._terminal and self._step:
            print(file=sys.stderr)
