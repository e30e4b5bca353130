"""Read dates as people write them, in English and Chinese, and write them back in the same form.

A text is read whole or not at all: what is no date, time of day or word between two dates (`to`, 至) makes it unreadable, since
`Christmas 2019` with another year would still tell the day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from appliance.privacy.normalise import normalise

__all__ = ["Read", "read", "shift"]

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HAN_WEEKDAYS = "一二三四五六日"
_HAN_DIGITS = "〇一二三四五六七八九"
_NAME = r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
_WEEKDAY = r"(?:(?P<weekday>mon(?:day)?|tue(?:s|sday)?|wed(?:nesday)?|thu(?:rs|rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)\.?,?\s+(?:the\s+)?)?"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])(?P<ordinal>st|nd|rd|th)?"
_YEAR = r"(?P<year>1[5-9]\d\d|20\d\d)"
_END = r"(?![0-9])"
_HAN_WEEKDAY = r"(?:\s?[（(]?(?:星期|周|礼拜)(?P<han_weekday>[一二三四五六日天])[)）]?)?"
_HAN_YEAR = r"(?P<year>[12][0-9]{3}|[0-9]{2}|[〇零○一二三四五六七八九]{4}|[〇零○一二三四五六七八九]{2})\s?年"
_HAN_MONTH = r"(?P<month>0?[1-9]|1[0-2]|十[一二]?|[一二三四五六七八九])\s?月份?"
_HAN_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01]|(?:[一二三]?十)[一二三四五六七八九]?|[一二三四五六七八九])\s?[日号]"
# The first that fits at a place is taken: the whole before the part.
_FORMS = tuple(
    re.compile(form + _END, re.IGNORECASE)
    for form in (
        rf"{_YEAR}(?P<separator>[-/.])(?P<month>0?[1-9]|1[0-2])(?P=separator){_DAY}",
        rf"{_YEAR}(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])",
        r"(?P<first>\d\d?)(?P<separator>[-/.])(?P<second>\d\d?)(?P=separator)(?P<year>\d{4}|\d\d)",
        rf"{_WEEKDAY}{_DAY}(?:\s+of)?[\s\-]+{_NAME}\.?,?[\s\-]+(?P<year>\d{{4}})",
        rf"{_WEEKDAY}{_NAME}\.?\s+(?:the\s+)?{_DAY},?\s+(?P<year>\d{{4}})",
        rf"{_WEEKDAY}{_DAY}[\s\-]{_NAME}[\s\-](?P<year>\d\d)",
        rf"{_NAME}\.?,?[\s\-]+(?:of\s+)?{_YEAR}",
        rf"{_WEEKDAY}{_DAY}(?:\s+of)?[\s\-]+{_NAME}\b\.?",
        rf"{_WEEKDAY}{_NAME}\.?\s+(?:the\s+)?{_DAY}",
        rf"{_HAN_YEAR}\s?{_HAN_MONTH}\s?{_HAN_DAY}{_HAN_WEEKDAY}",
        rf"{_HAN_YEAR}\s?{_HAN_MONTH}",
        rf"{_HAN_MONTH}\s?{_HAN_DAY}{_HAN_WEEKDAY}",
        rf"{_HAN_YEAR}",
        rf"{_YEAR}(?P<separator>[-/])(?P<month>0[1-9]|1[0-2])",
        rf"{_YEAR}",
    )
)
_BETWEEN = re.compile(
    r"(?:from|to|until|till|and|or|between|on|of|in|the|at|by|since|through|t|z|utc|gmt|am|pm|a\.m\.|p\.m\."
    r"|\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:\s?[ap]m)?|[+]\d{2}:?\d{2}|\d{1,2}[时点](?:\d{1,2}分?)?(?:\d{1,2}秒)?|[自从至到和与、及起止上下午晚早间]"
    r"|[\s,.;:()\-–—~～/，。（）])+",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Read:
    """One date in a text. `day` has the middle of what is not told; `told` names what is: `year`, `month`, `day`."""

    match: re.Match[str]
    day: date
    told: frozenset[str]


def read(text: str, today: date) -> list[Read] | None:
    """Return the dates of `text` when it holds nothing else, None otherwise. Two-digit years lie in the hundred years up to `today`'s.

    `03/04/2020` is read as month/day, `03.04.2020` as day.month, unless a number above 12 says otherwise.
    """
    found: list[Read] = []
    position = 0
    while position < len(text):
        match = next(filter(None, (form.match(text, position) for form in _FORMS)), None)
        one = _date(match, today) if match else None
        between = None if one else _BETWEEN.match(text, position)
        if one:
            found.append(one)
            position = one.match.end()
        elif between:
            position = between.end()
        else:
            return None
    return found or None


def shift(text: str, days: int, today: date) -> str | None:
    """Return `text` with every date moved by `days`, written as before; None when it cannot be read or nothing would change."""
    plain = normalise(text).text
    dates = read(plain, today)
    if not dates:
        return None
    pieces, position = [], 0
    for one in dates:
        try:
            moved = one.day + timedelta(days=days)
        except OverflowError:
            return None
        written = _write(one, moved)
        if written == one.match[0]:  # the year alone, moved by less
            return None
        pieces += [plain[position : one.match.start()], written]
        position = one.match.end()
    return "".join([*pieces, plain[position:]])


def _date(match: re.Match[str], today: date) -> Read | None:
    parts = {name: value for name, value in match.groupdict().items() if value}
    if "first" in parts:
        order = ("day", "month") if _day_first(match) else ("month", "day")
        parts |= zip(order, (parts["first"], parts["second"]), strict=True)
    month = _MONTHS.index(_full_name(parts["name"])) + 1 if "name" in parts else _number(parts.get("month", "7"))
    day = _number(parts.get("day", "15"))
    leap = month == 2 and day == 29
    year = _year(parts["year"], today) if "year" in parts else (2000 if leap else 2001)
    told = frozenset(
        name for name in ("year", "month", "day") if name in parts or (name == "month" and "name" in parts)
    )
    try:
        return Read(match, date(year, month, day), told)
    except ValueError:
        return None


def _day_first(match: re.Match[str]) -> bool:
    return int(match["first"]) > 12 or (match["separator"] == "." and int(match["second"]) <= 12)


def _full_name(name: str) -> str:
    return next(month for month in _MONTHS if month.startswith(name.lower()[:3]))


def _number(text: str) -> int:
    if text.isascii():
        return int(text)
    if "十" in text:  # 十, 十五, 二十, 二十五
        tens, _ten, ones = text.partition("十")
        return (_HAN_DIGITS.index(tens) if tens else 1) * 10 + (_HAN_DIGITS.index(ones) if ones else 0)
    return int("".join(str(_HAN_DIGITS.index(one)) for one in text.replace("零", "〇").replace("○", "〇")))


def _year(text: str, today: date) -> int:
    year = _number(text)
    if len(text) == 2:
        year += 2000 if 2000 + year <= today.year else 1900
    return year


def _write(one: Read, moved: date) -> str:
    """Write `moved` the way `one` was written: each part in its place, in its width, script and case."""
    match = one.match
    parts = match.groupdict()
    numbers = [parts.get(name) or "" for name in ("month", "day", "first", "second")]
    padded = not any(len(number) == 1 for number in numbers)
    written: list[tuple[int, int, str]] = []
    for name, value in parts.items():
        if value is None or name == "separator":
            continue
        written.append((*match.span(name), _part(name, value, one, moved, padded)))
    text, start = match[0], match.start()
    for begin, end, new in sorted(written, reverse=True):
        text = text[: begin - start] + new + text[end - start :]
    return text


def _part(name: str, old: str, one: Read, moved: date, padded: bool) -> str:
    if name in ("first", "second"):
        name = "day" if (name == "first") == _day_first(one.match) else "month"
    if name == "year":
        return _digits(moved.year if len(old) == 4 else moved.year % 100, old, len(old), by_digit=True)
    if name in ("month", "day"):
        return _digits(getattr(moved, name), old, 2 if padded and old.isascii() else 1)
    if name == "name":
        return _word(_MONTHS[moved.month - 1], old)
    if name == "weekday":
        return _word(_WEEKDAYS[moved.weekday()], old)
    if name == "han_weekday":
        return _HAN_WEEKDAYS[moved.weekday()]
    return _ordinal(moved.day)


def _digits(number: int, old: str, width: int, by_digit: bool = False) -> str:
    if old.isascii():
        return f"{number:0{width}d}"
    if by_digit:
        return "".join(_HAN_DIGITS[int(digit)] for digit in f"{number:0{width}d}")
    tens, ones = divmod(number, 10)
    ten = ("" if tens == 1 else _HAN_DIGITS[tens]) + "十" if tens else ""
    return ten + (_HAN_DIGITS[ones] if ones else "")


def _word(name: str, old: str) -> str:
    name = name if len(old) > 4 or (len(old) == 4 and old.lower() in _MONTHS) or old.lower() == "may" else name[:3]
    return name.upper() if old.isupper() else name.title() if old[0].isupper() else name


def _ordinal(day: int) -> str:
    return "th" if 10 <= day % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def years(dates: list[Read]) -> Iterator[int]:
    """Yield the years of dates that tell one."""
    return (one.day.year for one in dates if "year" in one.told)
