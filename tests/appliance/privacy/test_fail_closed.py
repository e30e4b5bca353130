"""500 of 500: whatever a recognizer, an operator or the second look does wrong, its record is held back and the others go on."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from appliance.privacy import Scrubber, policy, workers
from appliance.privacy.detect import _Patterns
from appliance.privacy.operators import Run, write
from appliance.privacy.recognizers import Hit, Recognizer
from appliance.privacy.scrub import HeldBack, scrub_records
from appliance.schema import Record
from appliance.settings import ScrubSettings

INJECTED = 500
GUILTY = "the guilty record"
ERRORS: tuple[type[Exception], ...] = (
    ValueError, RuntimeError, KeyError, IndexError, TypeError, MemoryError, RecursionError, AssertionError, OSError,
    UnicodeError, ZeroDivisionError, StopIteration, AttributeError, TimeoutError, Exception,
)  # fmt: skip
GARBAGE = (
    Hit(-3, 2, "PERSON", 0.9),
    Hit(5, 2, "PERSON", 0.9),
    Hit(0, 10_000, "PERSON", 0.9),
    Hit(10_000, 10_001, "PERSON", 0.9),
    Hit(0, 3, "NO_SUCH_KIND", 0.9),
    Hit(0, 3, "PERSON", float("nan")),
    Hit(0, 3, "PERSON", 2.0),
    Hit(0, 3, "PERSON", -1.0),
    Hit("0", 3, "PERSON", 0.9),  # type: ignore[arg-type]
    Hit(0.5, 3, "PERSON", 0.9),  # type: ignore[arg-type]
    Hit(0, 3, None, 0.9),  # type: ignore[arg-type]
    None,
    ("PERSON", 0, 3),
)


def raising(error: type[Exception]) -> Callable[[str], Iterator[Hit]]:
    def find(text: str) -> Iterator[Hit]:
        if GUILTY in text:
            raise error
        yield from ()

    return find


def wrong(hit: Any) -> Callable[[str], Iterator[Hit]]:
    def find(text: str) -> Iterator[Hit]:
        if GUILTY in text:
            yield hit

    return find


def slow(text: str) -> Iterator[Hit]:
    if GUILTY in text:
        time.sleep(60)
    yield from ()


STRUCTURED = replace(policy.load("balanced"), mode="structured-only")


def scrubber() -> Scrubber:
    """A scrubber without models, which is fast."""
    return Scrubber.from_settings("en", ScrubSettings(processes=1), policy=STRUCTURED)


def records(draw: random.Random) -> list[Record]:
    """A few records, one of them guilty, each with an address that is found."""
    texts = [f"write to person{number}{draw.random()}@example.com" for number in range(4)]
    guilty = draw.randrange(4)
    texts[guilty] += f", {GUILTY}"
    return [Record(f"{'guilty' if number == guilty else 'other'}{number}", text) for number, text in enumerate(texts)]


def outcome(using: Scrubber, draw: random.Random, run: Run | None = None) -> tuple[list[str], list[str]]:
    """Scrub; return the ids held back and those that went on."""
    done = list(scrub_records(records(draw), using, using.settings, run=run))
    assert all("@" not in each.text for each in done if isinstance(each, Record))
    return (
        [each.id[:6] for each in done if isinstance(each, HeldBack)],
        [each.id[:5] for each in done if isinstance(each, Record)],
    )


def inject(using: Scrubber, find: Any, strong: bool = False) -> None:
    bad = Recognizer("bad", find, strong=strong)
    using._patterns = _Patterns([*using._patterns.recognizers, bad])
    if strong:
        using._strong = _Patterns([*using._strong.recognizers, bad])


def test_500_of_500_injected_failures_hold_their_record_back() -> None:
    draw, run = random.Random(4), Run(STRUCTURED, b"k" * 32)
    for number in range(INJECTED):
        using = scrubber()
        broken = wrong(draw.choice(GARBAGE)) if number % 2 else raising(draw.choice(ERRORS))
        inject(using, broken, strong=draw.random() < 0.5)
        assert outcome(using, draw, run) == (["guilty"], ["other"] * 3), number


def test_a_failing_second_look_holds_the_record_back() -> None:
    using = scrubber()
    using._strong = _Patterns([*using._strong.recognizers, Recognizer("bad", raising(ValueError))])
    assert outcome(using, random.Random(1)) == (["guilty"], ["other"] * 3)


def test_a_recognizer_that_hangs_holds_the_record_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_seconds", lambda _texts, _settings: 0.2)
    using = scrubber()
    inject(using, slow)
    assert outcome(using, random.Random(2)) == (["guilty"], ["other"] * 3)


@pytest.mark.parametrize("answer", [ValueError, MemoryError, 7, b"bytes"], ids=str)
def test_a_failing_operator_holds_the_record_back(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    masked = replace(policy.load("balanced"), mode="structured-only", default=policy.OperatorSpec("mask"))
    plain = write.OPERATORS["mask"]

    def broken(value: Any, scope: Any) -> Any:
        if "7777" not in value.text:
            return plain(value, scope)
        if isinstance(answer, type):
            raise answer
        return answer

    monkeypatch.setitem(write.OPERATORS, "mask", broken)  # type: ignore[arg-type]
    rows = [Record("guilty", "write to p7777@example.com"), Record("other", "write to p1@example.com")]
    run = Run(masked, b"k" * 32)
    done = list(scrub_records(rows, scrubber(), ScrubSettings(processes=1), run=run))
    assert isinstance(done[0], HeldBack) and isinstance(done[1], Record)
