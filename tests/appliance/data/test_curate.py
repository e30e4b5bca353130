"""`curate` from records to records, and from data set to data set."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.data.curate import curate, curate_records
from appliance.data.dedup import normalise
from appliance.errors import InputError, PolicyError, SettingsError
from appliance.jobs import reporter
from appliance.schema import Record, Source
from appliance.settings import CleanSettings, CurateSettings
from appliance.store import Store

CLEAN, CURATE = CleanSettings(), CurateSettings()


def record(number: int, text: str, label: str | None = "a", **fields: Any) -> Record:
    return Record(id=f"{number:032x}", text=text, label=label, language="en", **fields)


def curated(
    records: Iterable[Record], clean: CleanSettings = CLEAN, **settings: Any
) -> tuple[list[Record], dict[str, Any]]:
    known = list(records)
    found, counts = curate_records(lambda: iter(known), clean, CURATE.model_copy(update=settings))
    return list(found), counts


MESSAGES = [record(number, f"message number {number}", "ab"[number % 2]) for number in range(200)]


def test_every_row_keeps_its_id_and_gets_a_split() -> None:
    found, counts = curated(MESSAGES)
    assert [one.id for one in found] == [one.id for one in MESSAGES]
    assert Counter(one.split for one in found) == counts["splits"] == {"train": 160, "validation": 20, "test": 20}
    assert counts["labels"] == {"a": 100, "b": 100}
    assert counts["split_labels"]["test"] == {"a": 10, "b": 10}
    assert (counts["read"], counts["rows"], counts["languages"]) == (200, 200, {"en": 200})


def test_rules_and_drops_are_counted_by_name() -> None:
    found, counts = curated([record(1, "<b>ｗide</b> one"), record(2, "."), record(3, "plain"), record(4, "no " * 50)])
    assert [one.text for one in found] == ["wide one", "plain"]
    assert counts["cleaned"] == {"nfkc": 1, "html": 1}
    assert counts["dropped"] == {"short": 1, "repetitive": 1}
    assert (counts["read"], counts["rows"], counts["duplicates"]) == (4, 2, 0)


def test_duplicates_are_found_after_cleaning() -> None:
    """Mended texts are compared: a copy with markup is a copy."""
    found, counts = curated([record(1, "My card is lost"), record(2, "<p>my card  is LOST</p>"), record(3, "My bill")])
    assert [one.id[-1] for one in found] == ["1", "3"]
    assert counts["duplicates"] == 1


def test_a_text_given_to_train_and_test_stays_in_test() -> None:
    rows = [record(1, "same", split="train"), record(2, "same", split="test"), record(3, "other", split="train")]
    for drop in (True, False):
        found, counts = curated(rows, drop_duplicates=drop)
        assert [(one.id[-1], one.split) for one in found] == [("2", "test"), ("3", "train")]
        assert (counts["duplicates"], counts["leaks"]) == (1, 1)


def test_duplicates_may_stay_and_then_stand_on_one_side() -> None:
    found, counts = curated(
        [*MESSAGES, *(replace(one, id=f"f{one.id[1:]}") for one in MESSAGES)], drop_duplicates=False
    )
    assert counts["duplicates"] == 0
    assert len(found) == 400
    assert {one.text: one.split for one in found[:200]} == {one.text: one.split for one in found[200:]}


def test_conflicting_labels_are_counted() -> None:
    found, counts = curated([record(1, "x y"), record(2, "x y", "b"), record(3, "X Y", "b"), record(4, "z z")])
    assert counts["conflicts"] == 1
    assert [(one.id[-1], one.label) for one in found] == [("2", "b"), ("4", "a")]


def test_given_splits_that_part_a_subject_are_kept_and_counted() -> None:
    rows = [record(1, "one", split="train", subject="s"), record(2, "two", split="test", subject="s", group="g")]
    found, counts = curated(rows)
    assert [one.split for one in found] == ["train", "test"]
    assert counts["straddling"] == {"subject": 1, "group": 0}


def test_the_split_hangs_on_the_text_never_on_ids_or_order() -> None:
    once = {one.text: one.split for one in curated(MESSAGES)[0]}
    renamed = [replace(one, id=one.id[::-1]) for one in reversed(MESSAGES)]
    assert {one.text: one.split for one in curated(renamed)[0]} == once
    assert {one.text: one.split for one in curated(MESSAGES, seed=1)[0]} != once


def test_unlabelled_rows_are_split_too() -> None:
    found, counts = curated([replace(one, label=None) for one in MESSAGES])
    assert counts["splits"] == {"train": 160, "validation": 20, "test": 20}
    assert counts["labels"] == {}
    assert len(found) == 200


def test_nothing_left_is_said() -> None:
    with pytest.raises(InputError, match="no record is left of 2"):
        curated([record(1, "."), record(2, "")])


def test_bad_shares_are_refused_before_reading() -> None:
    def records() -> Iterable[Record]:
        raise AssertionError("read before the check")

    with pytest.raises(SettingsError, match="must add up to 1"):
        curate_records(records, CLEAN, CURATE.model_copy(update={"split": "0.5/0.1/0.1"}))


def test_placeholders_survive() -> None:
    text = "<PERSON_1> lives at <ADDRESS_1>, call <PHONE_1>&nbsp;or <EMAIL_1><br>"
    found, _counts = curated([record(1, text)])
    assert found[0].text == "<PERSON_1> lives at <ADDRESS_1>, call <PHONE_1> or <EMAIL_1>"


def test_progress_is_told_and_a_cancelled_job_stops() -> None:
    told: list[tuple[int, int | None]] = []
    token = reporter.set(lambda _step, done, total, _numbers: told.append((done, total)))
    try:
        found, _counts = curate_records(lambda: iter(MESSAGES * 10), CLEAN, CURATE, total=2000)
        list(found)
    finally:
        reporter.reset(token)
    assert told[0] == (500, 4000)
    assert told[-1] == (3500, 4000)
    assert [done for done, _total in told] == sorted(done for done, _total in told)


WORDS = st.sampled_from(["card lost", "Card  LOST", "bill", "ｂill", "<b>bill</b>", "refill", "results", ".", "é"])
OTHER = st.sampled_from([None, "1", "2", "3", "4", "5"])
SPLIT = st.sampled_from([None, None, None, "train", "validation", "test"])
ROWS = st.lists(st.tuples(WORDS, OTHER, OTHER, SPLIT, st.sampled_from([None, "a", "b"])), min_size=1, max_size=40)


@settings(deadline=None)
@given(ROWS, st.booleans())
def test_no_leak_whatever_comes(rows: list[tuple[Any, ...]], drop: bool) -> None:
    """No text stands in two splits; no subject or group does, unless the source said so; given splits are kept."""
    records = [
        record(number, text, label, subject=subject, group=group, split=split)
        for number, (text, subject, group, split, label) in enumerate(rows)
    ]
    if all(one.text in (".", "é") for one in records):
        return
    found, counts = curated(records, drop_duplicates=drop)
    told = {one.id: one.split for one in records}
    assert all(told[one.id] in (None, one.split) for one in found)
    assert len(found) + counts["duplicates"] + sum(counts["dropped"].values()) == len(records)
    splits_of: dict[str, set[str | None]] = {}
    for one in found:
        splits_of.setdefault(normalise(one.text), set()).add(one.split)
    assert all(len(splits) == 1 for splits in splits_of.values())
    if not any(split for _text, _subject, _group, split, _label in rows):
        for field in ("subject", "group"):
            assert counts["straddling"][field] == 0
            pairs = {(getattr(one, field), one.split) for one in found if getattr(one, field)}
            assert len({name for name, _split in pairs}) == len(pairs)


def test_memory_grows_by_bytes_a_row_not_by_texts() -> None:
    """The first pass keeps hashes: 4,000 rows of 2,000 characters (8 MB) must pass through far less."""

    def records() -> Iterable[Record]:
        return (
            record(number, f"{number} " + "word " * 400 + str(number), subject=str(number // 3))
            for number in range(4_000)
        )

    off = CleanSettings(repetitive=False)
    list(curate_records(lambda: iter(MESSAGES), off, CURATE)[0])  # imports are not counted
    tracemalloc.start()
    try:
        found, _counts = curate_records(records, off, CURATE)
        assert sum(1 for _one in found) == 4_000
        assert tracemalloc.get_traced_memory()[1] < 2 * 1024**2
    finally:
        tracemalloc.stop()


# -- the step ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def store() -> Store:
    return Store.open()


def stored(store: Store, records: list[Record], stage: str) -> Any:
    with store.draft("dataset", "tickets", meta={"stage": stage}) as draft:
        store.write_records(draft, records)
    return draft.artifact


def test_the_child_names_its_parent_and_the_parent_stays(store: Store) -> None:
    parent = stored(store, MESSAGES, "scrubbed")
    child = curate(store, parent, CLEAN, CURATE)
    assert (child.name, child.stage, child.rows, child.parents) == ("tickets", "curated", 200, (parent.id,))
    assert child.meta["splits"] == {"train": 160, "validation": 20, "test": 20}
    assert child.meta["settings"]["curate"]["split"] == "0.8/0.1/0.1"
    assert store.dataset("tickets").id == child.id
    assert [one.text for one in store.records(parent)] == [one.text for one in MESSAGES]
    assert {one.id for one in store.records(child, split="test")} < {one.id for one in MESSAGES}
    assert store.events()[-1].verb == "curate"


def test_the_same_input_gives_the_same_artifact(store: Store) -> None:
    parent = stored(store, MESSAGES, "scrubbed")
    assert curate(store, parent, CLEAN, CURATE).id == curate(store, parent, CLEAN, CURATE, name="again").id


def test_raw_data_is_refused_unless_the_settings_say_it_is_harmless(store: Store) -> None:
    source = Source("secret-name.csv", 1, id="row-7", kept={"column": "kept value"})
    raw = stored(store, [record(1, "a text", subject="p1", group="g1", source=source)], "raw")
    with pytest.raises(PolicyError, match="skerry scrub tickets"):
        curate(store, raw, CLEAN, CURATE)
    child = curate(store, raw, CLEAN, CurateSettings(unscrubbed=True))
    (only,) = store.records(child)
    assert only.source is None
    assert (only.subject, only.group) == (store.hmac("subject", "p1"), store.hmac("group", "g1"))
    assert only.source_key == store.hmac("source", "row-7")
    assert child.meta["scrubbed"] is False
