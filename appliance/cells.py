"""The text of a typed cell of a sheet or of Parquet, as its author saw it, and the rows of a sheet with its merged cells filled."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator
from typing import Any

from appliance.errors import InputError
from appliance.words import _

__all__ = ["LostDigits", "NoText", "cell_text", "filled_rows", "sheet_text"]

_SCIENTIFIC = re.compile(r"\d\.\d+[eE]\+\d\d")


class LostDigits(InputError):
    """A floating-point number stands where digits were meant."""


class NoText(InputError):
    """A value is no text, number, truth value or time; its message is the name of its type."""


def cell_text(value: Any) -> str | None:
    """Return a typed cell (of a sheet or of Parquet) as the text that its author saw; None for an empty cell.

    A whole number comes without `.0`. Raises `LostDigits` for a floating-point number of 12 digits or more or in scientific form: a
    spreadsheet keeps 15 digits, so an 18-digit identity number typed as a number has lost its end, and no recognizer knows it
    again. Raises `NoText` for a value that is no text, number, truth value or time.
    """
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number_text(value)
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return str(value)
    raise NoText(type(value).__name__)


def _number_text(value: float) -> str | None:
    if math.isnan(value):  # how a data frame writes an empty cell
        return None
    written = repr(value)
    if abs(value) >= 1e11 or "e" in written or math.isinf(value):
        raise LostDigits(_("a number of 12 digits or more, or in scientific form, has lost its digits"))
    return str(int(value)) if value.is_integer() else written


def sheet_text(value: Any) -> str | None:
    """`cell_text` for a cell of a sheet, which knows floating-point numbers only: a whole number of 12 digits is refused too, and so is text in
    scientific form (`1.10102E+17`), which somebody pasted.
    """
    if isinstance(value, str) and _SCIENTIFIC.fullmatch(value.strip()):
        raise LostDigits(_("a number of 12 digits or more, or in scientific form, has lost its digits"))
    return cell_text(float(value) if type(value) is int else value)


def filled_rows(sheet: Any) -> Iterator[list[Any]]:
    """Yield the rows of a `python_calamine` sheet from its first on, each merged range filled with its value (only its first cell holds one)."""
    if sheet.start is None:
        return
    left = sheet.start[1]  # rows come from the sheet's first, columns from the first that is used
    coming = sorted(sheet.merged_cell_ranges or (), reverse=True)
    active: dict[int, tuple[int, Any]] = {}
    for number, cells in enumerate(sheet.iter_rows()):
        while coming and coming[-1][0][0] <= number:
            (_top, first), (bottom, last) = coming.pop()
            if left <= first < left + len(cells):
                places = range(first - left, min(last - left + 1, len(cells)))
                active |= dict.fromkeys(places, (bottom, cells[first - left]))
        for place, (bottom, value) in list(active.items()):
            if number > bottom:
                del active[place]
            else:
                cells[place] = value
        yield cells
