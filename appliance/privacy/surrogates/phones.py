"""Telephone numbers that ring nowhere: the ranges that regulators keep for films, or such as no plan can give out.

==============  ==========================================================================================================
North America   555-0100 to 555-0199 of an area that is not free of charge (ATIS-0300115: fictional numbers)
United Kingdom  Ofcom, telephone numbers for drama use: 020 7946 0xxx, (0113-0118, 0121, 0131, 0141, 0151, 0161) 496 0xxx, 07700 900xxx
France          ARCEP decision 2018-0881: 01 99 00, 02 61 91, 03 53 01, 04 65 71, 05 36 49, 06 39 98 and four digits
Australia       ACMA: (02, 03, 07, 08) 5550 xxxx, the mobile numbers of its list (0491 570 006 ...)
China           no range is kept: mobile numbers begin with 12 and no mobile number does, local numbers begin with 0 behind the
                area code and no local number does (MIIT numbering plan, 2017)
elsewhere       country code 999, which ITU-T E.164 keeps unassigned; without a country code three zeros ahead
==============  ==========================================================================================================
"""

from __future__ import annotations

import re

from appliance.privacy.normalise import normalise
from appliance.privacy.operators.value import Keyed, Value

__all__ = ["phone"]

_PREFIX = re.compile(r"\s*(?:\+|00|011)[\s\-]?\(?([1-9][0-9]{0,2})\)?")
_EXTENSION = re.compile(r"\s*(?:ext\.?|extension|x|#|转|分机)\s*[0-9]{1,6}\s*$", re.IGNORECASE)
_PAIRS = re.compile(r"\b0[1-9](?:[\s.\-][0-9]{2}){4}\b")
_BRITISH = re.compile(
    r"\s*\(?(?:02[0-9]\)?\s[0-9]{4}\s[0-9]{4}|01[0-9]{2,4}\)?\s?[0-9]{2,3}\s?[0-9]{3,4}|07(?![0-9]{2}-?[0-9]{7}\s*$)(?:[\s)]?[0-9]){9}|07[0-9]{9})\s*"
)
_CHINESE = re.compile(r"\s*\(?(?:0?(?:10|2[0-9]|[3-9][0-9]{2}))\)?[\s\-]?(?:[0-9]{7,8}|[0-9]{3,4}[\s\-][0-9]{4})\s*")
_UK_AREAS = ("113", "114", "115", "116", "117", "118", "121", "131", "141", "151", "161")
_AUSTRALIA = (
    "70006",
    "70156",
    "70157",
    "70158",
    "70159",
    "70110",
    "70313",
    "70737",
    "71266",
    "71491",
    "71804",
    "72549",
    "72665",
)
_FRANCE = {
    "1": "19900",
    "2": "26191",
    "3": "35301",
    "4": "46571",
    "5": "53649",
    "6": "63998",
    "7": "63998",
    "9": "19900",
}


def phone(value: Value, keyed: Keyed) -> str | None:
    """Return a number that is nobody's, in the grouping of the old one; None for what has too few or too many digits to be one."""
    plain = normalise(value.text).text
    extension = _EXTENSION.search(plain)
    core = plain[: extension.start()] if extension else plain
    digits = re.sub(r"[^0-9]", "", core)
    if not 5 <= len(digits) <= 15:
        return None
    prefix, country = _country(core, digits)
    national = digits[len(prefix + country) :]
    drawn = keyed.digits(15, "phone", national)
    new = _national(country, national, drawn, core)
    if new is not None:
        new = prefix + country + new
    elif country:
        new = prefix + "999" + drawn[: len(national)]
    else:
        new = "000" + drawn[: len(digits) - 3]
    tail = re.sub(r"[0-9]", lambda digit: drawn[digit.start() % 15], extension[0]) if extension else ""
    return _grouped(core, new) + tail


def _country(core: str, digits: str) -> tuple[str, str]:
    """Return the digits of the international prefix (00, 011) and the country code, none where it is a national number."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    found = _PREFIX.match(core)
    if not found:
        return ("", "86") if re.fullmatch(r"861[3-9][0-9]{9}", digits) else ("", "")
    prefix = re.sub(r"[^0-9]", "", core[: found.start(1)])
    rest = digits[len(prefix) :]
    code = next((rest[:size] for size in (1, 2, 3) if int(rest[:size]) in COUNTRY_CODE_TO_REGION_CODE), "")
    return (prefix, code) if code else ("", "")


def _national(country: str, national: str, drawn: str, core: str) -> str | None:
    """Return the digits of a number that its country gives to nobody; None where no such range is known.

    Without a country code the grouping tells; what is read wrongly still falls into numbers that neither plan gives out.
    """
    trunk = "0" if national.startswith("0") else ""
    rest = national.removeprefix("0")
    one_ahead = re.match(r"\s*1[\s.\-(]", core)
    if country in ("", "86") and re.fullmatch(r"1[3-9][0-9]{9}", national) and not one_ahead:
        return "12" + drawn[:9]
    if country == "1" or (not country and re.fullmatch(r"1?[2-9][0-9]{2}[2-9][0-9]{6}", national)):
        return _north_america(national, drawn)
    if country == "44" or (not country and _BRITISH.fullmatch(core)):
        return trunk + _britain(rest, drawn)
    if (country == "33" or (not country and _PAIRS.search(core))) and len(rest) == 9 and rest[0] in _FRANCE:
        return trunk + _FRANCE[rest[0]] + drawn[:4]
    if country == "61" and len(rest) == 9:
        return trunk + (
            f"4915{_AUSTRALIA[int(drawn[:4]) % len(_AUSTRALIA)]}" if rest[0] == "4" else f"{rest[0]}5550{drawn[:4]}"
        )
    return _china(national, drawn) if country == "86" or (not country and _CHINESE.fullmatch(core)) else None


def _north_america(national: str, drawn: str) -> str | None:
    if len(national) < 10:
        return None
    area = "234679"[int(drawn[2]) % 6] + ("04" if drawn[3:5] in ("00", "11") else drawn[3:5])
    return ("1" if len(national) == 11 else "") + f"{area}55501{drawn[:2]}"


def _china(national: str, drawn: str) -> str | None:
    area = re.match(r"0?(?:10|2[0-9]|[3-9][0-9]{2})", national)
    if not area or not 7 <= len(national) - area.end() <= 8:
        return None
    return area[0] + "0" + drawn[: len(national) - area.end() - 1]


def _britain(rest: str, drawn: str) -> str:
    if rest.startswith("7"):
        return "7700900" + drawn[:3]
    area = (*_UK_AREAS, "")[int(drawn[3:6]) % (len(_UK_AREAS) + 1)]
    return f"{area}4960{drawn[:3]}" if area else "2079460" + drawn[:3]


def _grouped(core: str, new: str) -> str:
    """Write the digits of `new` into the places of those of `core`; in one piece where the counts differ."""
    if sum(map(str.isdigit, core)) != len(new):
        return ("+" if core.lstrip().startswith("+") else "") + new
    rest = iter(new)
    return "".join(next(rest) if character.isdigit() else character for character in core)
