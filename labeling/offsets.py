"""Places in a text: ours are Unicode code points, those of a browser and of Label Studio UTF-16 code units.

A character beyond U+FFFF is one code point and two units, its surrogate pair (The Unicode Standard 16.0, 3.9, D91; ECMA-262, 6.1.4); every other, lone
surrogates among them, is one of each. Combining marks and joiners are characters of their own on both sides.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from appliance.errors import InputError
from appliance.words import _

__all__ = ["from_utf16", "to_utf16"]

_LAST_OF_ONE_UNIT = 0xFFFF


def to_utf16(text: str, points: Iterable[int]) -> list[int]:
    """Return the places `points` (code points, 0 to `len(text)`) of `text` in UTF-16 units.

    Raises `InputError` for a place that lies outside the text.
    """
    wide = _wide(text)
    return [point + bisect_left(wide, point) for point in _inside(points, len(text))]


def from_utf16(text: str, units: Iterable[int]) -> list[int]:
    """Return the places `units` (UTF-16 units) of `text` in code points.

    Raises `InputError` for a place that lies outside the text or between the two halves of a character.
    """
    wide = _wide(text)
    begins = [place + number for number, place in enumerate(wide)]  # the first unit of each pair
    found = []
    for unit in _inside(units, len(text) + len(wide)):
        before = bisect_left(begins, unit)
        if before and begins[before - 1] == unit - 1:
            raise InputError(_("place {unit} lies inside a character; count in UTF-16 code units", unit=unit))
        found.append(unit - before)
    return found


def _wide(text: str) -> list[int]:
    """Return the places of the characters that take two units."""
    if text.isascii():
        return []
    return [place for place, character in enumerate(text) if ord(character) > _LAST_OF_ONE_UNIT]


def _inside(places: Iterable[int], end: int) -> Iterable[int]:
    for place in places:
        if not 0 <= place <= end:
            raise InputError(_("place {place} lies outside a text that ends at {end}", place=place, end=end))
        yield place
