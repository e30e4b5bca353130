"""Seeded recall: identities are planted at the edges of sentences, counted only when wholly masked, and nothing of them stays."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from appliance import pipeline
from appliance.errors import InputError
from appliance.privacy import identities
from appliance.privacy.detect import Scrubber
from appliance.privacy.policy import OperatorSpec, Policy, load
from appliance.privacy.recall import Planted, covered, plant, recall, seeded
from appliance.privacy.recall_report import write_recall_report
from appliance.privacy.scrub import scrub
from appliance.schema import Finding, Record, Source
from appliance.settings import ScrubSettings
from appliance.store import Store

ENGLISH = "The card was refused twice! Please help me. I wait"
CHINESE = "银行卡被拒了两次！请帮帮我。等您回复"


def policy(*kinds: str, keep: str = "") -> Policy:
    """A policy without models that looks for `kinds` and keeps what it finds of `keep`."""
    operators = {keep: OperatorSpec("keep")} if keep else {}
    spec = OperatorSpec("placeholder")
    return Policy("test", "structured-only", frozenset(kinds), operators, spec, 0.4, "", "", "", "0" * 64)


def scrubber(using: Policy) -> Scrubber:
    return Scrubber.from_settings("auto", ScrubSettings(), policy=using)


def records(*texts: str) -> list[Record]:
    return [Record(f"{place:032x}", text) for place, text in enumerate(texts)]


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, "", "ends. ", "one\ntwo"])
def test_an_identity_stands_whole_in_the_copy_and_the_record_around_it(text: str) -> None:
    for seed in range(30):
        planted = plant(text, "EMAIL", random.Random(seed))
        value = planted.text[planted.start : planted.end]
        assert "@" in value and value.strip() == value
        around = planted.text[: planted.start] + planted.text[planted.end :]
        assert Counter("".join(text.split())) <= Counter(around)
        assert all(part.strip() in around for part in re.split("[.!。！\n]", text))


def test_the_language_of_the_record_decides_the_sentence() -> None:
    assert plant(CHINESE, "PERSON", random.Random(0)).language == "zh"
    assert plant(ENGLISH, "PERSON", random.Random(0)).language == "en"


def test_every_kind_can_be_planted_at_every_edge() -> None:
    chance = random.Random(5)
    for kind in load("balanced").kinds:
        for text in (ENGLISH, CHINESE):
            planted = plant(text, kind, chance)
            assert planted.text[planted.start : planted.end].strip()


@pytest.mark.parametrize(
    ("spans", "whole"),
    [([(0, 8)], True), ([(0, 3), (4, 8)], True), ([(0, 7)], False), ([(1, 8)], False), ([], False)],
)
def test_an_identity_counts_only_with_all_its_letters_and_digits(spans: list[tuple[int, int]], whole: bool) -> None:
    """What stands between groups need not be masked; the last digit must."""
    planted = Planted("555-0100", 0, 8, "PHONE", "en")
    assert covered(planted, [Finding(start, end, "PHONE", 1.0, "", "") for start, end in spans]) is whole


def test_the_counts_add_up_and_the_seed_decides() -> None:
    using = policy("EMAIL", "IBAN", "BANK_CARD")
    first, again = (seeded(records(ENGLISH, CHINESE), scrubber(using), using, 10, 1) for _time in "12")
    assert first == again
    assert first["planted"] == 30 == sum(row["planted"] for row in first["kinds"])
    assert {row["kind"]: row["planted"] for row in first["kinds"]} == {"EMAIL": 10, "IBAN": 10, "BANK_CARD": 10}
    assert sum(row["planted"] for row in first["languages"]) == 30
    for row in (first, *first["kinds"]):
        assert row["found"] + row["missed"] + row["held_back"] == row["planted"]
        assert 0 <= row["low"] <= row["recall"] <= row["high"] <= 1
    assert first["recall"] > 0.8
    assert plant(ENGLISH, "EMAIL", random.Random(1)) != plant(ENGLISH, "EMAIL", random.Random(2))


def test_what_a_policy_keeps_is_not_found() -> None:
    """An operator that leaves the value in its place masks nothing."""
    using = policy("EMAIL", "IBAN", keep="EMAIL")
    found = seeded(records(ENGLISH), scrubber(using), using, 5, 1)
    assert {row["kind"]: row["found"] for row in found["kinds"]} == {"EMAIL": 0, "IBAN": 5}


def test_a_recognizer_that_sees_nothing_is_told_as_missed() -> None:
    using = policy("PERSON")  # without models nobody finds a name
    found = seeded(records("nothing here at all"), scrubber(using), using, 8, 1)
    assert found["recall"] < 0.5
    assert found["missed"] == 8 - found["found"]


def test_without_a_record_there_is_nothing_to_plant_in() -> None:
    using = policy("EMAIL")
    with pytest.raises(InputError, match="no record"):
        seeded(records(" "), scrubber(using), using, 1, 1)


def test_a_recall_leaves_an_event_and_no_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts are written; none of the identities that were planted is anywhere in the home or the report."""
    made: list[str] = []
    carrier = identities.carrier

    def remembered(kind: str, language: identities.Language, chance: random.Random) -> tuple[str, int, int]:
        text, start, end = carrier(kind, language, chance)
        made.append(text[start:end])
        return text, start, end

    monkeypatch.setattr(identities, "carrier", remembered)
    store = Store.open(tmp_path / "home")
    with store.draft("dataset", "letters", meta={"stage": "raw"}) as draft:
        raw = [
            Record("0" * 32, ENGLISH, source=Source("a.csv", 1)),
            Record("1" * 32, CHINESE, source=Source("a.csv", 2)),
        ]
        store.write_records(draft, raw)
    found = recall(store, draft.artifact, ScrubSettings(policy="structured-only"), 2, 7)
    write_recall_report(tmp_path / "report", found)
    event = store.events()[-1]
    assert (event.verb, event.details["method"], event.details["planted"]) == ("recall", "seeded", found["planted"])
    assert json.loads((tmp_path / "report" / "recall.json").read_text("utf-8"))["recall"] == found["recall"]
    page = (tmp_path / "report" / "recall.html").read_text("utf-8")
    assert "召回率" in page and "<script" not in page and "http" not in page
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert len(made) == found["planted"]
    assert [value for value in made if len(value) > 6 and value.encode() in written] == []


def test_records_are_raw_as_long_as_they_are_there(tmp_path: Path) -> None:
    """Of a scrubbed set its raw parent is copied; when that was purged, the scrubbed records serve."""
    store = Store.open(tmp_path / "home")
    with store.draft("dataset", "letters", meta={"stage": "raw"}) as draft:
        store.write_records(draft, [Record("0" * 32, ENGLISH, source=Source("a.csv", 1))])
    settings = {"scrub": {"policy": "structured-only", "processes": 1}}
    child = scrub(store, draft.artifact, ScrubSettings(**settings["scrub"]), name="clean")
    assert pipeline.recall(store, "clean", 1, 1, overrides=settings)["dataset"] == draft.artifact.reference
    store.bury(draft.artifact, "purge-raw")
    assert pipeline.recall(store, "clean", 1, 1, overrides=settings)["dataset"] == child.reference
