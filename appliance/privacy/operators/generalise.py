"""`generalise`: the value in a wider class, true but less telling.

========================  ============================================================================================
AGE                       a band of `band` years (default 10; 1 keeps the year of age); 90 and above is `90+`
DATE, BIRTH_DATE          the year, with `date = "month"` year and month; a birth 90 years ago or more is `90+`
POSTCODE                  US: the first three digits and `**`, `000**` where few live; China: the first two (province)
ADDRESS, LOCATION         the province, state or country that it names
========================  ============================================================================================

HIPAA 164.514(b)(2)(i)(B)-(C) sets the three digits, the year and the 90; GB/T 37964-2019 annex A and ISO/IEC 20889:2018 name the technique.
What has no wider class here, or cannot be read, becomes a placeholder.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from appliance.privacy import dates
from appliance.privacy.normalise import normalise
from appliance.privacy.operators.value import Scope, Value
from appliance.privacy.surrogates.regions import COUNTRIES, PROVINCES, STATES

__all__ = ["FEW_LIVE_THERE", "replace"]

# Three-digit ZIP areas of 20,000 people or fewer: the 17 that HHS lists from the census of 2000 (guidance of 26 November 2012), and those that
# the census of 2010 adds.
_FEW_LIVE_THERE = """
036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893 202 204 205 369 753 772
"""
FEW_LIVE_THERE = frozenset(_FEW_LIVE_THERE.split())
_OLDEST = 90
_BAND = 10
_ZIP = re.compile(r"([0-9]{3})[0-9]{2}(?:-?[0-9]{4})?")
_STATE = re.compile(rf"\b(?:{'|'.join(STATES)})\b|(?<![A-Za-z])(?:{'|'.join(STATES.values())})(?=[\s,.]*(?:[0-9]|$))")
_COUNTRY = re.compile(rf"\b(?:{'|'.join(COUNTRIES)})\b|(?:{'|'.join(COUNTRIES.values())})")
_PROVINCE = re.compile("|".join(PROVINCES))


def replace(value: Value, scope: Scope) -> str | None:
    """Return the wider class of the value; None where there is none."""
    work = _WORK.get(value.kind)
    return work(value, scope) if work else None


def _age(value: Value, scope: Scope) -> str | None:
    numbers = re.findall(r"[0-9]+", normalise(value.text).text)
    if len(numbers) != 1:
        return None
    number, band = int(numbers[0]), scope.options.get("band", _BAND)
    if number >= _OLDEST:
        return f"{_OLDEST}+"
    low = number - number % band
    return f"{low}-{min(low + band, _OLDEST) - 1}" if band > 1 else str(number)


def _date(value: Value, scope: Scope) -> str | None:
    found = dates.read(normalise(value.text).text, scope.today)
    by_month = scope.options.get("date") == "month"
    if not found or any("year" not in one.told or (by_month and "month" not in one.told) for one in found):
        return None
    if value.kind == "BIRTH_DATE" and any(scope.today.year - one.day.year >= _OLDEST for one in found):
        return f"{_OLDEST}+"
    han = value.han
    return "–".join(dict.fromkeys(_month(one.day, han) if by_month else _year(one.day, han) for one in found))


def _year(day: date, han: bool) -> str:
    return f"{day.year}年" if han else str(day.year)


def _month(day: date, han: bool) -> str:
    return f"{day.year}年{day.month}月" if han else f"{day.year}-{day.month:02d}"


def _postcode(value: Value, _scope: Scope) -> str | None:
    plain = normalise(value.text).text.strip()
    zip_code = _ZIP.fullmatch(plain)
    if zip_code:
        return "000**" if zip_code[1] in FEW_LIVE_THERE else f"{zip_code[1]}**"
    return f"{plain[:2]}****" if re.fullmatch(r"[0-9]{6}", plain) else None


def _place(value: Value, _scope: Scope) -> str | None:
    plain = normalise(value.text).text
    found = _PROVINCE.search(plain) or _STATE.search(plain) or _COUNTRY.search(plain)
    return found[0] if found else None


_WORK: dict[str, Callable[[Value, Scope], str | None]] = {
    "AGE": _age,
    "DATE": _date,
    "BIRTH_DATE": _date,
    "POSTCODE": _postcode,
    "ADDRESS": _place,
    "LOCATION": _place,
}
