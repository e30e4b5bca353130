"""Widen a value step by step: each way is a list of functions, from the value as it is to one that says hardly anything.

Generalisation hierarchies: Samarati and Sweeney 1998; GB/T 37964-2019 annex A. Each step keeps values that were equal equal. What a step cannot read becomes
`*`, as does everything at the end.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import date

from appliance.privacy import dates
from appliance.privacy.normalise import normalise

__all__ = ["HIDDEN", "WAYS", "steps"]

HIDDEN = "*"
Step = Callable[[str], str]

_NUMBER = re.compile(r"-?[0-9]+(?:[.,][0-9]+)?")
_REGION = re.compile(r"(.+?(?:特别行政区|自治区|省|市))?(.+?(?:自治州|地区|盟|市))?(.+?(?:自治县|区|县|旗|市))?")
_BANDS = (20, 10, 5, 2)  # how many bands of about as many rows a number is widened into


def _band(width: int) -> Step:
    def widen(value: str) -> str:
        found = _NUMBER.search(normalise(value).text)
        if not found:
            return HIDDEN
        low = int(float(found[0].replace(",", ".")) // width) * width
        return "90+" if low >= 90 else f"{low}-{low + width - 1}"

    return widen


def _date(needs: str, told: Callable[[date], str]) -> Step:
    def widen(value: str) -> str:
        found = dates.read(normalise(value).text, date.today())
        return told(found[0].day) if found and len(found) == 1 and {"year", needs} <= found[0].told else HIDDEN

    return widen


def _prefix(length: int) -> Step:
    def widen(value: str) -> str:
        plain = normalise(value).text.strip()
        return plain[:length] + HIDDEN * (len(plain) - length) if len(plain) > length else HIDDEN

    return widen


def _region(parts: int) -> Step:
    def widen(value: str) -> str:
        found = _REGION.match(normalise(value).text.strip())
        return "".join(part or "" for part in found.groups()[:parts]) or HIDDEN if found else HIDDEN

    return widen


def _same(value: str) -> str:
    return value


WAYS: dict[str, tuple[Step, ...]] = {
    "age": (_same, _band(5), _band(10), _band(20)),
    "date": (
        _same,
        _date("month", "{:%Y-%m}".format),
        _date("year", "{:%Y}".format),
        _date("year", lambda day: f"{day.year // 10 * 10}s"),
    ),
    "postcode": (_same, _prefix(4), _prefix(3), _prefix(2)),
    "region": (_same, _region(2), _region(1)),
    "category": (_same,),
}


def steps(way: str, values: Sequence[str]) -> list[Step]:
    """Return the steps of a way, the last of which hides the value. `number` makes bands from the column's own `values`; `WAYS` names the others."""
    known = _bands(values) if way == "number" else list(WAYS[way])
    return [*known, lambda _value: HIDDEN]


def _bands(values: Sequence[str]) -> list[Step]:
    """Bands between quantiles, so that each holds about as many rows."""
    numbers = sorted(number for value in values if (number := _number(value)) is not None)
    found: list[Step] = [_same]
    for count in _BANDS:
        edges = sorted({numbers[len(numbers) * part // count] for part in range(1, count)}) if numbers else []
        found.append(_between(edges))
    return found


def _between(edges: Sequence[float]) -> Step:
    def widen(value: str) -> str:
        number = _number(value)
        if number is None:
            return HIDDEN
        place = bisect_right(edges, number)
        low = f"{edges[place - 1]:g}" if place else ""
        return f"{low}..{edges[place]:g}" if place < len(edges) else f"{low}.."

    return widen


def _number(value: str) -> float | None:
    try:
        return float(value.replace(",", "").strip())
    except ValueError:
        return None
