"""Dates are read whole or not at all, and written back the way they were."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from appliance.privacy import dates

TODAY = date(2026, 6, 1)
FORMS: dict[str, Callable[[date], str]] = {
    "iso": lambda day: day.isoformat(),
    "slashes": lambda day: f"{day.year}/{day.month}/{day.day}",
    "german": lambda day: f"{day.day:02d}.{day.month:02d}.{day.year}",
    "american": lambda day: f"{day.month:02d}/{day.day:02d}/{day.year}",
    "long": lambda day: f"{day.day} {day:%B} {day.year}",
    "short": lambda day: f"{day:%b} {day.day}, {day.year}",
    "weekday": lambda day: f"{day:%A}, {day:%B} {day.day}, {day.year}",
    "compact": lambda day: f"{day:%Y%m%d}",
    "chinese": lambda day: f"{day.year}年{day.month}月{day.day}日",
    "chinese weekday": lambda day: f"{day.year}年{day.month}月{day.day}日（星期{'一二三四五六日'[day.weekday()]}）",
}


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("2020-01-05 14:30:00", "2020-04-14 14:30:00"),
        ("2020-01-05T10:00:00Z", "2020-04-14T10:00:00Z"),
        ("January 5th, 2020", "April 14th, 2020"),
        ("06-JAN-2020", "15-APR-2020"),
        ("1/5/98", "4/15/98"),
        ("13.05.1998", "21.08.1998"),
        ("二〇二〇年十一月二十五日", "二〇二一年三月五日"),
        ("２０２０年１月５日", "2020年4月14日"),
        ("1月5日", "4月15日"),
        ("from 5 March to 9 April 2019", "from 13 June to 18 July 2019"),
        ("2020年1月5日至2020年3月1日", "2020年4月14日至2020年6月9日"),
        ("January 2020", "April 2020"),
    ],
)
def test_the_form_stays(text: str, moved: str) -> None:
    assert dates.shift(text, 100, TODAY) == moved


@pytest.mark.parametrize(
    "text", ["Christmas 2019", "2020-02-30", "the 1990s", "Q3 2020", "5-7 January 2020", "yesterday", "", "13/13/2020"]
)
def test_what_cannot_be_read_whole_is_not_read(text: str) -> None:
    assert dates.read(text, TODAY) is None
    assert dates.shift(text, 100, TODAY) is None


def test_a_year_that_would_not_change_is_no_result() -> None:
    assert dates.shift("2020", 30, TODAY) is None
    assert dates.shift("2020", 300, TODAY) == "2021"


@pytest.mark.parametrize("form", list(FORMS))
@given(day=some.dates(date(1930, 1, 1), date(2019, 12, 31)), days=some.integers(1, 365), sign=some.sampled_from((-1, 1)))  # fmt: skip
def test_a_shift_is_that_many_days(form: str, day: date, days: int, sign: int) -> None:
    moved = day + timedelta(days=sign * days)
    assume(form != "american" or (day.day > 12 and moved.day > 12))  # 03/04 has two readings
    written = dates.shift(FORMS[form](day), sign * days, TODAY)
    assert written is not None
    (found,) = dates.read(written, TODAY) or []
    assert found.day == moved


def test_two_digit_years_lie_behind_us() -> None:
    found = [dates.read(text, TODAY) for text in ("1/5/27", "1/5/26")]
    assert [one[0].day.year for one in found if one] == [1927, 2026]
